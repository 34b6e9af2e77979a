"""What is done with a task: show its rows."""

from typing import Annotated

import typer

from archlab.commands.app import Modules, Overrides, app


@app.command()
def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="One of archlab list, or your own.")],
    architecture: Annotated[str, typer.Option(help="Whose rows.")] = "prefix_decoder",
    inputs: Annotated[int, typer.Option(help="Tokens of a row that are given.")] = 64,
    targets: Annotated[int, typer.Option(help="Tokens of a row that are learnt.")] = 32,
    count: Annotated[int, typer.Option(help="How many rows.")] = 1,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Draws a task's rows, and who sees whom.

    \b
    archlab show python_stdlib_span_corruption --architecture encoder_decoder
    archlab show folder_prefix_lm --set Data.folder=./texts --count 3
    """
    from rich.console import Console

    from archlab import config
    from archlab import show as pictures

    console = Console(highlight=False, soft_wrap=True)
    text = config.data(overrides)
    console.print(
        pictures.show(
            task, architecture, inputs, targets, count, text, tuple(modules), console.width
        ),
        end="",
    )
