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
    statistics: Annotated[
        int, typer.Option(metavar="N", help="Count what N rows hold; 0 counts none.")
    ] = 256,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page in place of drawing here.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Your own text, for the tasks folder_...")
    ] = None,
    modules: Modules = [],  # noqa: B006
) -> None:
    """Draws a task's rows, who sees whom, and what many rows hold.

    \b
    archlab show python_stdlib_span_corruption --architecture encoder_decoder
    archlab show folder_prefix_lm --folder ./texts --count 3 --html rows.html
    """
    from archlab.show import page, picture, sample

    text = None if folder is None else str(folder)
    lengths = (inputs, targets, count, statistics)
    taken = sample.take(task, architecture, *lengths, text, tuple(modules))
    if html is not None:
        print(page.write(taken, html))
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.print(picture.drawn(taken, console.width))
