"""Rows: how much text each objective takes to fill one, and what it makes of it.

SeqIO preprocessors (`tasks.py`) and the index-addressed pipeline (`pipeline.py`) are two doors onto
this one table.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from archlab.data.objectives import (
    Example,
    causal_lm,
    counts,
    masked_lm,
    prefix_lm,
    span_corruption,
    span_lengths,
)
from archlab.data.vocabulary import Vocabulary

DECODER, PAIR, ENCODER = "decoder", "encoder_decoder", "encoder"


@dataclasses.dataclass(frozen=True)
class Row:
    """What a row has room for.

    Args:
      inputs: tokens that are given.
      targets: tokens that are learnt.
      kind: "decoder", "encoder_decoder" or "encoder"; all but the second have one stream of both.
    """

    inputs: int
    targets: int
    kind: str

    @property
    def total(self) -> int:
        """Tokens of both together."""
        return self.inputs + self.targets


@dataclasses.dataclass(frozen=True)
class Objective:
    """One objective, for rows of any kind that it fits.

    Args:
      kinds: of rows that it fits, and for each other kind the reason why not.
      raw: tokens of text that a row takes.
      examples: turns that many tokens into the examples of a row, given where documents end in
        them (one past their last token, sorted), chance and the vocabulary.
      spans: sentinels that a row takes.
    """

    kinds: dict[str, str]
    raw: Callable[[Row], int]
    examples: Callable[
        [np.ndarray, np.ndarray, np.random.Generator, Row, Vocabulary], list[Example]
    ]
    spans: Callable[[Row], int] = lambda row: 0

    def check(self, name: str, row: Row, vocabulary: Vocabulary) -> list[str]:
        """Refuses a row that it cannot fill, and says what is odd about one that it can.

        Args:
          name: of the objective, for the message.
          row: what there is room for.
          vocabulary: with the sentinels.

        Returns:
          Warnings, in words.

        Raises:
          ValueError: the kind does not fit, the row is too short, or the sentinels are too few.
        """
        if self.kinds[row.kind]:
            article = "a" if row.kind == DECODER else "an"
            raise ValueError(f"{name} does not fit {article} {row.kind}: {self.kinds[row.kind]}")
        if self.raw(row) < 2:
            raise ValueError(
                f"{name} cannot fill a row of inputs={row.inputs}, targets={row.targets}"
            )
        spans = self.spans(row)
        if spans > vocabulary.sentinels:
            raise ValueError(
                f"{name} at inputs={row.inputs} needs {spans} sentinels, and the vocabulary has "
                f"{vocabulary.sentinels}; use shorter rows or a vocabulary with more"
            )
        if spans == 1:
            return [f"{name} hides a single span at inputs={row.inputs}, which is always the end"]
        return []


def _pieces(tokens: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
    return [piece for piece in np.split(tokens, ends) if len(piece)]


def _causal(tokens, ends, key, row, vocabulary) -> list[Example]:
    return [causal_lm(piece) for piece in _pieces(tokens, ends)]


def _prefix(tokens, ends, key, row, vocabulary) -> list[Example]:
    if row.kind == PAIR:
        # Two texts whose splits add up to `inputs` fill both sides of a row to the last position.
        half = row.total // 2
        low = max(1, row.inputs - (row.total - half) + 1)
        split = int(key.integers(low, min(half, row.inputs)))
        return [prefix_lm(tokens[:half], split), prefix_lm(tokens[half:], row.inputs - split)]
    pieces = _pieces(tokens, ends)
    splits = [int(key.integers(1, len(piece))) if len(piece) > 1 else 0 for piece in pieces]
    return [prefix_lm(piece, split) for piece, split in zip(pieces, splits, strict=True)]


def _spans(tokens, ends, key, row, vocabulary) -> list[Example]:
    return [span_corruption(tokens, key, vocabulary)]


def _masked(tokens, ends, key, row, vocabulary) -> list[Example]:
    return [masked_lm(piece, key, vocabulary) for piece in _pieces(tokens, ends)]


def _raw_prefix(row: Row) -> int:
    return 0 if row.kind == PAIR and (row.inputs < 2 or row.targets < 2) else row.total


def _raw_spans(row: Row) -> int:
    """The longest text whose sides both fit."""
    length = 0
    for longer in range(2, row.total + 1):
        inputs, targets = span_lengths(longer)
        if inputs > row.inputs or targets > row.targets:
            break
        length = longer
    return length


IN_PLACE = "it says what an encoder was never shown; use masked_lm"
OBJECTIVES = {
    "causal_lm": Objective(
        {
            DECODER: "",
            PAIR: "it gives the encoder nothing to read; use prefix_lm",
            ENCODER: IN_PLACE,
        },
        lambda row: row.total,
        _causal,
    ),
    "prefix_lm": Objective({DECODER: "", PAIR: "", ENCODER: IN_PLACE}, _raw_prefix, _prefix),
    "span_corruption": Objective(
        {DECODER: "", PAIR: "", ENCODER: IN_PLACE},
        _raw_spans,
        _spans,
        lambda row: counts(_raw_spans(row))[1],
    ),
    "masked_lm": Objective(
        {
            DECODER: "it names tokens in place, and a decoder says what comes next",
            PAIR: "it names tokens in place; use span_corruption",
            ENCODER: "",
        },
        lambda row: row.total,
        _masked,
    ),
}
