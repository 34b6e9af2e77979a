"""Readers: where the rows of one task come from, given their numbers.

Three roads lead from a SeqIO task to examples. Text that is encoded, cut and corrupted by row
number (`Windows`, or `Whole` documents); examples that SeqIO made beforehand (`Stored`); and
examples that SeqIO makes as they are asked for (`streamed.py`).
"""

import dataclasses
import functools
from typing import Protocol

import numpy as np

from archlab.data import bins
from archlab.data.bins import Bins
from archlab.data.chance import Chance, hashed
from archlab.data.examples import Examples, Text
from archlab.data.objectives.objective import Objective
from archlab.data.order import Chunks, shuffled
from archlab.data.row import ENCODER, PAIR, Row
from archlab.data.store import Store
from archlab.data.vocabulary import Vocabulary

Key = tuple[int | str, ...]


class Reader(Protocol):
    """The rows of one task, by number."""

    def examples(self, rank_B: np.ndarray) -> Examples:
        """Args: rank_B: consecutive rows of the task. Returns: their examples."""

    def epochs(self, rows: int) -> float:
        """Args: rows: of the task, so far. Returns: how often its text was read."""

    def oddities(self) -> list[str]:
        """Returns: what is odd about the task, in words."""


@dataclasses.dataclass(frozen=True)
class Windows:
    """Rows of text whose documents stand one after another, as T5 has them.

    Args:
      store: the text.
      chunks: where rows begin in it.
      number: of the task, among those that share the text.
      objective: what is hidden.
      key: of the task's chance.
      row: to fill.
      vocabulary: of the text.
    """

    store: Store
    chunks: Chunks
    number: int
    objective: Objective
    key: Key
    row: Row
    vocabulary: Vocabulary

    def examples(self, rank_B: np.ndarray) -> Examples:
        """Makes the examples of consecutive rows.

        Args:
          rank_B: which of the task's rows, each one more than the one before.

        Returns:
          The examples.
        """
        rows, raw = len(rank_B), self.chunks.raw[self.number]
        tokens_BL, length_S = self.store.windows(self.chunks.starts(self.number, rank_B), raw)
        row_S = (np.cumsum(length_S) - 1) // raw
        text = Text(tokens_BL.reshape(-1), length_S, row_S, rows)
        chance = Chance(self.key, int(rank_B[0]), rows)
        return self.objective.examples(text, chance, self.row, self.vocabulary)

    def epochs(self, rows: int) -> float:
        """Args: rows: of the task, so far. Returns: how often its share was read."""
        return self.chunks.epochs(self.number, rows)

    def oddities(self) -> list[str]:
        """Returns: what is odd about the task, in words."""
        raw, said = self.chunks.raw[self.number], self.objective.oddities(self.row, self.vocabulary)
        if self.store.tokens < raw:
            said.append(f"has {self.store.tokens} tokens, fewer than a row takes; it repeats")
        return said + _counted(self.store, raw)


@dataclasses.dataclass(frozen=True)
class Packed:
    """Rows of whole pieces, packed beforehand; an epoch is a permutation of them.

    Args:
      packed: which pieces are in which row.
      key: of the task's order and chance.
    """

    packed: Bins
    key: Key

    def epochs(self, rows: int) -> float:
        """Says how often all rows were read.

        Args:
          rows: of the task, so far.

        Returns:
          Epochs.
        """
        return rows / self.packed.rows

    def pieces(self, rank_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds the pieces of rows.

        Args:
          rank_B: which of the task's rows.

        Returns:
          int64 numbers of the pieces, row after row, and int64 which of the rows each is in.
        """
        epoch_B, index_B = np.divmod(rank_B, self.packed.rows)
        row_B = np.empty_like(index_B)
        for epoch in {*epoch_B.tolist()}:
            at = epoch_B == epoch
            key = hashed("epoch", *self.key, epoch)
            row_B[at] = shuffled(index_B[at], self.packed.rows, key)
        return self.packed.of(row_B)


@dataclasses.dataclass(frozen=True)
class Whole:
    """Rows of whole documents; one that is longer than a row is cut into pieces.

    Args:
      store: the text.
      objective: what is hidden; one that takes pieces of any length.
      key: of the task's order and chance.
      row: to fill.
      vocabulary: of the text.
    """

    store: Store
    objective: Objective
    key: Key
    row: Row
    vocabulary: Vocabulary

    @functools.cached_property
    def _pieces(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each piece begins, and how long it is."""
        length_S = np.diff(self.store.ends, prepend=0)
        many_S = -(-length_S // self.row.total)
        number_S = np.arange(many_S.sum()) - np.repeat(np.cumsum(many_S) - many_S, many_S)
        left_S = np.repeat(length_S, many_S) - number_S * self.row.total
        begin_S = np.repeat(self.store.ends - length_S, many_S) + number_S * self.row.total
        return begin_S, np.minimum(left_S, self.row.total)

    @functools.cached_property
    def _packed(self) -> Packed:
        length_S = self._pieces[1]
        return Packed(bins.fill(np.zeros_like(length_S), length_S, self.row), self.key)

    def examples(self, rank_B: np.ndarray) -> Examples:
        """Args: rank_B: consecutive rows of the task. Returns: their examples."""
        number_S, row_S = self._packed.pieces(rank_B)
        begin_S, length_S = (of[number_S] for of in self._pieces)
        tokens_T = self.store.pieces(begin_S, length_S)
        text = Text(tokens_T, length_S, row_S, len(rank_B))
        chance = Chance(self.key, int(rank_B[0]), len(rank_B))
        return self.objective.examples(text, chance, self.row, self.vocabulary)

    def epochs(self, rows: int) -> float:
        """Args: rows: of the task, so far. Returns: how often its text was read."""
        return self._packed.epochs(rows)

    def oddities(self) -> list[str]:
        """Returns: what is odd about the text, in words."""
        return _counted(self.store, self.row.total)


@dataclasses.dataclass(frozen=True)
class Stored:
    """Examples that SeqIO made beforehand, packed into rows.

    Each is a document of the store: its inputs, then its targets, then an end that is no part of
    it; where others have the bytes of their text, it has the tokens of its inputs. What is longer
    than its side of a row is cut, and keeps its end if it has one. An encoder's example says each
    token where it reads it, so its inputs and targets are equally long.

    Example, the targets 5 6 7 8 1 on a side of three, and 5 6 7 8 9:
      targets   5 6 1      5 6 7

    Args:
      store: the examples.
      key: of the task's order.
      row: to fill.
      end: id that ends a side.

    Raises:
      ValueError: an encoder's example has inputs and targets of different lengths.
    """

    store: Store
    key: Key
    row: Row
    end: int

    def __post_init__(self):
        if self.row.kind == ENCODER:
            check_in_place(self._sides[1], self._sides[2])

    @functools.cached_property
    def _sides(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where each example begins, and the tokens of its inputs and targets."""
        total_S = np.diff(self.store.ends, prepend=0)
        given_S = np.asarray(self.store.bytes)
        return self.store.ends - total_S, given_S, total_S - given_S - 1

    @functools.cached_property
    def _cut(self) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of both sides that fit a row."""
        _, given_S, learnt_S = self._sides
        if self.row.kind == PAIR:
            rooms = (self.row.inputs, self.row.targets)
        elif self.row.kind == ENCODER:
            rooms = (self.row.total, self.row.total)
        else:
            learnt_S = np.minimum(learnt_S, self.row.total)
            rooms = (self.row.total - learnt_S, self.row.total)
        return np.minimum(given_S, rooms[0]), np.minimum(learnt_S, rooms[1])

    @functools.cached_property
    def _packed(self) -> Packed:
        return Packed(bins.fill(*self._cut, self.row), self.key)

    def examples(self, rank_B: np.ndarray) -> Examples:
        """Args: rank_B: consecutive rows of the task. Returns: their examples."""
        number_S, row_S = self._packed.pieces(rank_B)
        begin_S, given_S, learnt_S = (of[number_S] for of in self._sides)
        kept_S, said_S = (of[number_S] for of in self._cut)
        inputs_M = self._side(begin_S, given_S, kept_S)
        targets_L = self._side(begin_S + given_S, learnt_S, said_S)
        is_in_place = self.row.kind == ENCODER
        return Examples(row_S, kept_S, said_S, sides=(inputs_M, targets_L), is_in_place=is_in_place)

    def _side(self, begin_S: np.ndarray, whole_S: np.ndarray, kept_S: np.ndarray) -> np.ndarray:
        """What is kept of one side of examples, one after another."""
        tokens_T = self.store.pieces(begin_S, kept_S)
        is_cut_S = (kept_S < whole_S) & (kept_S > 0)
        last_S = self.store.pieces((begin_S + whole_S - 1)[is_cut_S], np.ones(is_cut_S.sum(), int))
        place_S = (np.cumsum(kept_S) - 1)[is_cut_S]
        tokens_T[place_S[last_S == self.end]] = self.end
        return tokens_T

    def epochs(self, rows: int) -> float:
        """Args: rows: of the task, so far. Returns: how often its examples were read."""
        return self._packed.epochs(rows)

    def oddities(self) -> list[str]:
        """Returns: what is odd about the examples, in words."""
        cut = int(np.sum((self._cut[0] < self._sides[1]) | (self._cut[1] < self._sides[2])))
        return [f"{cut} of {self.store.documents} examples are longer than a row and cut"] * (
            cut > 0
        )


def check_in_place(given_S: np.ndarray, learnt_S: np.ndarray) -> None:
    """Refuses examples that an encoder cannot say.

    Args:
      given_S: tokens of the inputs of each.
      learnt_S: tokens of its targets.

    Raises:
      ValueError: an example has not as many of both.
    """
    other = np.flatnonzero(given_S != learnt_S)
    if len(other):
        first = other[0]
        raise ValueError(
            "an encoder says each token where it reads it, and example "
            f"{first} has {given_S[first]} inputs and {learnt_S[first]} targets; a decoder or an "
            "encoder-decoder takes such examples"
        )


def _counted(store: Store, length: int) -> list[str]:
    odd = {key: many for key, many in store.manifest.get("counts", {}).items() if key != "kept"}
    odd["longer than a row and cut into several"] = store.longer(length)
    listed = [f"{many} {key.replace('_', ' ')}" for key, many in odd.items() if many]
    return [f"{store.documents} documents, {', '.join(listed)}"] if listed else []
