"""What is done with runs: report on them, continue a text with one."""

from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import app, note


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
    from archlab import compiled, trained
    from archlab.evaluation import generate as evaluation

    compiled.keep(note)
    read = trained.load(run, step)
    words = read.vocabulary
    ids = evaluation.generate(
        read.model,
        read.weights,
        words.encode(prompt),
        tokens,
        words.end,
        words.size,
        temperature,
        seed,
        words.start,
    )
    print(prompt + words.decode(ids))
