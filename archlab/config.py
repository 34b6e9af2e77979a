"""Experiments: gin files, read once, checked line by line, and built into a `Run`.

The classes know nothing of gin, so that everything works and is tested without it. Here a few roots
are registered with it, and no key may be bound twice: gin would take the last without a word.
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gin

from archlab import bindings, experiments, statements, things
from archlab.architecture import Architecture
from archlab.bindings import Binding
from archlab.data.options import Data
from archlab.evaluation.suite import MEASURES, Suite
from archlab.launch.places import KINDS as PLACES
from archlab.launch.places import Launch
from archlab.mesh import Mesh
from archlab.refusal import Refusal
from archlab.settings import Run
from archlab.size import Size
from archlab.stages import Schedule, Stage
from archlab.surgery.choices import Surgery
from archlab.things import Thing
from archlab.train.optimizer import Optimizer

KINDS = {
    kind.__name__: kind
    for kind in (
        *(Run, Stage, Schedule, Surgery, Size, Architecture, Optimizer, Mesh, Data, Suite),
        *MEASURES,
        *(Launch, *PLACES),
    )
}
# The first line of a run's own config.gin. It names a folder, so it may lead nowhere else.
_NAMED = re.compile(r"# experiment: (?!\.\.?\n)([A-Za-z0-9._-]+)\n")

for _name, _kind in KINDS.items():
    gin.external_configurable(_kind, name=_name)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment, read.

    Args:
      name: what it is called.
      run: what it says.
      gin_text: the same in one file, with the overrides; `read` reads it back.
      operative: every setting as gin writes it.
      whole: what it is made of, with the places.
    """

    name: str
    run: Run
    gin_text: str
    operative: str
    whole: Thing

    @contextlib.contextmanager
    def placed(self) -> Iterator[None]:
        """Adds the place to what is refused within, when there are data and devices.

        Raises:
          ConfigError: in place of a `Refusal` of a setting that was written somewhere.
        """
        try:
            yield
        except Refusal as refusal:
            place = self.whole.place(refusal)
            if place is None and refusal.stage is not None:  # of stages that Python registered
                place = self.whole.bound["stages"].place
            if place is None:
                raise
            raise place.error(str(refusal)) from refusal


def read(experiment: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Experiment:
    """Reads an experiment, with its includes.

    Example:
      read("quickstart", ["Size.layers=2"]).run.size.layers   is 2

    Args:
      experiment: path of a .gin file, or the name of one in `experiments/`.
      overrides: each `Key=value`; they take the place of the experiment's own, and of whatever only
        that referred to.

    Returns:
      The experiment.

    Raises:
      ConfigError: anything wrong with a line, which it names.
      ValueError: there is no such experiment.
    """
    path = experiments.find(experiment)
    said = _written(path)
    before = things.tree(said).read
    said = _overridden(said, overrides)
    whole = things.tree(said)
    now = whole.read
    said = [one for one in said if one.key in now or one.key not in before]
    things.check_whole(said, whole, KINDS, statements.shown(path))
    run = whole.make(KINDS)
    named = _NAMED.match(path.read_text(encoding="utf-8"))
    name = named.group(1) if named else path.stem.strip(".") or "experiment"
    return Experiment(name, run, _text(name, said), _operative(said), whole)


def data(overrides: list[str] | tuple[str, ...]) -> Data:
    """Reads where the text is, for what needs no more of an experiment.

    Example:
      data(["Data.folder=./texts"])

    Args:
      overrides: each `Data.field=value`.

    Returns:
      The settings.

    Raises:
      ConfigError: anything wrong with them, or a setting of another class.
    """
    said = _overridden([], overrides)
    whole = things.tree(said, "Data")
    for binding in said:
        if binding.key not in whole.read:
            raise binding.place.error(f"{binding.key} has no effect; only Data.… has, here")
    return whole.make(KINDS)


def suite(name: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Suite:
    """Reads what is to be measured.

    Example:
      suite("quick", ["Continuation.items=64"])

    Args:
      name: path of a .gin file, or the name of one in `gin/suite/`.
      overrides: each `Key=value`, as of an experiment.

    Returns:
      The suite.

    Raises:
      ConfigError: anything wrong with a line, which it names.
      ValueError: there is no such suite.
    """
    return _whole(experiments.suite(name), Suite, overrides)


def place(
    name: str | Path, overrides: list[str] | tuple[str, ...] = ()
) -> tuple[Launch, list[str]]:
    """Reads where a run is launched.

    Example:
      place("v5e_256", ["CloudTPU.zone=us-west4-a", "Size.layers=2"])[1]   is ["Size.layers=2"]

    Args:
      name: path of a .gin file, or the name of one in `gin/place/`.
      overrides: each `Key=value`, of the place or of the experiment.

    Returns:
      The place, and the overrides that are of the experiment.

    Raises:
      ConfigError: anything wrong with a line, which it names.
      ValueError: there is no such place.
    """
    own = {kind.__name__ for kind in (Launch, *PLACES)}
    named = [(statements.override(text, KINDS).name in own, text) for text in overrides]
    ours = [text for is_ours, text in named if is_ours]
    made = _whole(experiments.place(name), Launch, ours)
    return made, [text for is_ours, text in named if not is_ours]


def _whole(path: Path, root: type, overrides: list[str] | tuple[str, ...]) -> Any:
    """Reads a file that says what one thing is made of."""
    said = _overridden(_written(path), overrides)
    whole = things.tree(said, root.__name__)
    things.check_whole(said, whole, KINDS, statements.shown(path))
    return whole.make(KINDS)


def _written(path: Path) -> list[Binding]:
    """The bindings of a file and what it includes, each checked, none twice."""
    said = statements.closure(path, KINDS)
    for binding in said:
        bindings.check(binding, KINDS)
    bindings.check_once(said)
    return said


def _overridden(said: list[Binding], overrides: list[str] | tuple[str, ...]) -> list[Binding]:
    for text in overrides:
        new = statements.override(text, KINDS)
        bindings.check(new, KINDS)
        said = [old for old in said if old.key != new.key] + [new]
    return said


def _operative(said: list[Binding]) -> str:
    gin.clear_config()
    try:
        gin.parse_config([str(binding) for binding in said])
        gin.get_configurable(things.ROOT)()
        return gin.operative_config_str()
    finally:
        gin.clear_config()


def _text(name: str, said: list[Binding]) -> str:
    lines, file = [f"# experiment: {name}"], None
    for binding in said:
        if binding.place.file != file:
            file = binding.place.file
            lines += ["", f"# {file}"]
        lines.append(str(binding))
    return "\n".join(lines) + "\n"
