"""Faults: what is wrong with an experiment, found before anything is encoded or computed.

Each look is one that training would take too, with its own words, but later: behind hours of
encoding, or on a pod that costs while one reads the error.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from archlab import agreement
from archlab.data.options import Work
from archlab.data.recipes import Recipe, prepare
from archlab.data.row import Row
from archlab.plan import Plan
from archlab.program import Program
from archlab.refusal import Refusal, blame
from archlab.settings import Run
from archlab.spelling import beside
from archlab.train.optimizer import rate

# What is looked at, and the look, which returns what it has to say and raises what is wrong.
Look = tuple[str, Callable[[], list[str]]]


def looks(
    run: Run, chip: str, chips: int, out: Path, modules: tuple[str, ...] = ()
) -> Iterator[Look]:
    """Gives everything that is looked at.

    Args:
      run: the settings; its stages in order, not the name of some.
      chip: a key of `CHIPS`; "" where it does not matter what it holds.
      chips: how many devices there will be.
      out: the run directory.
      modules: the user's own Python, which registers tasks and mixtures.

    Yields:
      Looks, cheapest first; each stands for itself, and raises a ValueError where it fails.
    """
    yield "paths", lambda: _paths(run, out)
    yield "schedules", lambda: _schedules(run)
    yield "mesh", lambda: _mesh(run, chips)
    yield "text", lambda: _text(run, chips, modules)
    if chip:
        yield "memory", lambda: _memory(run, chip, chips)


def _paths(run: Run, out: Path) -> list[str]:
    if run.start and not Path(run.start).is_dir():
        said = f"Run.start: there is no folder {run.start}{beside(run.start)}"
        raise Refusal(said, "Run.start")
    there = next(one for one in (out, *out.absolute().parents) if one.exists())
    if not there.is_dir():
        raise ValueError(f"{there} is a file; --out names a directory")
    if not os.access(there, os.W_OK):
        raise ValueError(f"{there} cannot be written in; name another directory with --out")
    return [f"{out}, in a directory that can be written in"]


def _schedules(run: Run) -> list[str]:
    for number, stage in enumerate(run.stages):
        with blame(stage=number, ahead=f"stage {stage.name}: "):
            rate(stage.schedule, stage.total_steps)
    return [f"{stage.name}: {stage.total_steps:,} steps" for stage in run.stages]


def _mesh(run: Run, chips: int) -> list[str]:
    # A plan divides the rows over the mesh, and its states the weights; any chip would do.
    plan = Plan(run, "v5p", chips)
    ways = [f"{axis} {many}" for axis, many in plan.mesh.shape.items() if many > 1]
    held = sum(plan.held.values())
    return [f"{' × '.join(ways) or '1'}, {held / 2**30:.3g} GiB at least on each device"]


def _memory(run: Run, chip: str, chips: int) -> list[str]:
    plan = Plan(run, chip, chips)
    held, room = sum(plan.held.values()), plan.kind.bytes
    said = f"{held / 2**30:.3g} GiB at least, of {room / 2**30:.3g} on a {chip}"
    if held > room:
        largest = max(plan.held, key=plan.held.get)
        raise ValueError(
            f"{said}; most are {largest}; more chips, Run.remat or smaller microbatches "
            "(Stage.accumulate) would leave more room"
        )
    lines = [said]
    for number, parts in plan.boundaries.items():
        said = f"{sum(parts.values()) / 2**30:.3g} GiB as stage {run.stages[number].name} begins"
        if sum(parts.values()) > room:
            reset = ", or Stage.moments='reset' there," if parts["old moments"] else ""
            raise Refusal(
                f"{said}, of {room / 2**30:.3g} on a {chip}, until its weights are made of those "
                f"before; more chips{reset} would leave more room",
                "Stage.surgery",
                number,
            )
        lines.append(said)
    return lines


def _text(run: Run, chips: int, modules: tuple[str, ...]) -> list[str]:
    mixtures = [stage.mixture for stage in run.stages]
    preparation = prepare(mixtures, run.data, modules, Work(encode=False))
    try:
        recipes = preparation.wait()
    finally:
        preparation.close()
    mesh = run.mesh.abstract(chips)
    programs = [Program(run, number, mesh) for number in range(len(run.stages))]
    agreement.check(programs, recipes)
    said = [line for one in programs for line in _rows(one, recipes[one.stage.mixture])]
    for name, recipe in recipes.items():
        for task in recipe.content["tasks"]:
            if task["absent"]:
                raise Refusal(f"{task['name']}: {task['absent']}", name)
    return said


def _rows(program: Program, recipe: Recipe) -> list[str]:
    """What is odd about the rows of a stage."""
    stage = program.stage
    row = Row(stage.inputs, stage.targets, program.architecture.kind)
    many = len(recipe.objectives)
    tasks = f"{many} task{'s' if many > 1 else ''}"
    ids, table = recipe.vocabulary.size, program.size.vocab
    said = [f"{stage.mixture}: {tasks}, {ids:,} ids{f' of a table of {table:,}' * (ids < table)}"]
    with blame("Stage.mixture", program.number, f"stage {stage.name}: "):
        for number, task in enumerate(recipe.content["tasks"]):
            if task["objective"]:
                said += recipe.objective(number).check(task["name"], row, recipe.vocabulary)
    return said
