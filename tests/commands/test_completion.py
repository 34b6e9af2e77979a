"""A shell is told what may stand next, by its own protocol, and nothing heavy is imported."""

import os
import subprocess
import sys

import pytest

from archlab import bindings, config, experiments
from archlab.commands import completion
from archlab.data.objectives.table import OBJECTIVES

PROGRAM = (
    "import sys; from archlab.commands import main\n"
    "try: main()\n"
    "finally: print({'jax', 'tensorflow', 'flax', 'gin'} & set(sys.modules), file=sys.stderr)"
)


def asked(shell: str, typed: str, folder) -> list[str]:
    """What a shell is answered, with the last word unfinished."""
    words = typed.split(" ")
    own = {
        "_ARCHLAB_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "PYTHONPATH": str(experiments.home()),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | own,
    )
    assert done.stderr == "set()\n"
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "typed, found",
    [
        ("archlab tra", ["train"]),
        ("archlab train quick", ["quickstart"]),
        ("archlab train quickstart --resume", ["--resume-from"]),
        ("archlab train quickstart --set Size.kv", ["Size.kv=", "Size.kv_heads="]),
        ("archlab evaluate runs/a --suite qu", ["quick"]),
        ("archlab launch quickstart --on xpk", ["xpk_v5e_256"]),
        ("archlab show python_stdlib_causal", ["python_stdlib_causal_lm"]),
        ("archlab plan quickstart --chip v5p", ["v5p"]),
        ("archlab show x --architecture encoder_", ["encoder_decoder"]),
    ],
)
def test_bash_is_told(typed, found, tmp_path):
    assert asked("bash", typed, tmp_path) == found


def test_zsh_and_fish_are_told_too(tmp_path):
    assert asked("zsh", "archlab train quick", tmp_path) == ["_arguments '*: :((\"quickstart\"))'"]
    assert asked("fish", "archlab train quick", tmp_path) == ["quickstart"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_script(shell, tmp_path):
    said = subprocess.run(
        [sys.executable, "-m", "archlab"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ
        | {"_ARCHLAB_COMPLETE": f"source_{shell}", "PYTHONPATH": str(experiments.home())},
    ).stdout
    assert "_ARCHLAB_COMPLETE" in said and "complete_" + shell in said


def test_the_keys_are_those_that_gin_knows():
    every = {
        f"{name}.{one}" for name, kind in config.KINDS.items() for one in bindings.fields(kind)
    }
    assert set(completion.keys()) == every
    assert completion.settings("span/Stage.tok") == ["span/Stage.tokens="]


def test_the_names_are_those_that_there_are():
    assert len(completion.experiments("")) == len(
        list((experiments.home() / "experiments").glob("*.gin"))
    )
    assert completion.places("loc") == ["local"] and "standard" in completion.suites("")
    assert {f"folder_{one}" for one in OBJECTIVES} <= set(completion.tasks("folder_"))
    assert completion.architectures("encoder") == ["encoder_decoder", "encoder"]
    assert completion.chips("v5") and not completion.tasks("nothing_")
