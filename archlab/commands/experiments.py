"""What is done with an experiment: train it, count it, list what there is."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import Modules, Overrides, app


@app.command()
def train(
    context: typer.Context,
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="A name of archlab list, or a .gin file.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The run directory.", show_default="runs/EXPERIMENT")
    ] = None,
    overrides: Overrides = [],  # noqa: B006 - typer's way of saying "may be given many times"
    modules: Modules = [],  # noqa: B006
    resume_from: Annotated[
        int | None,
        typer.Option(metavar="STEP", help="Go back to this checkpoint.", show_default="the latest"),
    ] = None,
) -> None:
    """Trains an experiment, or goes on with it.

    \b
    archlab train quickstart
    archlab train own_text --set Data.folder=./texts --out runs/mine
    """
    from archlab import config, run
    from archlab.train.loop import Stopped

    read, stop = config.read(experiment, overrides), context.obj
    folder = out or Path("runs") / read.name
    stop.last = lambda: _standing(folder)
    _register(read.run.stages, modules)
    text, own = read.gin_text, tuple(modules)
    try:
        with read.placed():
            run.train(read.run, folder, read.name, text, own, resume_from, stop)
    except Stopped:
        print(f"archlab: {_standing(folder)}", file=sys.stderr)
        raise typer.Exit(stop.status) from None


def _standing(out: Path) -> str:
    kept = [int(path.name) for path in (out / "checkpoints").glob("*") if path.name.isdigit()]
    if not kept:
        return f"stopped before the first checkpoint in {out}; the same command begins again"
    return f"stopped; the same command goes on from checkpoint {max(kept)} in {out}"


@app.command()
def config(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="A name of archlab list, or a .gin file.")
    ],
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Prints settings, parameters, steps and FLOPs.

    \b
    archlab config t5_xxl_then_lm
    archlab config quickstart --set Size.layers=8
    """
    from archlab import config as experiments
    from archlab import stages
    from archlab.model.transformer import parameters

    read = experiments.read(experiment, overrides)
    run = read.run
    _register(run.stages, modules)
    with read.placed():
        in_order = stages.named(run.stages) if isinstance(run.stages, str) else run.stages
    print(read.operative)
    print(f"parameters  {sum(parameters(run.size, run.architecture).values()):,}")
    print(f"{'stage':34}{'steps':>12}{'tokens':>22}{'FLOPs':>12}")
    total = [0, 0, 0]
    for stage in in_order:
        flops = run.flops(stage).times(stage.total_steps).total
        numbers = (stage.total_steps, stage.total_tokens, flops)
        total = [before + number for before, number in zip(total, numbers, strict=True)]
        print(_line(stage.name, *numbers))
    print(_line("total", *total))


def _line(name: str, steps: int, tokens: int, flops: int) -> str:
    return f"{name:34}{steps:>12,}{tokens:>22,}{flops:>12.3g}"


@app.command(name="list")
def list_() -> None:
    """Lists experiments, the words of gin/, and tasks.

    \b
    archlab list
    """
    from archlab import experiments
    from archlab.data.objectives.table import OBJECTIVES
    from archlab.data.sources import CORPORA, SOURCES

    home = experiments.home()
    print("experiments, for archlab train:")
    for path in sorted((home / "experiments").glob("*.gin")):
        print(f"  {path.stem:24}{experiments.headline(path)}")
    print("words, for include 'gin/...':")
    for folder in sorted(path for path in (home / "gin").iterdir() if path.is_dir()):
        words = ", ".join(path.stem for path in sorted(folder.glob("*.gin")))
        print(f"  {folder.name:24}{words}")
    print(
        "tasks, for Stage.mixture and archlab show, are SOURCE_OBJECTIVE; --module adds your own:"
    )
    print(f"  {'sources':24}{', '.join([*SOURCES, *CORPORA])}")
    print(f"  {'objectives':24}{', '.join(OBJECTIVES)}")


def _register(stages: object, names: list[str]) -> None:
    """Runs the user's modules where the stages are registered in one of them.

    Why not always: tasks are registered in the process that encodes text, and a module that does so
    imports TensorFlow, which training has no use for.
    """
    from archlab import modules

    for name in names if isinstance(stages, str) else []:
        modules.load(name)
