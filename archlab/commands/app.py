"""The program: its name, and what its verbs share.

Each verb imports what it needs when it runs, so that `archlab --help` imports neither JAX nor
TensorFlow.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archlab.commands import completion

if TYPE_CHECKING:
    from rich.console import Console

WRONG = 2  # exit status
DEBUG = "--debug"
WIDE = 160  # letters of a line, where there is no terminal that says

app = typer.Typer(
    name="archlab",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    suggest_commands=False,
    no_args_is_help=True,
    help="""Which transformer, trained on which objective, in which order, for a given budget?

    Start with: archlab train quickstart

    Every verb takes --help, with an example, and --debug, which shows where an error comes from.
    """,
)

# What several verbs take is said once: the same flag, the same words.
Experiment = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="A name of archlab list, or a .gin file.",
        autocompletion=completion.experiments,
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")]
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Take this in place of what is said there.",
        autocompletion=completion.settings,
    ),
]
Modules = Annotated[
    list[str],
    typer.Option("--module", metavar="MODULE", help="Your own Python, which registers tasks."),
]


Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The run directory.", show_default="runs/EXPERIMENT"),
]
Step = Annotated[
    int | None, typer.Option(metavar="STEP", help="The checkpoint.", show_default="the latest")
]
Seed = Annotated[int, typer.Option(help="Of what is drawn.")]
Rows = Annotated[int, typer.Option(min=1, help="That are computed together.")]
Format = Annotated[
    str,
    typer.Option("--format", help="How a run is asked.", show_default="as it was trained to be"),
]
Chip = Annotated[
    str,
    typer.Option(
        help="What it runs on: v4, v5e, v5p, v6e, h100, …", autocompletion=completion.chips
    ),
]
Chips = Annotated[int | None, typer.Option(help="How many.", show_default="as the mesh says")]
Mfu = Annotated[float, typer.Option(help="Share of the chips' peak that is reached.")]
Price = Annotated[float | None, typer.Option(help="Of an hour of one chip.")]


def note(text: str) -> None:
    """Says on standard error what is worth knowing, and no error.

    Args:
      text: in a line.
    """
    print(f"archlab: note: {text}", file=sys.stderr)


def console() -> "Console":
    """Makes what tables are printed on.

    Returns:
      As wide as the terminal; where there is none, as in a file, `WIDE`.
    """
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = WIDE
    return made
