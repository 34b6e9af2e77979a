"""What is done with tasks: show their rows, encode their text, make them of one's own files."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from archlab.commands import completion
from archlab.commands.app import Modules, Overrides, app

STDERR = 2  # the file, whoever stands for it in Python


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
    archlab cache python_stdlib_prefix_lm --out encoded --workers 2
    archlab cache folder_prefix_lm --set Data.folder=./texts --out encoded
    archlab train quickstart --set Data.cache=encoded
    """
    import dataclasses

    from rich.console import Console

    from archlab import cache as ahead
    from archlab import config

    data = dataclasses.replace(config.data(overrides), cache=out)
    work = ahead.Work(workers, runner, tuple(options), shards)
    ahead.cache(tasks, data, tuple(modules), work, Console(highlight=False, soft_wrap=True))


@app.command(name="new-task")
def new_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What its tasks are called after.")],
    paths: Annotated[
        list[str], typer.Argument(metavar="FILES_OR_FOLDER...", help="Your own text.")
    ],
    field: Annotated[
        str, typer.Option(metavar="FIELD", help="Of a record: what holds the text.")
    ] = "",
    inputs_field: Annotated[
        str, typer.Option(metavar="FIELD", help="Of pairs: what holds what is asked.")
    ] = "",
    targets_field: Annotated[
        str, typer.Option(metavar="FIELD", help="And what is to be said to it.")
    ] = "",
    vocabulary: Annotated[
        str, typer.Option(metavar="FILE", help="A tokenizer.", show_default="bytes")
    ] = "",
    validation: Annotated[
        int, typer.Option(min=0, metavar="N", help="Hold out one document in N; 0 for none.")
    ] = 20,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="To write.", show_default="NAME_tasks.py")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="In place of another.")] = False,
    encode: Annotated[
        bool, typer.Option("--encode/--no-encode", help="Encode the text, and show rows of it.")
    ] = True,
) -> None:
    """Makes tasks of your own files: a module of a few lines.

    It reads .txt, JSON lines, TFRecord, Parquet and Arrow, folders of them, and data sets that
    Hugging Face saved or TensorFlow Datasets prepared.

    \b
    archlab new-task notes ./notes
    archlab new-task news news/*.jsonl.gz --field body --vocabulary spiece.model
    archlab new-task quiz quiz.jsonl --inputs-field question --targets-field answer
    """
    from rich.console import Console

    from archlab import cache as ahead
    from archlab.data import kinds
    from archlab.data.options import Data, Work
    from archlab.data.recipes import prepare
    from archlab.scaffold import Scaffold
    from archlab.show import picture, sample

    with _hushed():
        found = kinds.look(paths)
    fields = _fields(found.fields, field, inputs_field, targets_field)
    scaffold = Scaffold(name, found, fields, vocabulary, validation)
    path = out or Path(f"{name}_tasks.py")
    is_new = scaffold.write(path, overwrite)
    many = f"{found.files} {'file' if found.files == 1 else 'files'} of {found.kind}"
    print(f"{found.name or many}{''.join(f'; {one}' for one in found.notes)}")
    print(f"{'wrote' if is_new else 'there already:'} {path}")
    task, data, modules = scaffold.task, Data(), (str(path),)
    if encode:
        console = Console(highlight=False, soft_wrap=True)
        ahead.cache([task], data, modules, Work(), console)
        taken = sample.take(task, data=data, modules=modules)
        console.print(picture.drawn(taken, console.width))
    else:
        with contextlib.closing(prepare([task], data, modules, Work(encode=False))) as loading:
            loading.wait()
    print("next:")
    for line in scaffold.next(path):
        print(f"  {line}")


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Nothing on standard error: TensorFlow, which reads some kinds of files, greets there."""
    told = os.dup(STDERR)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), STDERR)
    try:
        yield
    finally:
        os.dup2(told, STDERR)
        os.close(told)


def _fields(there: dict[str, str], field: str, inputs: str, targets: str) -> tuple[str, ...]:
    """The fields of a text or of a pair: those that are asked for, or the one that there is."""
    if inputs or targets:
        if field or not (inputs and targets):
            raise ValueError("a pair has --inputs-field and --targets-field, and a text --field")
        return (inputs, targets)
    if field or not there:
        return (field,) if field else ()
    if len(there) == 1 or "text" in there:
        return ("text" if "text" in there else next(iter(there)),)
    begins = [f"{name} ({text[:40]!r}…)" for name, text in there.items()]
    if sys.stdin.isatty():
        print(*begins, sep="\n")
        return (typer.prompt("which field holds the text?"),)
    raise ValueError(
        f"several fields hold text: {', '.join(begins)}; say which, as --field {next(iter(there))}"
    )
