"""What a contest came to: how fast each lane was, how full, how many times as fast, as wanted."""

import dataclasses
import statistics

from benchmarks.peers import Peer
from benchmarks.race import Turn, middle

OURS = "archlab"
SOURCES = {"from text": False, "cached": True}  # and whether SeqIO reads its cache
THREADS = {"as it likes": False, "one thread": True}  # and whether tf.data is held to one
# Times as fast.
WANTED = {"span_corruption": 50, "causal_lm": 100, "prefix_lm": 100, "prefix_lm_packed": 100}
WANTED_ELSE = 30


@dataclasses.dataclass(frozen=True)
class Contest:
    """What one peer and archlab did.

    Args:
      peer: who.
      turns: of each lane, by round.
      refused: why archlab does not make these rows, if it has the objective.
    """

    peer: Peer
    turns: dict[str, list[Turn]]
    refused: str = ""

    def best(self, source: str) -> list[Turn]:
        """The turns of SeqIO's faster lane, by processor time.

        Args:
          source: "from text" or "cached".

        Returns:
          Its turns.
        """
        lanes = [turns for name, turns in self.turns.items() if name.startswith(source)]
        return max(lanes, key=lambda turns: statistics.median(turn.rate for turn in turns))

    def ratios(self, source: str) -> list[float]:
        """How many times as many tokens archlab makes of a second, round by round.

        Args:
          source: "from text" or "cached".

        Returns:
          A number for each round; none if archlab did not run.
        """
        own = self.turns.get(OURS, [])
        return [one.rate / other.rate for one, other in zip(own, self.best(source), strict=False)]


def rates(turns: list[Turn]) -> str:
    """Says how fast a lane was.

    Args:
      turns: of it.

    Returns:
      Millions of natural tokens a second of one core.
    """
    return middle([turn.rate / 1e6 for turn in turns])


def filled(turns: list[Turn]) -> str:
    """Says how full the rows of a lane were.

    Args:
      turns: of it.

    Returns:
      The share of positions that are no padding.
    """
    positions = sum(sum(turn.positions) for turn in turns)
    return f"{sum(sum(turn.filled) for turn in turns) / positions:.3f}"


def fuller(turns: list[Turn]) -> str:
    """Says how full the fuller side of the rows of a lane was.

    Args:
      turns: of it.

    Returns:
      The share of its positions that are no padding.
    """
    sides = zip(*((*turn.filled, *turn.positions) for turn in turns), strict=True)
    sums = [*map(sum, sides)]
    half = len(sums) // 2
    shares = [many / room for many, room in zip(sums[:half], sums[half:], strict=True)]
    return f"{max(shares):.3f}"


def verdict(contest: Contest) -> tuple[int, str]:
    """Says what was wanted, and whether it is so.

    Args:
      contest: with a peer.

    Returns:
      How many times as fast archlab is to be, and "yes", "no", or "–" if it did not run.
    """
    wanted = WANTED.get(contest.peer.objective, WANTED_ELSE)
    ratios = [contest.ratios(source) for source in SOURCES]
    if not all(ratios):
        return wanted, "–"
    return wanted, "yes" if min(map(statistics.median, ratios)) >= wanted else "no"
