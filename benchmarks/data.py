"""Batches beside those of SeqIO and t5: `make bench-data` writes docs/benchmarks_data.md.

Both sides read the same documents with the same vocabulary, take turns in one process, and are
counted alike: natural tokens that arrive in batches of NumPy arrays, for each second that all
threads of the process work.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.markdown import Markdown

from archlab.batch import Batch
from archlab.data import sources
from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, Recipe, prepare
from archlab.data.tasks import OBJECTIVES
from archlab.data.vocabulary import Vocabulary
from benchmarks import page, peers
from benchmarks.contest import OURS, SOURCES, THREADS, Contest
from benchmarks.race import Lane, Turn, race

CORPUS = 6_000_000  # bytes of text
ROWS = 256  # of a batch, on both sides
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks_data.md"
KINDS = ("decoder", "encoder_decoder", "encoder")
LENGTHS = (480, 160)  # of rows that only archlab makes; an encoder-decoder's targets are others
SEED = 0
ALONE = 0.15  # seconds of a turn of those
# Those in which tf.data is held to one thread as well; it made no difference to the others.
PINNED = ("span", "prefix", "prefix_decoder", "full_lm", "ul2")


def corpus(folder: Path, own: str | None) -> Data:
    """Writes the text that both sides read.

    Args:
      folder: to write into.
      own: the user's folder of text; the Python standard library unless given.

    Returns:
      Where it is; without a vocabulary.
    """
    source = sources.folder(own) if own else sources.python_stdlib()
    folder.mkdir(parents=True)
    size = 0
    with open(folder / "text.jsonl", "w", encoding="utf-8") as file:
        for document in source.documents("train"):
            file.write(json.dumps({"text": document.text}) + "\n")
            size += len(document.text.encode("utf-8", "replace"))
            if size > CORPUS:
                break
    return Data(folder=str(folder))


def prepared(data: Data) -> dict[str, Recipe]:
    """Encodes the text for archlab.

    Args:
      data: where the text is.

    Returns:
      The recipe of each objective, and of UL2's mixture.
    """
    names = [*OBJECTIVES, "ul2"]
    found = prepare([f"folder_{name}" for name in names], data).wait()
    return dict(zip(names, found.values(), strict=True))


def ours(recipe: Recipe, inputs: int, targets: int, kind: str) -> Lane:
    """Makes archlab's lane.

    Args:
      recipe: of a mixture.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      kind: of its rows.

    Returns:
      The lane.

    Raises:
      ValueError: archlab does not make such rows.
    """
    rows = Rows(recipe, inputs, targets, kind, seed=SEED, stage=0)
    objective = recipe.mixture.removeprefix("folder_")
    repeats = any(one.repeats for one in peers.PEERS.values() if one.objective == objective)

    def sides(batch: Batch) -> list[np.ndarray]:
        is_pair = batch.encoder is not None and batch.decoder is not None
        return [batch.encoder.tokens_BL, batch.target_BL] if is_pair else [batch.target_BL]

    def text(batch: Batch) -> list[np.ndarray]:
        # A decoder's text holds its inputs too, which weigh nothing.
        return [batch.target_BL[batch.weight_BL > 0]] if repeats else sides(batch)

    batches = (rows.batch(number * ROWS, ROWS) for number in itertools.count())
    return Lane(batches, sides, text, recipe.vocabulary)


def theirs(key: str, name: str, cached: bool, pinned: bool, vocabulary: Vocabulary) -> Lane:
    """Makes SeqIO's lane.

    Args:
      key: of the peer.
      name: of its task.
      cached: whether it reads ids; otherwise text.
      pinned: whether tf.data has one thread, and tunes nothing; otherwise it does as it likes.
      vocabulary: of the ids.

    Returns:
      The lane.
    """
    peer = peers.PEERS[key]
    dataset = peer.rows(name, cached, ROWS)
    if pinned:
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        options.threading.max_intra_op_parallelism = 1
        options.autotune.enabled = False
        dataset = dataset.with_options(options)
    batches = iter(dataset.as_numpy_iterator())
    return Lane(batches, peer.sides, peer.text, vocabulary)


def contests(names: dict[str, str], recipes: dict[str, Recipe], how: argparse.Namespace):
    """Lets archlab race against each peer.

    Args:
      names: of the peers' tasks.
      recipes: of archlab's objectives.
      how: "rounds", "seconds" and "only".

    Yields:
      The contests, one after another.
    """
    vocabulary = Vocabulary(how.vocabulary)
    for key, peer in peers.PEERS.items():
        if how.only and key not in how.only:
            continue
        lanes, refused = {}, ""
        if peer.objective in recipes:
            try:
                recipe = recipes[peer.objective]
                lanes[OURS] = ours(recipe, peer.inputs, peer.targets, peer.kind)
            except ValueError as error:
                refused = str(error)
        for (source, cached), (threads, pinned) in itertools.product(
            SOURCES.items(), THREADS.items()
        ):
            if not pinned or key in PINNED:
                lanes[f"{source}, {threads}"] = theirs(key, names[key], cached, pinned, vocabulary)
        yield Contest(peer, race(lanes, how.rounds, how.seconds), refused)


def alone(recipes: dict[str, Recipe], rounds: int) -> dict[tuple[str, str], list[Turn]]:
    """Measures the rows of archlab that have no peer.

    Args:
      recipes: of archlab's objectives.
      rounds: that are counted.

    Returns:
      Turns, by objective, and kind and lengths of row.
    """
    met, lanes = {(peer.objective, peer.kind) for peer in peers.PEERS.values()}, {}
    for name, kind in itertools.product(recipes, KINDS):
        if (name, kind) not in met:
            # What does not fit is refused, and is not there.
            with contextlib.suppress(ValueError):
                inputs, targets = lengths(recipes[name], kind)
                lane = ours(recipes[name], inputs, targets, kind)
                lanes[name, f"{kind}, {inputs} + {targets}"] = lane
    return race(lanes, rounds, ALONE)


def lengths(recipe: Recipe, kind: str) -> tuple[int, int]:
    """Says how long rows are that an objective fills.

    Args:
      recipe: of the objective.
      kind: of its rows.

    Returns:
      Tokens that are given and that are learnt: of an encoder-decoder, as many as its first rows
      learn whose sides are equal.

    Raises:
      ValueError: archlab does not make such rows.
    """
    inputs, targets = LENGTHS
    if kind == "encoder_decoder":
        rows = Rows(recipe, inputs, inputs, kind, seed=SEED, stage=0)
        made = [examples for _, _, examples in rows.examples(0, ROWS)]
        targets = max(int(np.bincount(one.row_S, one.learnt_S).max()) for one in made)
    return inputs, targets


def reach(recipes: dict[str, Recipe], data: Data) -> dict:
    """Measures memory and seeking, in a process without TensorFlow.

    Args:
      recipes: of archlab's objectives.
      data: where the text is.

    Returns:
      What `benchmarks.reach` found.
    """
    stages = {}
    for peer in peers.PEERS.values():
        if peer.objective in recipes:
            with contextlib.suppress(ValueError):
                ours(recipes[peer.objective], peer.inputs, peer.targets, peer.kind)
                stages[f"folder_{peer.objective}"] = [peer.inputs, peer.targets, peer.kind]
    request = {"stages": stages, "data": dataclasses.asdict(data)}
    command = [sys.executable, "-m", "benchmarks.reach", json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description="archlab's batches beside SeqIO's and t5's")
    parser.add_argument(
        "--vocabulary", default="", help="a SentencePiece model; bytes if not given"
    )
    parser.add_argument("--folder", help="of text; the Python standard library if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of a turn, all threads together"
    )
    parser.add_argument("--only", nargs="*", help=f"of {', '.join(peers.PEERS)}; writes no page")
    how = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ARCHLAB_CACHE"] = str(folder / "stores")
        data = dataclasses.replace(corpus(folder / "text", how.folder), vocabulary=how.vocabulary)
        recipes = prepared(data)
        text = next(iter(recipes.values())).stores("train")[0].manifest
        console.print(f"{text['documents']:,} documents, {text['tokens']:,} tokens")
        reached = {} if how.only else reach(recipes, data)
        documents = (one.text for one in sources.folder(data.folder).documents("train"))
        names = peers.register(folder / "seqio", documents, Vocabulary(how.vocabulary))
        raced = []
        for contest in contests(names, recipes, how):
            raced.append(contest)
            console.print(page.said(contest), soft_wrap=True)
        if how.only:
            console.print(Markdown(page.lanes(raced)))
            return
        PAGE.write_text(page.page(text, how, raced, alone(recipes, how.rounds), reached))
    console.print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
