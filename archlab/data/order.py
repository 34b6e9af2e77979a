"""Order: which text makes up row n, as a pure function of (seed, stage, n).

There is no iterator to save: whoever knows the number of a row knows its text, its task and its
noise, on any machine, however many there are.

Rows come in blocks. Each block holds each task of the mixture in its exact share, with what is left
of a row carried on to the next block; inside a block their order is hashed. A task's own rows then
go through its text in epochs, each a permutation of all its chunks, and each cut at another place,
so that a later epoch sees the same text in other chunks.
"""

import dataclasses
import functools
import hashlib
from fractions import Fraction

import numpy as np
from grain.experimental import index_shuffle

BLOCK = 1024  # rows; the smallest in which a rate of 0.1 % is met
ROUNDS = 4  # grain's own advice: the fewest that look random


def hashed(*parts: int | str) -> int:
    """Turns numbers and words into one number without a pattern.

    Args:
      parts: what it is to depend on.

    Returns:
      64 bits.
    """
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


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


def noise(*parts: int | str) -> np.random.Generator:
    """Makes the chance of one row.

    Args:
      parts: what it is to depend on.

    Returns:
      A generator at its beginning.
    """
    return np.random.Generator(np.random.Philox(key=hashed("noise", *parts)))


@dataclasses.dataclass(frozen=True)
class Order:
    """The order of the rows of one stage.

    Args:
      rates: how often each task comes, in any unit.
      seed: of the run.
      stage: number of the stage.
    """

    rates: tuple[float, ...]
    seed: int
    stage: int

    def __post_init__(self):
        if not self.rates or min(self.rates) <= 0:
            raise ValueError(f"rates={self.rates}; a mixture has tasks, each with a rate above 0")

    def place(self, row: int) -> tuple[int, int]:
        """Says which task a row is from, and which of that task's rows it is.

        Args:
          row: its number in the stage, from 0.

        Returns:
          Number of the task, and how many of its rows came before.
        """
        block, at = divmod(row, self._block)
        return self._places(block)[at]

    def chunk(self, task: int, rank: int, chunks: int, length: int) -> int:
        """Says where the text of a task's row begins.

        Args:
          task: number of the task.
          rank: which of its rows.
          chunks: whole chunks that its text has.
          length: tokens of a chunk.

        Returns:
          The first token; a chunk that passes the end of the text goes on at its beginning.
        """
        epoch, index = divmod(rank, chunks)
        key = hashed("epoch", self.seed, self.stage, task, epoch)
        phase = hashed("phase", self.seed, self.stage, task, epoch) % length
        return shuffled(index, chunks, key) * length + phase

    @functools.cached_property
    def _block(self) -> int:
        # One task takes what the others' rounding leaves; it never owes more than there are tasks.
        return max(BLOCK, len(self.rates) ** 2)

    @functools.lru_cache(maxsize=8)  # noqa: B019 - an order is small and lives as long as its stage
    def _places(self, block: int) -> list[tuple[int, int]]:
        """Every row of a block, in order."""
        before, after = self._sofar(block), self._sofar(block + 1)
        tasks = np.repeat(np.arange(len(before)), np.subtract(after, before))
        if len(before) > 1:
            key = hashed("order", self.seed, self.stage, block)
            tasks = tasks[[shuffled(at, len(tasks), key) for at in range(len(tasks))]]
        ranks, places = list(before), []
        for task in tasks.tolist():
            places.append((task, ranks[task]))
            ranks[task] += 1
        return places

    def _sofar(self, block: int) -> tuple[int, ...]:
        """Rows of each task in all blocks before."""
        total = sum(map(Fraction, self.rates))
        rows = [int(block * self._block * Fraction(rate) / total) for rate in self.rates]
        rows[int(np.argmax(self.rates))] += block * self._block - sum(rows)
        return tuple(rows)
