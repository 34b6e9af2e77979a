"""What is asked of trained runs, in the same words of all."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from archlab.commands import completion
from archlab.commands.app import (
    Format,
    Modules,
    Overrides,
    Rows,
    Run,
    Runs,
    Step,
    app,
    console,
    note,
)
from archlab.spelling import not_one_of

TASK = "Suite.measures=[@Task()]"  # in place of a suite's own


@app.command()
def evaluate(
    runs: Runs,
    suite: Annotated[
        str,
        typer.Option(help="A word of gin/suite, or a .gin file.", autocompletion=completion.suites),
    ] = "quick",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With the suite's files.", show_default="here"),
    ] = None,
    step: Step = None,
    form: Format = "",
    task: Annotated[
        str,
        typer.Option(
            help="A SeqIO task or mixture, measured by its own metrics.",
            autocompletion=completion.tasks,
        ),
    ] = "",
    modules: Modules = [],  # noqa: B006
    overrides: Overrides = [],  # noqa: B006 - typer's way of saying "may be given many times"
) -> None:
    """Scores runs of any architecture and objective in one currency.

    \b
    archlab evaluate runs/quickstart
    archlab evaluate runs/smoke_* --suite quick --set Continuation.items=64
    archlab evaluate runs/smoke_* --suite standard --data ./data/eval
    archlab evaluate runs/flan --task my_task --module my_tasks.py
    """
    from archlab import compiled, config
    from archlab.evaluation import runs as subjects
    from archlab.evaluation import tables
    from archlab.report import names

    compiled.keep(note)
    alone = [TASK, f"Task.mixture={task!r}"] if task else []
    where = [f"Suite.data={str(data)!r}"] if data else []
    asked = config.suite(suite, [*alone, *overrides, *where])
    asked.check()
    named, found, seeds = names.given(runs), {}, {}
    with tables.Progress(len(named) * len(asked.measures)) as progress:
        for folder, name in named.items():
            subject = subjects.read(folder, name, step, form, progress.passed, tuple(modules))
            begin = functools.partial(progress.begin, name)
            found[name], seeds[name] = asked.taken(subject, folder, begin), subject.seed
    console().print(tables.shown(found, seeds))


@app.command()
def likeness(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Two run directories or more.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.png", help="The picture to write.")] = Path(
        "likeness.png"
    ),
    texts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl",
            help='Lines of JSON with "text".',
            show_default="held out of python_stdlib",
        ),
    ] = None,
    items: Annotated[int, typer.Option(min=3, help="At most how many texts are read.")] = 256,
    pooling: Annotated[str, typer.Option(help="mean, first or last, over a text.")] = "mean",
) -> None:
    """Says how alike the layers of runs are: linear CKA.

    \b
    archlab likeness runs/smoke_encoder runs/smoke_encoder_decoder
    archlab likeness runs/a runs/b --texts lines.jsonl --pooling last --out ab.png
    """
    import itertools

    import numpy as np

    from archlab import compiled
    from archlab.evaluation import labelled, passages, representations
    from archlab.evaluation import runs as subjects
    from archlab.report import ink, names
    from archlab.report import likeness as drawing

    if pooling not in representations.POOLINGS:
        raise ValueError(f"--pooling {not_one_of(pooling, representations.POOLINGS)}")
    compiled.keep(note)
    if texts:
        asked = [labelled.field(one, "text", texts) for one in labelled.lines(texts)][:items]
    else:
        drawn = passages.drawn("python_stdlib", "", items, 0, 200, 0, 0)
        asked = [one.middle for one in drawn]
    number, states = representations.POOLINGS.index(pooling), {}
    for folder, name in names.given(runs).items():
        pooled = representations.pooled(subjects.read(folder, name), asked)
        states[name] = np.moveaxis(pooled[:, :, number], 1, 0)
    alike = {
        (one, other): np.asarray(
            [[representations.likeness(x, y) for y in states[other]] for x in states[one]]
        )
        for one, other in itertools.combinations_with_replacement(states, 2)
    }
    for (one, other), table in alike.items():
        print(
            f"{one} by {other}: of the last layers {table[-1, -1]:.3f}, at most {table.max():.3f}"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(ink.png(drawing.grid(alike)))
    print(out)


@app.command()
def harness(
    run: Run,
    tasks: Annotated[str, typer.Option(metavar="NAME,…", help="Of the harness, or of --include.")],
    include: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your own tasks, as YAML.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="Examples ahead of a question.", show_default="the task's")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Questions of a task.", show_default="all")
    ] = None,
    form: Format = "",
    rows: Rows = 8,
    step: Step = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write all that the harness says.")
    ] = None,
) -> None:
    """Takes tasks of EleutherAI's lm-evaluation-harness with a run.

    \b
    archlab harness runs/quickstart --tasks piqa,lambada_openai --limit 200
    archlab harness runs/quickstart --tasks mine --include ./tasks --out mine.json
    """
    import json

    from archlab import compiled
    from archlab.evaluation import runs as subjects

    try:
        from archlab.evaluation import harness as rooms
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is not installed; pip install -c .ci/constraints.txt -e '.[eval]'"
        ) from None
    compiled.keep(note)
    subject = subjects.read(run, run.name, step, form)
    asked = subject.formats[0] if form else rooms.form(subject)
    model = rooms.Harness(subject, asked, rows)
    found = rooms.results(model, tasks.split(","), include, shots, limit)
    if out is not None:
        out.write_text(json.dumps(found, indent=2, default=str))
    print(rooms.table(found))
