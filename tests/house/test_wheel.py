"""What is built of the sources installs and runs anywhere, with its words and its experiments."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent.parent
SOURCES = ("setup.py", "README.md", "LICENSE", "archlab", "gin", "experiments")
SDIST = "from setuptools import build_meta; build_meta.build_sdist('dist')"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")


def run(*command, **more):
    """Runs a program, and gives what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with archlab in it, by way of a source distribution and of a wheel."""
    made = tmp_path_factory.mktemp("made")
    spared = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if (HOME / name).is_dir():
            shutil.copytree(HOME / name, made / name, ignore=spared)
        else:
            shutil.copy(HOME / name, made)
    run(sys.executable, "-W", "ignore", "-c", SDIST, cwd=made)
    (packed,) = (made / "dist").iterdir()
    alone = ("--no-deps", "--no-build-isolation", "--no-index")
    run(*PIP, "wheel", *alone, "--wheel-dir", made / "wheels", packed)
    (wheel,) = (made / "wheels").iterdir()
    run(*PIP, "install", "--no-deps", "--no-index", "--target", made / "there", wheel)
    return made / "there"


def archlab(installed, folder, *words):
    """Says what the installed command says, in a folder that is not the checkout."""
    program = (
        "import sys, archlab, archlab.commands; assert archlab.__file__.startswith(sys.argv[1]);"
        "sys.exit(archlab.commands.main(sys.argv[2:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = (sys.executable, "-c", program, str(installed), *words)
    return run(*command, cwd=folder, env=environment)


def test_it_lists_all_that_the_checkout_has(installed, tmp_path):
    said = archlab(installed, tmp_path, "list")
    names = [path.stem for path in (HOME / "experiments").glob("*.gin")]
    names += [path.stem for path in (HOME / "gin").rglob("*.gin")]
    assert names and all(name in said for name in names)


def test_it_reads_an_experiment(installed, tmp_path):
    assert "parameters  " in archlab(installed, tmp_path, "config", "quickstart")


def test_all_that_the_checkout_has_is_in_it(installed):
    for folder in ("archlab", "gin", "experiments"):
        there = installed if folder == "archlab" else installed / "share" / "archlab"
        own = {
            path.relative_to(HOME)
            for path in (HOME / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert own == {
            path.relative_to(there)
            for path in (there / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
