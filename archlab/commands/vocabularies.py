"""What is done with vocabularies: train one."""

from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import app
from archlab.spelling import nearest

vocabulary = typer.Typer(
    help="""Makes vocabularies.

    \b
    archlab vocabulary train python_stdlib --size 8000 --out python.model
    """,
)
app.add_typer(vocabulary, name="vocabulary")


@vocabulary.command(name="train")
def train_vocabulary(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="python_stdlib, or folder.")],
    out: Annotated[Path, typer.Option(metavar="FILE.model", help="Where to write.")],
    size: Annotated[int, typer.Option(help="How many pieces.")] = 8000,
    kind: Annotated[str, typer.Option(help="unigram, as T5's, or bpe.")] = "unigram",
    folder: Annotated[str, typer.Option(help="Your own text, for the source folder.")] = "",
) -> None:
    """Trains a SentencePiece model, with T5's ids, on a source.

    \b
    archlab vocabulary train python_stdlib --size 8000 --out python.model
    archlab vocabulary train folder --folder ./texts --kind bpe --out mine.model
    """
    from archlab.data import pieces, sources

    if source not in sources.SOURCES:
        raise ValueError(f"no source {source!r}{nearest(source, sources.SOURCES)}")
    if source == "folder" and not folder:
        raise ValueError("the source folder is your own text; say where it is: --folder DIR")
    text = sources.SOURCES[source](folder)
    learnt, held_out = ((one.text for one in text.documents(split)) for split in sources.SPLITS)
    model = pieces.train(learnt, out, size, kind)
    print(f"{out}: {model.text:,} pieces, {pieces.density(model, held_out)}")
