"""Every word of gin/place says what it would call, and what it hands to a shell is clean.

A golden is what `archlab launch quickstart --on WORD --dry-run` prints. `make golden`
(ARCHLAB_GOLDEN=1) writes them anew.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archlab import commands, config, experiments
from archlab.bindings import ConfigError
from archlab.launch.hosts import Local
from archlab.launch.places import Launch

HOME = experiments.home()
GOLDEN = Path(__file__).parent.parent / "golden" / "launch"
WORDS = sorted(path.stem for path in (HOME / "gin" / "place").glob("*.gin"))
SCRIPTS = sorted((HOME / "experiments" / "launch").glob("*.sh"))
# What a word leaves to whoever has such machines.
OWN = {
    "CloudTPU": {
        "zone": "us-west4-a",
        "image": "us-docker.pkg.dev/mine/archlab/archlab",
        "share": "10.0.0.2:/share",
        "spot": "True",
    },
    "JobSet": {"image": "us-docker.pkg.dev/mine/archlab/archlab", "claim": "share"},
    "Xpk": {
        "cluster": "mine",
        "zone": "us-west4-a",
        "image": "us-docker.pkg.dev/mine/archlab/archlab",
    },
    "Slurm": {"program": "/shared/archlab/.venv/bin/archlab"},
    "Hosts": {"hosts": "['one', 'me@two']"},
    "Local": {"port": "1234"},
}
NASTY = "Data.folder=/a b/$(x);'\"`"


def own(word: str) -> list[str]:
    text = (HOME / "gin" / "place" / f"{word}.gin").read_text()
    (kind,) = (kind for kind in OWN if f"Launch.on = @{kind}()" in text)
    return [f"{kind}.{name}={value}" for name, value in OWN[kind].items()]


@pytest.fixture
def printed(capsys):
    """What a launch would call, as it is printed."""

    def printed(word, *more):
        said = [f"--set={one}" for one in [*own(word), *more]]
        asked = ["launch", "quickstart", "--on", word, "--dry-run", "--follow", *said]
        assert commands.main(asked) == 0
        return capsys.readouterr().out

    return printed


@pytest.mark.parametrize("word", WORDS)
def test_a_word_prints_what_its_golden_has(word, printed):
    said = printed(word, NASTY).replace(sys.executable, "python").replace(f"{HOME}/", "")
    path = GOLDEN / f"{word}.sh"
    if os.environ.get("ARCHLAB_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(said)
    assert path.exists(), f"no golden for {word}; `make golden` writes it"
    assert said == path.read_text(), "read the diff of `make golden`"


def test_no_golden_is_left_of_what_is_gone():
    assert sorted(path.stem for path in GOLDEN.glob("*.sh")) == WORDS


def test_every_kind_of_machines_has_a_word():
    kinds = {type(config.place(word, own(word))[0].on).__name__ for word in WORDS}
    assert kinds == set(OWN)


@pytest.mark.parametrize(
    "paths, but",
    [
        (SCRIPTS, []),
        # SC2016 warns of $(x) that a shell will not run, which is what the quotes are for.
        (sorted(GOLDEN.glob("*.sh")), ["--exclude=SC2016"]),
    ],
    ids=["scripts", "calls"],
)
def test_what_a_shell_reads_is_clean(paths, but):
    program = Path(sys.executable).parent / "shellcheck"
    words = [program, "--shell=bash", "--severity=style", *but, *paths]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert paths and not done.stdout and not done.returncode, done.stdout


def test_each_override_goes_where_its_key_is():
    made, others = config.place("local", ["Local.processes=3", "Size.layers=2", "Launch.starts=1"])
    assert made == Launch(Local(3), (), 1) and others == ["Size.layers=2"]


@pytest.mark.parametrize(
    "word, more, said",
    [
        ("locl", [], "no place 'locl', did you mean 'local'?"),
        ("local", ["Local.proceses=3"], "Local has no 'proceses', did you mean 'processes'?"),
        ("local", ["Slurm.nodes=3"], "Slurm.nodes has no effect: nothing refers to @Slurm()"),
        ("local", ["Local.processes=0"], "Local.processes=0; it is 1 or more"),
        ("v5e_16", [], "gin/place/v5e_16.gin:3: CloudTPU.image is not set anywhere"),
        ("v5e_16", [*own("v5e_16"), "CloudTPU.type=x"], "--set CloudTPU.type=x: CloudTPU.type='x'"),
    ],
)
def test_a_mistake_names_its_place(word, more, said):
    with pytest.raises(ValueError) as error:
        config.place(word, more)
    assert said in str(error.value)
    assert word == "locl" or isinstance(error.value, ConfigError)
