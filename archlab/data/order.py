"""Order: which text makes up row n, as a pure function of (seed, stage, n).

There is no iterator to save: whoever knows the number of a row knows its text, its task and its
noise, on any machine, however many there are.

Which task a row is from follows from the rates alone: up to any row, no task is a whole row ahead
of its share or behind it. A task's own rows then go through its text in epochs, each a permutation
of all its chunks, and each cut at another place, so that a later epoch sees the same text in other
chunks. Tasks over one text share its chunks out among them, so that no text is read twice.
"""

import collections
import dataclasses
import functools
import heapq
from collections.abc import Iterable, Sequence

import numpy as np
from grain.experimental import index_shuffle

from archlab.data.chance import Chance, hashed

SHORT, LONGEST = 2**14, 2**17  # rows until an order repeats: fewer where they do, or else so many
SLOTS = 32  # rows, at most, that share a chunk
ROUNDS = 4  # grain's own advice: the fewest that look random
SMALL = 2**16  # up to here a permutation is made whole; grain would walk as far to find one place


def shuffled(index_B: np.ndarray, size: int, key: int) -> np.ndarray:
    """Finds places in a permutation of `range(size)`; a long one is never made whole.

    Args:
      index_B: int64, places, below `size`.
      size: of the permutation, 1 or more, below 2^32.
      key: which permutation.

    Returns:
      int64, what stands at those places.
    """
    if size <= SMALL:
        return _permutation(size, key)[index_B].astype(np.int64)
    # Of one more than a power of four, grain gives two places the same. There, and at one more than
    # any power of two, it is given a place more than there are, and who lands on that is sent on.
    most = size if (size - 1) & (size - 2) == 0 else size - 1
    one = functools.partial(index_shuffle, max_index=most, seed=key % 2**32, rounds=ROUNDS)
    found_B = np.asarray([one(index) for index in index_B.tolist()], np.int64)
    while len(out := np.flatnonzero(found_B >= size)):
        found_B[out] = [one(index) for index in found_B[out].tolist()]
    return found_B


@functools.lru_cache(maxsize=256)
def _permutation(size: int, key: int) -> np.ndarray:
    words = Chance((key,), 0, 1).words("permutation", size)[0]
    return np.argsort(words, kind="stable").astype(np.uint16)  # there are 2^16 places at most


def whole(rates: Sequence[float], totals: Iterable[int]) -> list[int]:
    """Finds small whole numbers in the ratio of rates.

    Example:
      >>> whole([0.7, 0.2, 0.1], range(3, 100))
      [7, 2, 1]

    Args:
      rates: above 0, in any unit.
      totals: what the numbers may add up to, or nearly; of those that come equally near, the first.

    Returns:
      Numbers, 1 or more, whose ratio comes nearest.
    """
    share = np.asarray(rates, float) / np.sum(rates)
    total = np.asarray([*totals])[:, None]
    made = np.maximum(1, np.rint(share * total))
    error = np.abs(made / made.sum(axis=1, keepdims=True) / share - 1).max(axis=1)
    return made[np.argmin(error.round(9))].astype(int).tolist()


@dataclasses.dataclass(frozen=True)
class Order:
    """Which task the rows of one stage are from.

    Example, rates 1 and 3:
      row    0 1 2 3  4 5 6 7
      task   1 1 0 1  1 1 0 1
      rank   0 1 0 2  3 4 1 5

    The order repeats: rates are taken as the ratio of whole numbers, so that after as many rows as
    they add up to each task has exactly its share.

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
        if min(self.rates) * LONGEST < sum(self.rates):
            raise ValueError(
                f"rates={self.rates}; the rarest comes less than once in {LONGEST:,} rows"
            )

    @functools.cached_property
    def parts(self) -> list[int]:
        """Rows of each task until the order repeats."""
        return whole(self.rates, [*range(len(self.rates), SHORT), LONGEST])

    def places(self, first: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Says which task each row is from, and which of that task's rows it is.

        Args:
          first: number of the first row in the stage, from 0.
          rows: how many.

        Returns:
          int64 number of the task, and int64 how many of its rows came before.
        """
        tasks, ranks = self._turn
        turn_B, place_B = np.divmod(np.arange(first, first + rows), len(tasks))
        task_B = tasks[place_B]
        return task_B, turn_B * np.asarray(self.parts)[task_B] + ranks[place_B]

    def many(self, rows: int) -> list[int]:
        """Counts the rows of each task.

        Args:
          rows: of the stage, from its first.

        Returns:
          How many of them each task has.
        """
        tasks, _ = self._turn
        turns, rest = divmod(rows, len(tasks))
        begun = np.bincount(tasks[:rest], minlength=len(self.rates))
        return (turns * np.asarray(self.parts) + begun).tolist()

    def firsts(self) -> list[int]:
        """Finds the rows in which a task comes for the first time.

        Returns:
          Their numbers, in order, one of each task.
        """
        return np.flatnonzero(self._turn[1] == 0).tolist()

    @functools.cached_property
    def _turn(self) -> tuple[np.ndarray, np.ndarray]:
        """Task and rank of every row until the order repeats."""
        period = sum(self.parts)
        done, tasks, ranks = [0] * len(self.parts), [], []
        ready: list[tuple[int, int]] = []  # which row each must come in at the latest, and its task
        coming = collections.defaultdict(list, {1: [*range(len(self.parts))]})  # by their first row
        for row in range(1, period + 1):
            for task in coming.pop(row, ()):
                heapq.heappush(ready, (-(-(done[task] + 1) * period // self.parts[task]), task))
            _, task = heapq.heappop(ready)
            tasks.append(task)
            ranks.append(done[task])
            done[task] += 1
            coming[max(row, done[task] * period // self.parts[task]) + 1].append(task)
        return np.asarray(tasks), np.asarray(ranks)


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
        fewest = len(self.rates)
        return whole(self.rates, range(fewest, max(SLOTS, fewest) + 1))

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
        for epoch in {*epoch_B.tolist()}:
            key = hashed("epoch", *self.key, epoch)
            phase = hashed("phase", *self.key, epoch) % self.length
            at = epoch_B == epoch
            start_B[at] += shuffled(index_B[at], self.chunks, key) * self.length + phase
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
