"""A gin file from a stranger runs no code, and is refused in one line that names its place."""

import builtins
import os
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archlab import config, experiments
from archlab.bindings import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.gin"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def watched(monkeypatch, tmp_path):
    """Fails the test if reading a gin file imports, calls out or opens what it should not."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"a gin file ran code: {args}")

    real = builtins.__import__

    def guarded(name, *args, **kwargs):
        assert name.split(".")[0] not in ("hostile", "antigravity", "subprocess"), name
        return real(name, *args, **kwargs)

    (tmp_path / "hostile.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(builtins, "__import__", guarded)
    monkeypatch.setattr(os, "system", refuse)


HOSTILE = {
    "import": ("import hostile", "import nothing"),
    "import os": ("import os", "import nothing"),
    "from": ("from hostile import x", "import nothing"),
    "as": ("import hostile.x as y", "import nothing"),
    "dynamic registration": ("from __gin__ import dynamic_registration", "import nothing"),
    "call": ("Run.seed = @os.system()", "'os.system' cannot be configured"),
    "builtin": ("Run.seed = @eval()", "'eval' cannot be configured"),
    "gin's own": ("Run.seed = @gin.singleton()", "cannot be configured"),
    "gin's macro": ("Run.seed = @macro()", "cannot be configured"),
    "macro": ("x = 6\nRun.seed = %x", "macro"),
    "macro use": ("Run.seed = %gin.REQUIRED", "macro"),
    "expression": ("Run.seed = 6 + 6", "not gin"),
    "code": ("Run.seed = __import__('os').system('true')", "not gin"),
    "in a list": ("Run.expect = [@os.getpid(), 1.0]", "cannot be configured"),
    "in a dict": ("Run.seed = {'a': @os.getpid()}", "cannot be configured"),
    "as a key": ("Run.seed = {@os.getpid(): 1}", "cannot be configured"),
    "up": ("include '../../../../etc/passwd.gin'", "refused"),
    "absolute": ("include '/etc/hostname'", "refused"),
    "no gin": ("include 'hostile.py'", "refused"),
    "remote": ("include 'gs://bucket/x.gin'", "is not there"),
    "device": ("include '/dev/zero'", "refused"),
    "link": ("include 'link.gin'", "refused"),
    "itself": ("include 'mine.gin'", "included already"),
    "twice": ("include 'gin/size/tiny.gin'\n" * 2, "included already"),
    "cycle": ("include 'cycle.gin'", "included already"),
    "deep": ("include 'deep0.gin'", "includes within includes"),
    "long": ("include 'long.gin'", "bytes"),
    "binary": ("include 'binary.gin'", "UTF-8"),
    "zero": ("Run.seed = 1\0", ""),
    "brackets": ("Run.seed = " + "[" * 5000, ""),
    "closed brackets": ("Run.seed = " + "[" * 5000 + "]" * 5000, ""),
    "lists of lists": ("Run.stages = " + "[" * 60 + "]" * 60, "it takes"),
    "number": ("Run.seed = " + "9" * 5000, ""),
    "indent": ("  Run.seed = 1\n Run.keep = 1", ""),
    "semicolon": ("Run.seed = 1; import hostile", "not gin"),
    "continued": ("Run.seed = \\\n  @os.getpid()", "cannot be configured"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_runs_nothing(watched, write, name, tmp_path):
    line, said = HOSTILE[name]
    write("include 'mine.gin'\n", "cycle.gin")
    for depth in range(30):
        write(f"include 'deep{depth + 1}.gin'\n", f"deep{depth}.gin")
    write("# " + "x" * 100_000, "long.gin")
    (tmp_path / "binary.gin").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "link.gin").symlink_to("/etc/hostname")
    path = write(f"{line}\n")
    with pytest.raises(ConfigError) as caught:
        config.read(path)
    text = str(caught.value)
    assert said in text and "\n" not in text
    assert text.split(":")[0].endswith(".gin")
    assert "hostile" not in sys.modules


REAL = "".join(
    line
    for line in (experiments.home() / "experiments" / "quickstart.gin").read_text().splitlines(True)
    if not line.startswith("#")
)
PIECES = (
    *"@%()[]{}'\"#=./\\ \n\t:,;-0aZ_\0\r\ufeffλ",
    "import ",
    "include ",
    "'''",
    "\\\n",
    "@Run()",
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(REAL) - 1), st.integers(0, 5), st.sampled_from(("", *PIECES))),
        min_size=1,
        max_size=3,
    )
)
def test_a_broken_file_is_read_or_refused_in_one_line(write, changes):
    text = REAL
    for place, gone, piece in changes:
        text = text[:place] + piece + text[place + gone :]
    path = write(text)
    try:
        config.read(path)
    except ConfigError as error:
        assert "\n" not in str(error)
        assert str(error).startswith((f"{path}", "gin/")), error
