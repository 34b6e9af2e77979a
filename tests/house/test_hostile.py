"""A gin file from a stranger runs no code, and is refused in one line that names its place."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archlab import commands, config, experiments
from archlab.bindings import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.gin"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


# What the interpreter reports when something is run, fetched, written or removed; `open` too, which
# is let pass for reading the files that an experiment may consist of.
DEEDS = ("exec", "import", "os.", "socket.", "subprocess.", "shutil.", "ctypes.", "pty.", "urllib.")
# Those of whoever looks for what was probably meant, and of typer, which sets a variable and back.
SPARED = ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv")
_watch: list[Path] = []
_seen: list[tuple] = []


def _report(event, arguments):
    if not _watch:
        return
    if event == "open":
        name, mode, flags = arguments
        is_own = str(name).endswith(".gin") and Path(name).resolve().is_relative_to(_watch[0])
        is_ours = Path(str(name)).is_relative_to(experiments.home() / "gin")
        if flags & (os.O_WRONLY | os.O_RDWR) or not (is_own or is_ours):
            _seen.append((event, name))
    elif event.startswith(DEEDS) and event not in SPARED:
        _seen.append((event, arguments))


sys.addaudithook(_report)


@pytest.fixture
def deeds(tmp_path, monkeypatch):
    """What the interpreter does besides reading gin files, while one is read."""
    (tmp_path / "hostile.py").write_text("open('it-ran', 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    config.read("quickstart")  # so that what reading imports is imported
    yield _seen
    _watch.clear()
    _seen.clear()
    assert not (tmp_path / "it-ran").exists() and "hostile" not in sys.modules


SENTENCE = """\
include 'gin/architecture/prefix_decoder.gin'
include 'gin/size/tiny.gin'
include 'gin/mesh/all.gin'
Stage.mixture = 'x'
Stage.targets = 32
"""
ONE = "Run.stages = [@Stage()]\n"
SIZE = """\
include 'gin/architecture/prefix_decoder.gin'
include 'gin/mesh/all.gin'
include 'gin/stage/tiny.gin'
Run.stages = [@Stage()]
Stage.mixture = 'x'
Stage.tokens = '9B'
Run.size = @Size()
"""
NUMBERS = "".join(f"Size.{name} = 8\n" for name in ("embed", "mlp", "heads", "kv", "vocab"))
# Each: what the file holds, the line that is blamed, and words of what is said.
HOSTILE = {
    "import": ("import hostile", 1, "import nothing"),
    "import os": ("Run.seed = 1\nimport os", 2, "import nothing"),
    "from": ("from hostile import x", 1, "import nothing"),
    "as": ("import hostile.x as y", 1, "import nothing"),
    "dynamic registration": ("from __gin__ import dynamic_registration", 1, "import nothing"),
    "call": ("Run.seed = @os.system()", 1, "'os.system' cannot be configured"),
    "callable": ("Run.seed = @os.system", 1, "'os.system' cannot be configured"),
    "own module": ("Run.seed = @hostile.run()", 1, "'hostile.run' cannot be configured"),
    "builtin": ("Run.seed = @eval()", 1, "'eval' cannot be configured"),
    "gin's own": ("Run.seed = @gin.singleton()", 1, "cannot be configured"),
    "singleton": ("Run.seed = @one/singleton()", 1, "cannot be configured"),
    "gin's macro": ("Run.seed = @gin.macro()", 1, "cannot be configured"),
    "bound macro": ("gin.macro.value = @eval", 1, "cannot be configured"),
    "bound singleton": ("one/gin.singleton.constructor = @eval", 1, "cannot be configured"),
    "constant": ("gin.constant.value = 1", 1, "cannot be configured"),
    "macro": ("x = 6\nRun.seed = %x", 1, "bound as a macro"),
    "macro of a callable": ("x = @eval", 1, "bound as a macro"),
    "macro use": ("Run.seed = %gin.REQUIRED", 1, "is a macro"),
    "class, not called": ("Run.size = @Size", 1, "did you mean '@Size()'?"),
    "block of a stranger": ("os.system:\n  command = 'true'", 1, "cannot be configured"),
    "dunder": ("Run.__init__ = 1", 1, "has no '__init__'"),
    "dunder of a class": ("Size.__class__ = 'Run'", 1, "has no '__class__'"),
    "expression": ("Run.seed = 6 + 6", 1, "not gin"),
    "code": ("Run.seed = __import__('hostile')", 1, "not gin"),
    "format": ("Run.start = f'{__import__(\"hostile\")}'", 1, ""),
    "lambda": ("Run.seed = lambda: 1", 1, "not gin"),
    "comprehension": ("Run.expect = [x for x in (1, 2)]", 1, "not gin"),
    "backticks": ("Run.start = `touch it-ran`", 1, "not gin"),
    "shell": ("Run.start = $(touch it-ran)", 1, "not gin"),
    "decorator": ("@hostile\nRun.seed = 1", 1, "not gin"),
    "in a list": ("Run.expect = [@os.getpid(), 1.0]", 1, "cannot be configured"),
    "in a dict": ("Run.seed = {'a': @os.getpid()}", 1, "cannot be configured"),
    "a list as a key": ("Run.seed = {[]: 1}", 1, "no key of a dict"),
    "a dict as a key": ("Run.seed = 1\nRun.keep = {{}: 1}", 2, "no key of a dict"),
    "as a key": ("Run.seed = {@os.getpid(): 1}", 1, "cannot be configured"),
    "up": ("include '../../../../etc/passwd.gin'", 1, "refused"),
    "up from ours": ("include 'gin/../../../etc/passwd.gin'", 1, "refused"),
    "absolute": ("include '/etc/hostname'", 1, "refused"),
    "no gin": ("include 'hostile.py'", 1, "refused"),
    "remote": ("include 'gs://bucket/x.gin'", 1, "is not there"),
    "device": ("include '/dev/zero'", 1, "refused"),
    "link out": ("include 'link.gin'", 1, "refused"),
    "link to a device": ("include 'zero.gin'", 1, "refused"),
    "links in a ring": ("include 'ring.gin'", 1, ""),
    "pipe": ("include 'pipe.gin'", 1, "is not there"),
    "directory": ("include 'folder.gin'", 1, "is not there"),
    "zero byte in a name": ("include 'a\\0.gin'", 1, "refused"),
    "long name": (f"include '{'x' * 5000}.gin'", 1, "refused"),
    "computed name": ("include @os.getcwd()", 1, "not gin"),
    "itself": ("include 'mine.gin'", 1, "included already"),
    "twice": ("include 'gin/size/tiny.gin'\n" * 2, 2, "included already"),
    "cycle": ("include 'cycle.gin'", "cycle.gin:1", "included already"),
    "deep": ("include 'deep0.gin'", "deep7.gin:1", "includes within includes"),
    "bomb": ("include 'bomb0.gin'", "", "has at most 32768 bytes"),
    "long file": ("include 'long.gin'", "long.gin", "has at most 32768 bytes"),
    "long line": (f"Run.start = '{'x' * 10_000_000}'", "", "has at most 32768 bytes"),
    "many lines": ("Run.seed = 1\n" * 1_000_000, "", "has at most 32768 bytes"),
    "many stages": (SENTENCE + f"Stage.steps = 0\nRun.stages = [{'@Stage(), ' * 2500}]", 6, ""),
    "many keys": ("".join(f"a{n}/Stage.rows = 1\n" for n in range(1500)), "", ""),
    "binary": ("include 'binary.gin'", "binary.gin:2", "UTF-8"),
    "zero byte": ("Run.seed = 1\0", 1, "does not see"),
    "byte order mark": ("\ufeffRun.seed = 1", 1, "does not see"),
    "turned around": ("# \u202eRun.seed = 1\u202c", 1, "'\\u202e' is a character that one does"),
    "zero width": ("Run.se\u200bed = 1", 1, "does not see"),
    "escape": ("Run.seed = 1\n# \x1b[2J", 2, "does not see"),
    "escape in a word": ("Run.start = '\\x1b]0;x\\x07'", 1, "does not see"),
    "letter that looks alike": (
        "S\u0456ze.layers = 2",
        1,
        "'S\\u0456ze' cannot be configured, did",
    ),
    "field that looks alike": ("Size.l\u0430yers = 2", 1, "did you mean 'layers'?"),
    "scope that looks alike": ("sp\u0430n/Stage.rows = 2", 1, "a to z"),
    "brackets": ("Run.seed = " + "[" * 5000, 1, ""),
    "closed brackets": ("Run.seed = " + "[" * 5000 + "]" * 5000, 1, ""),
    "braces": ("Run.seed = " + "{1:" * 5000 + "1" + "}" * 5000, 1, ""),
    "far too many brackets": ("Run.seed = " + "[" * 100_000, "", "has at most 32768 bytes"),
    "lists of lists": ("Run.stages = " + "[" * 60 + "]" * 60, 1, "it takes"),
    "number": ("Run.seed = " + "9" * 5000, 1, ""),
    "number in hexadecimal": ("Run.seed = 0x" + "f" * 20_000, 1, "80000 bits"),
    "number in a word": (
        SENTENCE + ONE + f"Stage.tokens = '{'9' * 4000}T'",
        7,
        "write a whole number",
    ),
    "many rows": (SENTENCE + f"Stage.tokens = '9T'\nStage.rows = {2**64}", 7, "65 bits"),
    "many trillions": (SENTENCE + ONE + "Stage.tokens = '999999999999999T'", 7, "below"),
    "many layers": (SIZE + f"Size.layers = {10**18}\n{NUMBERS}", 8, "at most 16777216"),
    "string over lines": ("Run.start = 'a\nb'", 1, ""),
    "string with an end of line": ("Run.start = 'a\\nb'", 1, "does not see"),
    "text that never ends": ("Run.start = '''x", 1, "not closed"),
    "indent": ("  Run.seed = 1\n Run.keep = 1", 2, ""),
    "semicolon": ("Run.seed = 1; import hostile", 1, "not gin"),
    "continued": ("Run.seed = \\\n  @os.getpid()", 1, "cannot be configured"),
    "continued without end": ("Run.seed = \\", 2, "not closed"),
    "YAML": ("Run:\n  seed: !!python/object/apply:os.system ['true']", 2, "not gin"),
    "YAML's anchor": ("a: &a [x]\nb: *a", 1, ""),
    "JSON": ('{"Run.seed": 1}', 1, "not gin"),
    "Python": ("def main():\n    import hostile", 1, "not gin"),
    "a run's own text": ("# experiment: ../../x\nRun.sead = 1", 2, "did you mean 'seed'?"),
}


def company(write, folder):
    """What the hostile files find where they are."""
    write("include 'mine.gin'\n", "cycle.gin")
    for depth in range(30):
        write(f"include 'deep{depth + 1}.gin'\n", f"deep{depth}.gin")
    for depth in range(6):  # each includes two: one that is long, and the next of these
        write(f"include 'filler{depth}.gin'\ninclude 'bomb{depth + 1}.gin'\n", f"bomb{depth}.gin")
        write("# " + "x" * 12_000, f"filler{depth}.gin")
    write("# " + "x" * 100_000, "long.gin")
    (folder / "binary.gin").write_bytes(b"# a\n\xff\xfe\x00")
    (folder / "link.gin").symlink_to("/etc/hostname")
    (folder / "zero.gin").symlink_to("/dev/zero")
    (folder / "ring.gin").symlink_to(folder / "ring.gin")
    (folder / "folder.gin").mkdir()
    os.mkfifo(folder / "pipe.gin")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_runs_nothing(deeds, write, name, tmp_path, capsys):
    text, line, said = HOSTILE[name]
    company(write, tmp_path)
    path = write(f"{text}\n")
    commands.main(["config", "nowhere"])  # so that what the command imports is imported
    capsys.readouterr()
    _watch.append(tmp_path)
    status = commands.main(["config", str(path)])
    _watch.clear()
    told = capsys.readouterr()
    assert status == 2 and told.out == "" and deeds == []
    assert told.err.count("\n") == 1 and len(told.err) < 1000, "ten lines of a terminal"
    where = f"{path}:{line}: " if isinstance(line, int) else f"{tmp_path}/{line}"
    assert told.err.startswith(f"archlab: error: {where}"), told.err
    assert said in told.err


@pytest.mark.parametrize("name", ["pipe.gin", "zero.gin", "ring.gin", "folder.gin"])
def test_what_is_no_file_is_not_read(deeds, write, name, tmp_path, capsys):
    company(write, tmp_path)
    assert commands.main(["config", name]) == 2
    assert capsys.readouterr().err.startswith("archlab: error: ")


def test_the_watch_sees_what_is_done(deeds, tmp_path):
    _watch.append(tmp_path)
    os.system("true")
    (tmp_path / "written").write_text("")
    with pytest.raises(ModuleNotFoundError):
        exec("import not_there_at_all")
    _watch.clear()
    assert {"os.system", "open", "import", "exec"} <= {event for event, *_ in deeds}


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
