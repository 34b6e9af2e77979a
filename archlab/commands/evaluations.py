"""What is asked of trained runs, in the same words of all."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import Overrides, app, note


@app.command()
def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    suite: Annotated[str, typer.Option(help="A word of gin/suite, or a .gin file.")] = "quick",
    data: Annotated[
        Path | None, typer.Option(help="The folder of the suite's files.", show_default="here")
    ] = None,
    step: Annotated[
        int | None, typer.Option(help="The checkpoint.", show_default="the latest")
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format", help="How they are asked.", show_default="as they were trained to be"
        ),
    ] = "",
    overrides: Overrides = [],  # noqa: B006 - typer's way of saying "may be given many times"
) -> None:
    """Scores runs of any architecture and objective in one currency.

    \b
    archlab evaluate runs/quickstart
    archlab evaluate runs/smoke_* --suite quick --set Continuation.items=64
    archlab evaluate runs/smoke_* --suite standard --data ./data/eval
    """
    from rich.console import Console

    from archlab import compiled, config
    from archlab.evaluation import runs as subjects
    from archlab.evaluation import tables
    from archlab.report.history import names

    compiled.keep(note)
    asked = config.suite(suite, [*overrides, *([f"Suite.data={str(data)!r}"] if data else [])])
    asked.check()
    named, found = names(runs), {}
    with tables.Progress(len(named) * len(asked.measures)) as progress:
        for folder, name in named.items():
            subject = subjects.read(folder, name, step, form, progress.passed)
            begin = functools.partial(progress.begin, name)
            found[name] = asked.taken(subject, folder, begin)
    Console(highlight=False).print(tables.shown(found))
