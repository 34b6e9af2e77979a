"""What is done with a task: show its rows."""

from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import Modules, app


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
