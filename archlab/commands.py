"""The commands: train, report, show, list, config, generate, cache.

Each verb imports what it needs when it runs, so that `archlab --help` imports neither JAX nor
TensorFlow. Whatever a user gets wrong is said in one line, and the exit status is 2.
"""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from archlab.spelling import nearest

WRONG, STOPPED = 2, 130  # exit statuses
DEBUG = "--debug"

app = typer.Typer(
    name="archlab",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    suggest_commands=False,
    no_args_is_help=True,
    help="""Which transformer, trained on which objective, in which order, for a given budget?

    Start with: archlab train quickstart

    Every verb takes --help, with an example, and --debug, which shows where an error comes from.
    """,
)

Experiment = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="A name of archlab list, or a .gin file.")
]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Take this in place of what is said there."),
]
Modules = Annotated[
    list[str],
    typer.Option("--module", metavar="MODULE", help="Your own Python, which registers tasks."),
]


def main(arguments: list[str] | None = None) -> int:
    """Runs one command.

    Args:
      arguments: without the program's name; those of the process unless given.

    Returns:
      The exit status: 0, 2 where the user can put it right, 130 where it was interrupted.
    """
    given = sys.argv[1:] if arguments is None else arguments
    is_debug = DEBUG in given
    command = typer.main.get_command(app)
    try:
        words = [word for word in given if word != DEBUG]
        return command.main(words or ["--help"], prog_name="archlab", standalone_mode=False) or 0
    except (ValueError, OSError) as error:
        what = " ".join(str(error).split())
        if is_debug:
            traceback.print_exception(error)
    except typer.TyperException as error:
        what = _usage(error)
    print(f"archlab: error: {what}", file=sys.stderr)
    return WRONG


def _usage(error: typer.TyperException) -> str:
    """Says what is wrong with the command line, and what was probably meant."""
    context = getattr(error, "ctx", None)
    what = error.format_message().rstrip(".")
    what = what[:1].lower() + what[1:]
    wrong = getattr(error, "option_name", "")
    if context is None:
        return what
    if wrong:
        flags = [flag for param in context.command.params for flag in param.opts]
        flags = [flag for flag in [*flags, "--help", DEBUG] if flag.startswith("--")]
        return f"{context.command_path} has no {wrong}{nearest(wrong, flags)}"
    if what.startswith("no such command"):
        verb = what.split("'")[1]
        return f"there is no command {verb!r}{nearest(verb, context.command.commands)}"
    return f"{context.command_path}: {what}; see {context.command_path} --help"


@app.command()
def train(
    experiment: Experiment,
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

    read = config.read(experiment, overrides)
    _register(read.run.stages, modules)
    out = out or Path("runs") / read.name
    try:
        run.train(read.run, out, read.name, read.gin_text, tuple(modules), resume_from)
    except ValueError as error:
        raise read.located(error) from error
    except KeyboardInterrupt:
        print(
            f"\narchlab: stopped. The same command goes on from the last checkpoint in {out}",
            file=sys.stderr,
        )
        raise typer.Exit(STOPPED) from None


def _register(stages: object, names: list[str]) -> None:
    """Runs the user's modules where the stages are registered in one of them.

    Why not always: tasks are registered in the process that encodes text, and a module that does so
    imports TensorFlow, which training has no use for.
    """
    from archlab import modules

    for name in names if isinstance(stages, str) else []:
        modules.load(name)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write.", show_default="report/ in the first run")
    ] = None,
) -> None:
    """Writes one page about runs: curves and ledgers.

    \b
    archlab report runs/quickstart
    archlab report runs/smoke_* --out report
    """
    from archlab.report.page import report as write

    print(write(runs, out or runs[0] / "report"))


@app.command()
def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="One of archlab list, or your own.")],
    architecture: Annotated[str, typer.Option(help="Whose rows.")] = "prefix_decoder",
    inputs: Annotated[int, typer.Option(help="Tokens of a row that are given.")] = 64,
    targets: Annotated[int, typer.Option(help="Tokens of a row that are learnt.")] = 32,
    count: Annotated[int, typer.Option(help="How many rows.")] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Your own text, for the tasks folder_...")
    ] = None,
    modules: Modules = [],  # noqa: B006
) -> None:
    """Draws a task's rows, and who sees whom.

    \b
    archlab show python_stdlib_span_corruption --architecture encoder_decoder
    archlab show folder_prefix_lm --folder ./texts --count 3
    """
    from rich.console import Console

    from archlab import show as pictures

    console = Console(highlight=False, soft_wrap=True)
    text = None if folder is None else str(folder)
    console.print(
        pictures.show(
            task, architecture, inputs, targets, count, text, tuple(modules), console.width
        ),
        end="",
    )


@app.command(name="list")
def list_() -> None:
    """Lists experiments, the words of gin/, and tasks.

    \b
    archlab list
    """
    from archlab import experiments
    from archlab.data.rows import OBJECTIVES
    from archlab.data.sources import SOURCES

    home = experiments.home()
    print("experiments, for archlab train:")
    for path in sorted((home / "experiments").glob("*.gin")):
        print(f"  {path.stem:24}{experiments.headline(path)}")
    print("words, for include 'gin/...':")
    for folder in sorted(path for path in (home / "gin").iterdir() if path.is_dir()):
        words = ", ".join(path.stem for path in sorted(folder.glob("*.gin")))
        print(f"  {folder.name:24}{words}")
    print("tasks, for Stage.mixture and archlab show; --module adds your own:")
    for source in [*SOURCES, "c4"]:
        print(f"  {source:24}{', '.join(f'{source}_{objective}' for objective in OBJECTIVES)}")


@app.command()
def config(
    experiment: Experiment,
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


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    prompt: Annotated[str, typer.Option(help="What to continue.")],
    tokens: Annotated[int, typer.Option(help="At most how many to add.")] = 64,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest, 1 draws.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    step: Annotated[
        int | None, typer.Option(help="The checkpoint.", show_default="the latest")
    ] = None,
) -> None:
    """Continues a text with a trained run.

    \b
    archlab generate runs/quickstart --prompt "def main(" --tokens 100
    """
    from archlab import trained
    from archlab.evaluation import generate as evaluation

    read = trained.load(run, step)
    words = read.vocabulary
    limits = (tokens, words.end, words.size, temperature, seed)
    ids = evaluation.generate(read.model, read.weights, words.encode(prompt), *limits)
    print(prompt + words.decode(ids))


@app.command()
def cache(
    tasks: Annotated[list[str], typer.Argument(metavar="TASK...", help="Tasks or mixtures.")],
    out: Annotated[str, typer.Option(help="Folder or bucket; for training, ARCHLAB_CACHE.")],
    workers: Annotated[int, typer.Option(help="Processes that encode.")] = 1,
    runner: Annotated[str, typer.Option(help="Apache Beam's, in their place.")] = "",
    options: Annotated[list[str], typer.Option("--beam-options", help="Of the runner.")] = [],  # noqa: B006
    shards: Annotated[int | None, typer.Option(help="Of a store.", show_default="by size")] = None,
    folder: Annotated[str | None, typer.Option(help="Your own text, for folder_...")] = None,
    vocabulary: Annotated[str, typer.Option(help="A SentencePiece model.")] = "",
    tfds: Annotated[str | None, typer.Option(help="Where TensorFlow Datasets are.")] = None,
    modules: Modules = [],  # noqa: B006
) -> None:
    """Encodes text ahead of training.

    \b
    archlab cache python_stdlib_prefix_lm --out stores --workers 2
    ARCHLAB_CACHE=stores archlab train quickstart
    """
    from rich.console import Console

    from archlab import cache as ahead

    data = ahead.Data(folder=folder, vocabulary=vocabulary, tfds=tfds, cache=out)
    work = ahead.Work(workers, runner, tuple(options), shards)
    ahead.cache(tasks, data, tuple(modules), work, Console(highlight=False, soft_wrap=True))
