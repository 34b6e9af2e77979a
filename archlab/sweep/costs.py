"""Costs: what each run of a sweep will cost, and whether it can be, before the first one trains."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import jax

from archlab import config, directory, faults, modules, plain
from archlab.model.transformer import parameters
from archlab.program import Program
from archlab.settings import Run
from archlab.stages import Stage
from archlab.sweep import standing
from archlab.sweep.grid import Cell


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a run will cost.

    Args:
      ledgers: how much of each, in words: "parameters" that it ends with; "steps" of all stages,
        and the "tokens" that they see, padding included; "FLOPs" of them, if every position carries
        loss: the most that it can take.
      asked: the mixture that its last loss is of.
      stands: how far it is, see `standing`.
    """

    ledgers: dict[str, int]
    asked: tuple[str, ...]
    stands: str


def counted(
    experiment: str,
    out: Path,
    cells: Sequence[Cell],
    overrides: Sequence[str] = (),
    own: Sequence[str] = (),
) -> dict[str, Cost]:
    """Reads and checks every cell, on the devices that are here.

    Args:
      experiment: its name or file.
      out: the folder of all cells.
      cells: of the grid.
      overrides: each `Key=value`, of all cells.
      own: the user's own Python, which registers tasks.

    Returns:
      What each costs, by its name.

    Raises:
      ValueError: a cell that cannot be, which it names, or whose directory holds another run.
    """
    found, looked = {}, set()
    for cell in cells:
        try:
            read = config.read(experiment, [*overrides, *cell.overrides])
            if isinstance(read.run.stages, str):
                for name in own:
                    modules.load(name)
            with read.placed():
                run = read.run.in_order()
                where = out / cell.name
                looks = dict(faults.looks(run, "", jax.device_count(), where, tuple(own)))
                looks["paths"]()
                _check(run)
                if (text := _text(run)) not in looked:
                    looked.add(text)
                    looks["text"]()
            directory.compare(where, plain.kept(read.name, run, tuple(own)))
        except ValueError as error:
            raise ValueError(f"{cell.name}: {error}") from error
        found[cell.name] = _counted(run, standing.of(where))
    return found


def _check(run: Run) -> None:
    """Finds what does not fit the devices that are here, as training does.

    Why not the look called mesh: it plans for chips that may be elsewhere, and does not see which
    kernels run here.
    """
    mesh = run.mesh.build()
    for number in range(len(run.stages)):
        Program(run, number, mesh).check()


def _text(run: Run) -> str:
    """Everything that a look at the text depends on; seeds and rates need no other look."""
    rows = [(one.mixture, one.inputs, one.targets, one.architecture) for one in _stages(run)]
    return repr((rows, run.data, run.architecture, run.size.vocab, run.start))


def _counted(run: Run, stands: str) -> Cost:
    stages = _stages(run)
    last = run.model(stages[-1])
    ledgers = {
        "parameters": sum(parameters(last.size, last.architecture).values()),
        "steps": sum(stage.total_steps for stage in stages),
        "tokens": sum(stage.total_tokens for stage in stages),
        "FLOPs": sum(run.flops(stage).times(stage.total_steps).total for stage in stages),
    }
    return Cost(ledgers, (stages[-1].mixture,), stands)


def _stages(run: Run) -> tuple[Stage, ...]:
    """The stages of a run that has them in order."""
    return cast(tuple[Stage, ...], run.stages)
