"""Progress: one line that says where a run is, how fast, and until when.

On a terminal it is redrawn in place; elsewhere lines are printed, a few a minute. What matters most
comes first, since a narrow terminal cuts the end off.
"""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

SPARSE = 10.0  # seconds between two lines where there is no terminal


class Progress:
    """Shows how far a run is.

    Args:
      stages: name and steps of each.
      done: steps taken before, in all stages together.
      console: where to write; standard output unless given.
      clock: seconds that only grow.
      is_shown: whether anything is.
    """

    def __init__(
        self,
        stages: list[tuple[str, int]],
        done: int = 0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        is_shown: bool = True,
    ):
        self._stages, self._first, self._clock = stages, done, clock
        self._console = console or Console(highlight=False, soft_wrap=True, quiet=not is_shown)
        self._live: Live | None = None
        self._line = ""
        self._waiting: tuple[str, float] | None = None
        self._since: float | None = None
        self._told = -SPARSE

    def __enter__(self) -> "Progress":
        if self._console.is_terminal and not self._console.quiet:
            self._live = Live(console=self._console, get_renderable=self._shown)
            self._live.__enter__()
        return self

    def __exit__(self, *error) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def say(self, text: str) -> None:
        """Prints a line that stays.

        Args:
          text: of the line.
        """
        self._console.print(Text(text))

    def wait(self, what: str) -> None:
        """Says at once what takes a while before the first step.

        Args:
          what: is being done.
        """
        self._waiting = what, self._clock()
        if self._live is None:
            self.say(f"{what} …")

    def begin(self) -> None:
        """Starts the clock that the time left is reckoned by, and ends the waiting.

        Without it the clock starts with the first step that is shown.
        """
        self._since = self._clock()
        if self._waiting is not None:
            what, since = self._waiting
            self._waiting = None
            self.say(f"{what}: {_span(self._since - since)}")

    def step(
        self,
        stage: int,
        step: int,
        losses: dict[str, float],
        tokens_per_second: float,
        waiting: float,
    ) -> None:
        """Shows a step.

        Args:
          stage: number of the stage, from 0.
          step: of the stage.
          losses: nats per loss token, by objective.
          tokens_per_second: padding included.
          waiting: share of the time spent waiting for data.
        """
        name, steps = self._stages[stage]
        before = sum(many for _, many in self._stages[:stage])
        total = sum(many for _, many in self._stages)
        now = self._clock()
        if self._since is None:
            self._since, self._first = now, before + step
        taken, left = before + step - self._first, total - before - step
        until = "done" if not left else "time left not known yet"
        if left and taken > 0:
            until = f"{_span((now - self._since) / taken * left)} left"
        parts = [
            until,
            f"{name} {step}/{steps}",
            *_losses(losses),
            f"{tokens_per_second:,.0f} tokens/s",
            f"data wait {waiting:.0%}",
        ]
        self._line = " · ".join(parts)
        if self._live is not None:
            self._live.refresh()
        elif now - self._told >= SPARSE or step == steps:
            self._told = now
            self.say(self._line)

    def _shown(self) -> Text:
        line = self._line
        if self._waiting is not None:
            what, since = self._waiting
            line = f"{_span(self._clock() - since)} · {what} …"
        return Text(line, no_wrap=True, overflow="ellipsis")


def _losses(losses: dict[str, float]) -> list[str]:
    if len(losses) == 1:  # the stage's name says which
        return [f"loss {loss:.3f}" for loss in losses.values()]
    return [f"{name} loss {loss:.3f}" for name, loss in losses.items()]


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
