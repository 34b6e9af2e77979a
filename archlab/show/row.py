"""A row, so that it can be seen: what is read, predicted and learnt, and who sees whom."""

import dataclasses
import unicodedata

import jax
import numpy as np

from archlab.architecture import Architecture
from archlab.batch import Batch, Stream
from archlab.data.vocabulary import Vocabulary
from archlab.model import visibility
from archlab.show.cells import PADDING, SPECIAL, START, TEXT, Cell, Position

VISIBLE = {"\n": "↵", "\t": "⇥", " ": "␣", "\r": "␍"}
CIRCLE = "◌"  # what a mark stands on that would otherwise stand on its neighbour


@dataclasses.dataclass(frozen=True)
class Sight:
    """Who sees whom: position q sees those of [start_L[q], end_L[q]).

    Args:
      name: of the stacks, "decoder sees encoder".
      start_L: int32, first position that each one sees.
      end_L: int32, one past the last; 0 on padding.
      memory: positions that are asked.
      segments: (start, end of the inputs, end) of each, where a stack sees itself.
    """

    name: str
    start_L: np.ndarray
    end_L: np.ndarray
    memory: int
    segments: list[tuple[int, int, int]]


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a batch.

    Args:
      number: of the row, from 0.
      objective: its task.
      stacks: what each stack reads, by name; the last one predicts.
      sights: who sees whom, in each stack and between them.
    """

    number: int
    objective: str
    stacks: dict[str, list[Position]]
    sights: list[Sight]

    def __str__(self) -> str:
        last = list(self.stacks.values())[-1]
        segments = sum(one.is_first for one in last)
        learnt = sum(one.weight > 0 for one in last)
        padding = sum(one.reads.kind == PADDING for one in last)
        plural = "" if segments == 1 else "s"
        return (
            f"row {self.number}: {self.objective}, {segments} segment{plural}, "
            f"{learnt} of {len(last)} learnt, {padding} padding"
        )


def read(
    batch: Batch,
    number: int,
    vocabulary: Vocabulary,
    architecture: Architecture,
    objectives: list[str],
) -> Row:
    """Reads one row of a batch.

    Example, a prefix decoder with inputs `ab` and targets `cd`, then the end:
      reads          ▸ a b c d
      predicts       a b c d <end>
      weight         0 0 1 1 1
      is_input       x x x
      is_last_input      x            it reads b, and is the first to predict a target

    Args:
      batch: NumPy arrays.
      number: of the row in the batch.
      vocabulary: of its tokens.
      architecture: who sees whom.
      objectives: names, by number of `batch.objective_B`.

    Returns:
      The row.
    """
    one = jax.tree.map(lambda array: np.asarray(array[number : number + 1]), batch)
    streams = {"encoder": one.encoder, "decoder": one.decoder}
    streams = {name: stream for name, stream in streams.items() if stream is not None}
    stacks, sights = {}, []
    for name, stream in streams.items():
        is_last = name == list(streams)[-1]
        target_L, weight_L = (one.target_BL[0], one.weight_BL[0]) if is_last else (None, None)
        has_inputs = name == "decoder"
        stacks[name] = _positions(stream, target_L, weight_L, vocabulary, has_inputs)
        how = architecture.visibility if is_last else "full"
        start_L, end_L = (np.asarray(edge_BL[0]) for edge_BL in visibility.interval(stream, how))
        sights.append(
            Sight(
                f"{name} sees {name}", start_L, end_L, len(start_L), _segments(stream, has_inputs)
            )
        )
    if one.memory_start_BL is not None:
        memory = one.encoder.tokens_BL.shape[1]
        edges = (one.memory_start_BL[0], one.memory_end_BL[0])
        sights.append(Sight("decoder sees encoder", *edges, memory, []))
    return Row(number, objectives[int(one.objective_B[0])], stacks, sights)


def symbol(vocabulary: Vocabulary, token: int) -> Cell:
    """Writes one token so that it can be seen.

    Example, bytes:
      >>> [symbol(Vocabulary(), token).text for token in (107, 35, 13, 3, 1, 383)]
      ['h', '␣', '↵', '\\\\x00', '<end>', '<S0>']

    Args:
      vocabulary: of the token.
      token: its id.

    Returns:
      What it shows. Spaces and line ends have signs, and what would steer a terminal, turn the
      direction of writing or show nothing is written as Python writes it.
    """
    if token == vocabulary.pad:
        return Cell("<pad>", SPECIAL)
    once = vocabulary.decode([token])
    if token in (vocabulary.end, vocabulary.unknown) or token >= vocabulary.text:
        return Cell(once, SPECIAL)
    # A piece loses its space where it begins a text, so it is read after another: a second time
    # after itself, or after a letter if it is nothing but space.
    before = [token] if once else vocabulary.encode("a")
    text = vocabulary.decode([*before, token]).removeprefix(vocabulary.decode(before))
    return Cell("".join(map(_visible, text)) or f"<{token}>", TEXT)


def _visible(letter: str) -> str:
    if letter in VISIBLE:
        return VISIBLE[letter]
    if unicodedata.category(letter).startswith("M"):
        return CIRCLE + letter
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def _positions(stream: Stream, target_L, weight_L, vocabulary, has_inputs) -> list[Position]:
    tokens_L, start_L, split_L, end_L = (
        array_BL[0].tolist()
        for array_BL in (stream.tokens_BL, stream.start_BL, stream.split_BL, stream.end_BL)
    )
    padding, start = Cell("░", PADDING), Cell("▸", START)
    found = []
    for at, token in enumerate(tokens_L):
        is_text, is_first = end_L[at] > 0, end_L[at] > 0 and start_L[at] == at
        begins = has_inputs and is_first and token == vocabulary.pad
        reads = (start if begins else symbol(vocabulary, token)) if is_text else padding
        predicts = None
        if target_L is not None:
            predicts = symbol(vocabulary, int(target_L[at])) if is_text else padding
        weight = 0.0 if weight_L is None else float(weight_L[at])
        is_input = has_inputs and at < split_L[at]
        is_last_input = is_input and at + 1 == split_L[at]
        found.append(Position(reads, predicts, weight, is_first, is_input, is_last_input))
    return found


def _segments(stream: Stream, has_inputs: bool) -> list[tuple[int, int, int]]:
    edges = (stream.start_BL[0], stream.split_BL[0], stream.end_BL[0])
    found = dict.fromkeys(zip(*(edge_L.tolist() for edge_L in edges), strict=True))
    return [(start, split if has_inputs else start, end) for start, split, end in found if end]
