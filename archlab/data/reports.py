"""Reports: how far the encoding of text is, from the process that encodes to the one that waits."""

import collections
import dataclasses
import json
import time
from collections.abc import Callable

OFTEN, SELDOM = 0.5, 10.0  # seconds between two reports: for a bar, for lines
MOMENT = 0.1  # seconds, too few to say how fast


@dataclasses.dataclass(frozen=True)
class Report:
    """How far one store is.

    Args:
      name: source and split.
      documents: that are done.
      tokens: of them.
      seconds: that it took.
      total: documents there are, where the source says.
    """

    name: str
    documents: int
    tokens: int
    seconds: float
    total: int | None = None

    def __str__(self) -> str:
        of = f" of {self.total:,}" if self.total else ""
        said = f"encoding {self.name}: {self.documents:,}{of} documents, {self.tokens:,} tokens"
        if self.seconds < MOMENT:
            return said
        speeds = self.documents / self.seconds, self.tokens / self.seconds
        return f"{said}; {speeds[0]:,.0f} documents/s, {speeds[1]:,.0f} tokens/s"

    def line(self) -> str:
        """Writes it as a line of JSON.

        Returns:
          The line; `read` reads it.
        """
        return json.dumps(dataclasses.asdict(self))


def read(line: str) -> Report | None:
    """Reads a line of another process.

    Args:
      line: what it printed.

    Returns:
      The report, or None where the line says something else.
    """
    try:
        return Report(**json.loads(line))
    except (ValueError, TypeError):
        return None


class Tally:
    """Adds up what is done, and reports it every now and then.

    Args:
      say: takes a line.
      every: seconds between two reports of a store; None reports nothing.
      clock: seconds that only grow.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        every: float | None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._say, self._every, self._clock = say, every, clock
        self._done: dict[str, dict[int, tuple[int, int]]] = collections.defaultdict(dict)
        self._since: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._totals: dict[str, int | None] = {}

    def begin(self, name: str, total: int | None = None) -> None:
        """Begins a store.

        Args:
          name: source and split.
          total: documents there are, where the source says.
        """
        self._said[name] = self._clock()
        self._totals[name] = total

    def put(self, name: str, worker: int, documents: int, tokens: int) -> None:
        """Takes what a worker has done of a store until now.

        Args:
          name: source and split.
          worker: its number.
          documents: in all.
          tokens: in all.
        """
        self._done[name][worker] = (documents, tokens)
        self._since.setdefault(name, self._clock())  # what is before is not encoding
        if self._every is not None and self._clock() - self._said[name] >= self._every:
            self.report(name)

    def add(self, name: str, documents: int, tokens: int) -> None:
        """Takes what was done since the last time, where there is one worker.

        Args:
          name: source and split.
          documents: since then.
          tokens: since then.
        """
        before = self._done[name].get(0, (0, 0))
        self.put(name, 0, before[0] + documents, before[1] + tokens)

    def report(self, name: str) -> None:
        """Reports a store, now.

        Args:
          name: source and split.
        """
        if self._every is None:
            return
        now = self._clock()
        self._said[name] = now
        done = list(self._done[name].values())  # another thread may add to it
        documents, tokens = (sum(one[part] for one in done) for part in (0, 1))
        seconds = now - self._since.get(name, now)
        self._say(Report(name, documents, tokens, seconds, self._totals[name]).line())
