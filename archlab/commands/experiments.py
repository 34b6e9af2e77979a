"""What is done with an experiment: train it, count it, list what there is."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import Experiment, Modules, Out, Overrides, Rows, app, note


@app.command()
def train(
    context: typer.Context,
    experiment: Experiment,
    out: Out = None,
    overrides: Overrides = [],  # noqa: B006 - typer's way of saying "may be given many times"
    modules: Modules = [],  # noqa: B006
    resume_from: Annotated[
        int | None,
        typer.Option(metavar="STEP", help="Go back to this checkpoint.", show_default="the latest"),
    ] = None,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", envvar="JAX_COORDINATOR_ADDRESS", help="Of the first process."
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(envvar="JAX_NUM_PROCESSES", help="How many train together."),
    ] = None,
    process: Annotated[
        int | None, typer.Option(envvar="JAX_PROCESS_ID", help="Which this one is, from 0.")
    ] = None,
    patience: Annotated[
        int, typer.Option(metavar="SECONDS", help="Silence after which a process is lost.")
    ] = 100,
) -> None:
    """Trains an experiment, or goes on with it.

    On a TPU pod and under Slurm, the same command on every host trains together.

    \b
    archlab train quickstart
    archlab train own_text --set Data.folder=./texts --out runs/mine
    archlab train quickstart --coordinator HOST:1234 --processes 2 --process 0
    """
    from archlab import compiled, config, run
    from archlab import processes as crew
    from archlab.train.loop import Stopped

    read, stop = config.read(experiment, overrides), context.obj
    folder = out or Path("runs") / read.name

    def last() -> str:
        crew.fail("it was stopped", stop.status)
        return _standing(folder) if crew.is_first() else ""

    stop.last = last
    text, own = read.gin_text, tuple(modules)
    is_stopped = False
    try:
        with crew.joined(coordinator, processes, process, patience), read.placed():
            register(read.run.stages, modules)
            compiled.keep(note)
            try:
                run.train(read.run, folder, read.name, text, own, resume_from, stop)
            except Stopped:
                is_stopped = True
    except crew.Lost as lost:
        print(f"archlab: error: {lost}; {_standing(folder)}", file=sys.stderr)
        raise typer.Exit(crew.LOST) from None
    if is_stopped:
        if crew.is_first():
            print(f"archlab: {_standing(folder)}", file=sys.stderr)
        raise typer.Exit(stop.status or crew.LOST)  # one that was not asked stops with the others


def _standing(out: Path) -> str:
    kept = [int(path.name) for path in (out / "checkpoints").glob("*") if path.name.isdigit()]
    if not kept:
        return f"stopped before the first checkpoint in {out}; the same command begins again"
    return f"stopped; the same command goes on from checkpoint {max(kept)} in {out}"


@app.command()
def config(
    experiment: Experiment,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Prints settings, parameters, steps and FLOPs.

    \b
    archlab config flan_t5_xxl
    archlab config quickstart --set Size.layers=8
    """
    from archlab import config as experiments
    from archlab.model.transformer import parameters

    read = experiments.read(experiment, overrides)
    register(read.run.stages, modules)
    with read.placed():
        run = read.run.in_order()
    print(read.operative)
    models = [run.model(stage) for stage in run.stages]
    many = [sum(parameters(one.size, one.architecture).values()) for one in models]
    print(f"parameters  {' → '.join(f'{one:,}' for one in dict.fromkeys(many))}")
    print(f"{'stage':34}{'steps':>12}{'tokens':>22}{'FLOPs':>12}")
    total = [0, 0, 0]
    for stage in run.stages:
        flops = run.flops(stage).times(stage.total_steps).total
        numbers = (stage.total_steps, stage.total_tokens, flops)
        total = [before + number for before, number in zip(total, numbers, strict=True)]
        print(_line(stage.name, *numbers))
    print(_line("total", *total))


@app.command()
def inspect(
    experiment: Experiment,
    rows: Rows = 2,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Says how large activations and gradients are at first.

    By layer, before anything is trained.

    \b
    archlab inspect quickstart
    archlab inspect smoke_encoder --set Architecture.norm_place='"post"'
    """
    from archlab import config as experiments
    from archlab import inspection

    read = experiments.read(experiment, overrides)
    register(read.run.stages, modules)
    with read.placed():
        run = read.run.in_order()
        stage = run.stages[0]
        model = run.model(stage)
        found = inspection.inspect(model, rows, stage.inputs, stage.targets, run.seed)
    print(
        f"first loss     {found.loss:.4f} nats per token; of what knows nothing {found.chance:.4f}"
    )
    print(f"{'root mean square of':34}{'stream':>12}{'gradient':>12}")
    for part in found.parts:
        stream = "" if part.stream is None else f"{part.stream:.4g}"
        print(f"{part.name:34}{stream:>12}{part.gradient:>12.3g}")


def _line(name: str, steps: int, tokens: int, flops: int) -> str:
    return f"{name:34}{steps:>12,}{tokens:>22,}{flops:>12.3g}"


@app.command(name="list")
def list_() -> None:
    """Lists experiments, the words of gin/, and tasks.

    \b
    archlab list
    """
    from archlab import experiments
    from archlab.data.objectives.table import MIXTURES, OBJECTIVES
    from archlab.data.sources import CORPORA, SOURCES

    home = experiments.home()
    print("experiments, for archlab train:")
    for path in sorted((home / "experiments").glob("*.gin")):
        print(f"  {path.stem:24}{experiments.headline(path)}")
    print("words, for include 'gin/...':")
    own = (home / "gin" / "place",)  # which no experiment includes
    for folder in sorted(path for path in (home / "gin").iterdir() if path.is_dir()):
        if folder not in own:
            print(f"  {folder.name:24}{_words(folder)}")
    print(f"places, for archlab launch --on:\n  {own[0].name:24}{_words(own[0])}")
    print(
        "tasks, for Stage.mixture and archlab show, are SOURCE_OBJECTIVE; --module adds your own:"
    )
    print(f"  {'sources':24}{', '.join([*SOURCES, *CORPORA])}")
    print(f"  {'objectives':24}{', '.join(OBJECTIVES)}")
    print(f"  {'mixtures of them':24}{', '.join(MIXTURES)}")
    print(f"  {'pairs':24}{', '.join(f'{source}_supervised' for source in SOURCES)}")


def _words(folder: Path) -> str:
    return ", ".join(path.stem for path in sorted(folder.glob("*.gin")))


def register(stages: object, names: list[str]) -> None:
    """Runs the user's modules where the stages are registered in one of them.

    Why not always: tasks are registered in the process that encodes text, and a module that does so
    imports TensorFlow, which training has no use for.

    Args:
      stages: of a run: a tuple of them, or the name under which they are registered.
      names: of the modules.
    """
    from archlab import modules

    for name in names if isinstance(stages, str) else []:
        modules.load(name)
