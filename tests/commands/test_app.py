"""The program helps, quickly."""

import os
import subprocess
import sys

import pytest
import typer

from archlab import commands, experiments
from archlab.commands.app import app

VERBS = typer.main.get_command(app).commands


@pytest.mark.parametrize(
    "arguments, status",
    [(["--help"], 0), (["list"], 0), (["report", "nowhere"], 2), (["trian"], 2)],
)
def test_what_needs_neither_jax_nor_tensorflow_imports_neither(arguments, status, tmp_path):
    program = (
        "import sys; from archlab.commands import main; status = main(sys.argv[1:]);"
        "print(sorted({'jax', 'flax', 'optax', 'tensorflow', 'seqio', 'gin'} & set(sys.modules)));"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(experiments.home())},
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_with_an_example(verb, capsys):
    assert commands.main([verb, "--help"]) == 0
    assert f"\n  archlab {verb}" in capsys.readouterr().out


def test_alone_it_helps(capsys):
    assert commands.main([]) == 0
    alone = capsys.readouterr().out
    assert commands.main(["--help"]) == 0
    assert alone == capsys.readouterr().out
    assert all(f"  {verb} " in alone for verb in VERBS)
    assert "..." not in alone.split("Commands:")[1]
