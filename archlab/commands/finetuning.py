"""What is done with a run and labelled texts: it learns them, from several seeds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import Rows, Run, app, console, note


@app.command()
def finetune(
    context: typer.Context,
    run: Run,
    train: Annotated[
        Path, typer.Option(metavar="FILE", help="Texts and labels: .tsv of both, or .jsonl.")
    ],
    test: Annotated[Path, typer.Option(metavar="FILE", help="The same, of those asked for.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to make, with a run for each seed.")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="How many.")] = 3,
    epochs: Annotated[float, typer.Option(help="How often the texts are read, about.")] = 3.0,
    rows: Rows = 16,
    rate: Annotated[float, typer.Option(help="The highest learning rate.")] = 1e-3,
    dropout: Annotated[float, typer.Option(help="Share of the values that is hidden.")] = 0.1,
) -> None:
    """Teaches a run of any architecture the labels of texts.

    \b
    archlab finetune runs/mine --train train.tsv --test dev.tsv --out runs/mine_sst2
    archlab finetune runs/bert --train train.tsv --test dev.tsv --seeds 5 --rate 5e-5 --out runs/b
    """
    from archlab import compiled
    from archlab import finetuning as rooms
    from archlab.evaluation import tables
    from archlab.train.loop import Stopped

    stop = context.obj
    compiled.keep(note)
    how = rooms.Finetuning(run, train, test, epochs, rows, rate, dropout, seeds)
    try:
        found = how.taken(out, stop, note)
    except Stopped:
        print(f"archlab: stopped; the same command goes on in {out}", file=sys.stderr)
        raise typer.Exit(stop.status) from None
    lines = [*found.values()]
    each = {name: [one] for name, one in found.items()}
    table = tables.shown(each, dict(zip(found, range(seeds), strict=True)))
    console().print(table)
    print(rooms.summary([one.found.value for one in lines]))
    print(f"the commonest label always: {lines[0].chance:.3f}; {lines[0].notes[0]}")
