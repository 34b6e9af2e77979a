"""The program: its name, and what its verbs share.

Each verb imports what it needs when it runs, so that `archlab --help` imports neither JAX nor
TensorFlow.
"""

import sys
from typing import Annotated

import typer

WRONG = 2  # exit status
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


def note(text: str) -> None:
    """Says on standard error what is worth knowing, and no error.

    Args:
      text: in a line.
    """
    print(f"archlab: note: {text}", file=sys.stderr)
