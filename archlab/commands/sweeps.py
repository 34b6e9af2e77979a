"""What is done with many settings at once: an experiment is trained with each of them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archlab.commands import completion
from archlab.commands.app import Experiment, Modules, Overrides, app, console

if TYPE_CHECKING:
    from archlab.sweep.grid import Cell


@app.command()
def sweep(
    context: typer.Context,
    experiment: Experiment,
    grids: Annotated[
        list[str],
        typer.Option(
            "--grid",
            metavar="KEY=VALUES",
            help="2,4 is each of the two; 0:3 is 0, 1 and 2.",
            autocompletion=completion.settings,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The folder of all runs.", show_default="runs/EXPERIMENT_sweep"
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and count all runs, and train none.")
    ] = False,
) -> None:
    """Trains an experiment with each of many settings.

    One run for each choice of a value of every --grid, one after another, and one report. The same
    command goes on where it was, and a larger grid trains what is new. Ends with status 1 where a
    run failed.

    \b
    archlab sweep quickstart --grid Size.layers=2,4 --grid Run.seed=0:3
    archlab sweep quickstart --grid Schedule.peak=0.001,0.003 --set Stage.tokens=1M --dry-run
    """
    from archlab import config
    from archlab.launch.call import Call
    from archlab.report import page
    from archlab.sweep import grid, standing, tables
    from archlab.sweep.course import Course

    cells, stop = grid.cells(grids, overrides), context.obj
    name = config.read(experiment, [*overrides, *cells[0].overrides]).name
    folder = out or Path("runs") / f"{name}_sweep"
    if dry_run:
        _plan(experiment, folder, cells, overrides, modules)
        return
    told = (*(f"--set={one}" for one in overrides), *(f"--module={one}" for one in modules))
    course = Course(experiment, folder, cells, told)

    def last() -> str:
        course.end()
        return f"stopped; the same command goes on in {folder}"

    stop.last = last
    # Devices belong to one process, so what counts and checks on them does not stay here.
    words = ("sweep", experiment, *(f"--grid={one}" for one in grids), f"--out={folder}", *told)
    looked = Call((sys.executable, "-m", "archlab", *words, "--dry-run"), "checks all runs")
    if status := looked.status():
        raise typer.Exit(status)
    failed = course.take(stop, lambda text: print(f"archlab: {text}", file=sys.stderr, flush=True))
    runs = {cell.name: standing.read(folder / cell.name) for cell in cells}
    there = {name: run for name, run in runs.items() if run is not None}
    console().print(tables.reached(runs, failed))
    if (over_seeds := tables.seeds(cells, runs)) is not None:
        console().print(over_seeds)
    ended = tables.finished(runs)
    asked = [run.stages[-1]["objectives"] for run in ended.values()]
    for line in tables.notes(tables.spent(ended), asked):
        print(line)
    if there:
        print(page.report([folder / name for name in there], folder / "report"))
    if stop():
        print(f"archlab: {last()}", file=sys.stderr)
        raise typer.Exit(stop.status)
    if failed:
        raise typer.Exit(1)


def _plan(experiment: str, folder: Path, cells: "list[Cell]", overrides, modules) -> None:
    """Checks and counts all runs."""
    from archlab.sweep import costs, tables

    found = costs.counted(experiment, folder, cells, overrides, modules)
    spent = {name: one.ledgers for name, one in found.items()}
    console().print(tables.planned(spent, {name: one.stands for name, one in found.items()}))
    for line in tables.notes(spent, [one.asked for one in found.values()]):
        print(line)
