"""Batches against batches: ways of making rows take turns, round by round, in one process.

TensorFlow makes batches ahead, in threads of its own. So a turn ends when no thread works any more:
every turn then begins and ends with full buffers, its time is the process's, and nobody works while
another is measured.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from archlab.data.vocabulary import FIRST, Vocabulary

NAP = 0.02  # seconds between two looks at what the threads do
QUIET = 0.1  # seconds without work after which there will be none
IDLE = 0.1  # of one core: less is no work


@dataclasses.dataclass(frozen=True)
class Turn:
    """What was made, and what it took.

    Args:
      tokens: of natural text: no padding, sentinels, modes, masks or ends.
      filled: positions that are no padding, of each side.
      positions: all of them, of each side.
      cpu: seconds of all threads.
      wall: seconds until the last of the work was done.
    """

    tokens: int
    filled: tuple[int, ...]
    positions: tuple[int, ...]
    cpu: float
    wall: float

    @property
    def rate(self) -> float:
        """Natural tokens a second of one core."""
        return self.tokens / self.cpu


@dataclasses.dataclass(frozen=True)
class Lane:
    """One way of making rows.

    Args:
      batches: without end.
      sides: the arrays of a batch in which padding is 0: what is predicted, prefixes included, and
        before it what an encoder reads, if there is one.
      text: the arrays of a batch that hold every token of its text once.
      vocabulary: of the ids.
    """

    batches: Iterator
    sides: Callable[[object], list[np.ndarray]]
    text: Callable[[object], list[np.ndarray]]
    vocabulary: Vocabulary

    def turn(self, seconds: float) -> Turn:
        """Makes batches for some time of the process, and waits until its threads rest.

        Args:
          seconds: of all threads; the last batch may take it beyond.

        Returns:
          What was made. The time of counting is not in it.
        """
        counts, counting = [], 0.0
        began, since = time.process_time(), time.perf_counter()
        while time.process_time() - began - counting < seconds:
            batch = next(self.batches)
            looked = time.thread_time()
            counts.append(self._count(batch))
            counting += time.thread_time() - looked
        done = rested()
        cpu, wall = time.process_time() - began - counting, done - since - counting
        tokens, filled, positions = zip(*counts, strict=True)
        sides = (tuple(map(sum, zip(*side, strict=True))) for side in (filled, positions))
        return Turn(sum(tokens), *sides, cpu, wall)

    def _count(self, batch) -> tuple[int, list[int], list[int]]:
        tokens = sum(
            np.count_nonzero((ids >= FIRST) & (ids < self.vocabulary.text))
            for ids in self.text(batch)
        )
        sides = self.sides(batch)
        return tokens, [*map(np.count_nonzero, sides)], [side.size for side in sides]


def rested() -> float:
    """Waits until no thread of the process works.

    Returns:
      The moment at which the last one did, by `time.perf_counter`.
    """
    last, at, used = time.perf_counter(), time.perf_counter(), time.process_time()
    while at - last < QUIET:
        time.sleep(NAP)
        now, now_used = time.perf_counter(), time.process_time()
        if now_used - used > IDLE * (now - at):
            last = now
        at, used = now, now_used
    return last


def race(lanes: dict[str, Lane], rounds: int, seconds: float) -> dict[str, list[Turn]]:
    """Lets each lane have its turn in every round.

    Args:
      lanes: by name.
      rounds: that are counted; one more comes before, in which everybody warms up.
      seconds: of a turn.

    Returns:
      The turns of each lane, in order.
    """
    turns = {name: [] for name in lanes}
    for number in range(rounds + 1):
        for name, lane in lanes.items():
            turn = lane.turn(seconds)
            if number:
                turns[name].append(turn)
    return turns


def middle(values: list[float]) -> str:
    """Says what several measurements have in common.

    Example:
      >>> middle([51.24, 48.0, 60.3])
      '51.2 [48.0, 60.3]'

    Args:
      values: of the rounds.

    Returns:
      The median and the extremes, with as many digits as they deserve.
    """
    digits = max(0, 2 - int(np.log10(max(1.0, statistics.median(values)))))
    said = [
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    ]
    return f"{said[0]} [{said[1]}, {said[2]}]"
