"""A shell that a page's blocks are run in: archlab's lines in this process, the others by bash.

What a page trains in minutes is trained here in moments: `SMALLER` says by which settings, and
nothing else of its commands is changed. Runs that a page takes for granted are put in place.
"""

import re
import shlex
import subprocess
from pathlib import Path

import typer

from archlab import commands, config, experiments
from archlab.commands import line as program
from archlab.commands.evaluations import TASK
from archlab.data.options import Data
from archlab.data.recipes import prepare
from tests.docs.pages import HOME

ARCHLAB = ("archlab", ".venv/bin/archlab")
ACTIVATE = ". .venv/bin/activate"  # archlab is on the path here
FEW = (
    *("Size.layers=1", "Size.embed=16", "Size.mlp=32", "Size.heads=2", "Size.kv=8"),
    *("Stage.rows=8", "Stage.inputs=48", "Stage.targets=16", "Run.evaluate_rows=8"),
    *("Schedule.warmup=1", "Run.save_every=1", "Run.expect=None"),
)
# What makes the training of an experiment short, where its own size is more than moments.
SMALLER = {
    **dict.fromkeys(
        ("smoke_causal_decoder", "smoke_encoder_decoder", "smoke_encoder"),
        (*FEW, "Stage.tokens=1K"),
    ),
    **dict.fromkeys(
        ("quickstart", "own_text"), (*FEW, "span/Stage.tokens=1K", "lm/Stage.tokens=1K")
    ),
    "smoke_prefix_decoder": (*FEW, "causal/Stage.tokens=1K", "prefix/Stage.tokens=1K"),
}
BUDGET = re.compile(r"\.(?:tokens|steps)=")  # which is smaller even where a page says another
LEARNT = ("causal_lm", "masked_lm", "prefix_lm", "span_corruption")
SUITE = ["Suite.measures=[@Continuation()]", "Continuation.items=2"]


def lines(text: str) -> list[str]:
    """The commands of a block, each on one line, without comments of their own."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [line for line in joined.splitlines() if line.strip() and line[0] != "#"]


def words(line: str, folder: Path) -> list[str]:
    """The words of a command as bash takes them, for which files are looked up in a folder."""
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.split("\0")[:-1]


def shrunk(given: list[str]) -> list[str]:
    """A command with settings that make it short, but for those that it has itself."""
    verb, *rest = given
    own = {one.partition("=")[0] for one in rest}
    extra: list[str] = []
    if verb in ("train", "launch") and "--dry-run" not in rest and rest:
        extra = [*SMALLER.get(Path(rest[0]).stem, ())]
    if verb == "evaluate" and "--task" not in rest:
        extra = SUITE
    extra = [one for one in extra if one.partition("=")[0] not in own or BUDGET.search(one)]
    return [*given, *(word for one in extra for word in ("--set", one))]


def recipe(target: str) -> list[str]:
    """archlab's lines of a target of the Makefile, which has to be there."""
    text = (HOME / "Makefile").read_text()
    found = re.search(rf"^{re.escape(target)}:[^=].*\n((?:\t.*\n)*)", text, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    held = [one.strip() for one in found[1].splitlines()]
    return [one.removeprefix("$(BIN)/") for one in held if one.startswith("$(BIN)/archlab ")]


def encode(mixtures: list[str], data: Data) -> None:
    """Encodes what several commands need in one process, for each takes seconds to start."""
    prepare(mixtures, data).wait()


class Shell:
    """Runs blocks in a folder that looks like a checkout."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.is_encoded = False

    def run(self, text: str) -> None:
        """Runs a block, line by line; what fails stops it."""
        for line in lines(text):
            first = line.split()[0]
            if line == ACTIVATE:
                continue
            if first == "make":
                for target in line.partition("#")[0].split()[1:]:
                    for one in recipe(target):
                        self._archlab(one)
            elif first in ARCHLAB:
                self._archlab(line)
            else:
                subprocess.run(["bash", "-euc", line], cwd=self.folder, check=True)

    def check(self, text: str) -> None:
        """Reads a block that cannot be run: each of archlab's lines must be one that it takes."""
        for line in lines(text):
            given = words(re.sub(r" …(?= |$)", "", line), self.folder)
            if given[0] == "make":
                assert [recipe(target) for target in given[1:] if "=" not in target]
            for one in given:
                if one.startswith("archlab "):  # in quotes, for another machine
                    self._check(shlex.split(one)[1:])
            if "archlab" in given[:2]:
                self._check(given[given.index("archlab") + 1 :])

    def _archlab(self, line: str) -> None:
        given = words(line, self.folder)[1:]
        if "Data.folder=texts" in given and not self.is_encoded:
            encode([f"folder_{one}" for one in LEARNT], Data(folder="texts"))
            self.is_encoded = True
        status = commands.main(shrunk(given))
        assert status == 0, f"{line}: status {status}"

    def _check(self, given: list[str]) -> None:
        command, name = typer.main.get_command(program.app), "archlab"
        while isinstance(command, typer.core.TyperGroup):
            name, *given = given
            assert name in command.commands, f"archlab has no verb {name}"
            command = command.commands[name]
        if "--dry-run" in given:
            assert commands.main([name, *given]) == 0
            return
        said = command.make_context(name, [*given]).params
        overrides = said.get("overrides") or []
        if "on" in said:
            overrides = config.place(said["on"], overrides)[1]
        if "experiment" in said and experiments.find(said["experiment"]):
            config.read(said["experiment"], overrides)
        elif "suite" in said:
            alone = [TASK, f"Task.mixture={said['task']!r}"] if said["task"] else []
            config.suite(said["suite"], [*alone, *overrides])
        elif overrides:
            config.data(overrides)
