"""What is done with tasks: show their rows, encode their text."""

from pathlib import Path
from typing import Annotated

import typer

from archlab.commands import completion
from archlab.commands.app import Modules, Overrides, app


@app.command()
def show(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="One of archlab list, or your own.",
            autocompletion=completion.tasks,
        ),
    ],
    architecture: Annotated[
        str,
        typer.Option(metavar="NAME", help="Whose rows.", autocompletion=completion.architectures),
    ] = "prefix_decoder",
    inputs: Annotated[int, typer.Option(help="Tokens of a row that are given.")] = 64,
    targets: Annotated[int, typer.Option(help="Tokens of a row that are learnt.")] = 32,
    count: Annotated[int, typer.Option(help="How many rows.")] = 1,
    statistics: Annotated[
        int, typer.Option(metavar="N", help="Count what N rows hold; 0 counts none.")
    ] = 256,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page in place of drawing here.")
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Draws a task's rows, who sees whom, and what many rows hold.

    \b
    archlab show python_stdlib_span_corruption --architecture encoder_decoder
    archlab show folder_prefix_lm --set Data.folder=./texts --count 3 --html rows.html
    """
    from archlab import config
    from archlab.show import page, picture, sample

    lengths = (inputs, targets, count, statistics)
    taken = sample.take(task, architecture, *lengths, config.data(overrides), tuple(modules))
    if html is not None:
        print(page.write(taken, html))
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.print(picture.drawn(taken, console.width))


@app.command()
def cache(
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK...", help="Tasks or mixtures.", autocompletion=completion.tasks
        ),
    ],
    out: Annotated[
        str,
        typer.Option(metavar="DIR", help="Folder or bucket; training finds it by Data.cache."),
    ],
    workers: Annotated[int, typer.Option(help="Processes that encode.")] = 1,
    runner: Annotated[str, typer.Option(help="Apache Beam's, in their place.")] = "",
    options: Annotated[list[str], typer.Option("--beam-options", help="Of the runner.")] = [],  # noqa: B006
    shards: Annotated[int | None, typer.Option(help="Of a store.", show_default="by size")] = None,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Encodes text ahead of training.

    \b
    archlab cache python_stdlib_prefix_lm --out stores --workers 2
    archlab cache folder_prefix_lm --set Data.folder=./texts --out stores
    archlab train quickstart --set Data.cache=stores
    """
    import dataclasses

    from rich.console import Console

    from archlab import cache as ahead
    from archlab import config

    data = dataclasses.replace(config.data(overrides), cache=out)
    work = ahead.Work(workers, runner, tuple(options), shards)
    ahead.cache(tasks, data, tuple(modules), work, Console(highlight=False, soft_wrap=True))
