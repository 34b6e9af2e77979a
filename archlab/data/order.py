"""Order: which text makes up row n, as a pure function of (seed, stage, n).

There is no iterator to save: whoever knows the number of a row knows its text, its task and its
noise, on any machine, however many there are.

Which task a row is from follows from the rates alone: up to any row, no task is a whole row ahead
of its share or behind it. A task's own rows then go through its text in epochs, each a permutation
of all its chunks, and each cut at another place, so that a later epoch sees the same text in other
chunks. Tasks over one text share its chunks out among them, so that no text is read twice.
"""

import dataclasses
import functools
from fractions import Fraction

import numpy as np
from grain.experimental import index_shuffle

from archlab.data.chance import hashed

BLOCK = 1024  # rows that are put in order at once
RAREST = 2**17  # rows in which every task must come at least once
SLOTS = 32  # rows, at most, that share a chunk
ROUNDS = 4  # grain's own advice: the fewest that look random


def shuffled(index: int, size: int, key: int) -> int:
    """Finds a place in a permutation of `range(size)`, without making the permutation.

    Args:
      index: place, below `size`.
      size: of the permutation, 1 or more, below 2^32.
      key: which permutation.

    Returns:
      What stands at that place.
    """
    return index_shuffle(index, max_index=size - 1, seed=key % 2**32, rounds=ROUNDS)


@dataclasses.dataclass(frozen=True)
class Order:
    """Which task the rows of one stage are from.

    Example, rates 1 and 3:
      row    0 1 2 3 4 5 6 7
      task   1 0 1 1 1 0 1 1
      rank   0 0 1 2 3 1 4 5

    Args:
      rates: how many rows of each task there are, in any unit.

    Raises:
      ValueError: no rates, or one that is too small beside the others.

    Source: Steiner & Yeomans 1993: of the rows that may come, the one that must come first; then
      no count is ever a whole row off its share.
    """

    rates: tuple[float, ...]

    def __post_init__(self):
        if not self.rates or min(self.rates) <= 0:
            raise ValueError(f"rates={self.rates}; a mixture has tasks, each with a rate above 0")
        if self._block > RAREST:
            raise ValueError(
                f"rates={self.rates}; the rarest comes less than once in {RAREST:,} rows"
            )

    def places(self, first: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Says which task each row is from, and which of that task's rows it is.

        Args:
          first: number of the first row in the stage, from 0.
          rows: how many.

        Returns:
          int64 number of the task, and int64 how many of its rows came before.
        """
        if len(self.rates) == 1:
            return np.zeros(rows, np.int64), np.arange(first, first + rows)
        found = []
        for block in range(first // self._block, (first + rows - 1) // self._block + 1):
            low = max(first - block * self._block, 0)
            high = min(first + rows - block * self._block, self._block)
            found.append(self._places(block)[:, low:high])
        task_B, rank_B = np.concatenate(found, axis=1)
        return task_B, rank_B

    def many(self, rows: int) -> list[int]:
        """Counts the rows of each task.

        Args:
          rows: of the stage, from its first.

        Returns:
          How many of them each task has.
        """
        if not rows:
            return [0] * len(self.rates)
        block = (rows - 1) // self._block
        task_B = self.places(block * self._block, rows - block * self._block)[0]
        return (self._before(block) + np.bincount(task_B, minlength=len(self.rates))).tolist()

    @functools.cached_property
    def _shares(self) -> list[Fraction]:
        rates = [Fraction(rate) for rate in self.rates]
        return [rate / sum(rates) for rate in rates]

    @functools.cached_property
    def _block(self) -> int:
        return max(BLOCK, -(-1 // min(self._shares)))

    def _before(self, block: int) -> np.ndarray:
        """Rows of each task in all blocks before: each its share, rounded, and all of them all."""
        total, edges = Fraction(0), [0]
        for share in self._shares:
            total += share
            edges.append(round(block * self._block * total))
        return np.diff(edges)

    @functools.lru_cache(maxsize=8)  # noqa: B019 - an order is small and lives as long as its stage
    def _places(self, block: int) -> np.ndarray:
        """Task and rank of every row of a block."""
        whole = Fraction(1)
        for share in self._shares:
            whole = Fraction(1, np.lcm(whole.denominator, share.denominator, dtype=object))
        unit, parts = whole.denominator, [int(share / whole) for share in self._shares]
        taken, after = self._before(block).tolist(), self._before(block + 1).tolist()
        tasks, ranks = [], []
        for row in range(block * self._block + 1, (block + 1) * self._block + 1):
            due = [
                (-(-(done + 1) * unit // part), task)
                for task, (done, part) in enumerate(zip(taken, parts, strict=True))
                if done < after[task] and done * unit < part * row
            ]
            _, task = min(due)
            tasks.append(task)
            ranks.append(taken[task])
            taken[task] += 1
        return np.asarray([tasks, ranks])


@dataclasses.dataclass(frozen=True)
class Chunks:
    """Where the rows of tasks over one text begin in it.

    A chunk holds a few rows of each task, one after another: as many as its rate asks for. Tasks
    whose rows take different amounts of text so share one text without reading any of it twice.

    Example, two tasks, whose rows take 3 and 5 tokens, at rates 2 and 1:
      chunk    0               1
      text     a a a b b b c c c c c  d d d e e e f f f f f
      rows of  0     0     1          0     0     1

    Args:
      key: what the order depends on, such as seed and stage.
      tokens: of the text.
      raw: tokens that a row of each task takes.
      rates: how many rows of each task there are, in any unit.
    """

    key: tuple[int | str, ...]
    tokens: int
    raw: tuple[int, ...]
    rates: tuple[float, ...]

    @functools.cached_property
    def slots(self) -> list[int]:
        """Rows of each task in a chunk: the fewest that come nearest to the rates."""
        share = np.asarray(self.rates) / sum(self.rates)
        fewest = len(share)

        def made(total: int) -> np.ndarray:
            return np.maximum(1, np.round(share * total)).astype(int)

        def error(total: int) -> float:
            return float(np.abs(made(total) / made(total).sum() - share).max().round(9))

        return made(min(range(fewest, max(SLOTS, fewest) + 1), key=error)).tolist()

    @property
    def length(self) -> int:
        """Tokens of a chunk."""
        return sum(many * raw for many, raw in zip(self.slots, self.raw, strict=True))

    @functools.cached_property
    def chunks(self) -> int:
        """Whole chunks that the text has, or 1."""
        return max(1, self.tokens // self.length)

    def starts(self, task: int, rank_B: np.ndarray) -> np.ndarray:
        """Says where the text of rows begins.

        Args:
          task: number of the task.
          rank_B: which of its rows.

        Returns:
          int64, the first token of each; text that passes the end goes on at the beginning.
        """
        number_B, slot_B = np.divmod(rank_B, self.slots[task])
        before = sum(
            many * raw for many, raw in zip(self.slots[:task], self.raw[:task], strict=True)
        )
        epoch_B, index_B = np.divmod(number_B, self.chunks)
        start_B = before + slot_B * self.raw[task]
        for epoch in np.unique(epoch_B):
            key = hashed("epoch", *self.key, int(epoch))
            phase = hashed("phase", *self.key, int(epoch)) % self.length
            at = epoch_B == epoch
            places = [shuffled(index, self.chunks, key) for index in index_B[at].tolist()]
            start_B[at] += np.asarray(places, np.int64) * self.length + phase
        return start_B

    def epochs(self, task: int, rows: int) -> float:
        """Says how often a task's share of the text was read.

        Args:
          task: number of the task.
          rows: of the task, so far.

        Returns:
          Epochs.
        """
        return rows / (self.chunks * self.slots[task])
