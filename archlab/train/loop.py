"""The loop: steps of one stage, from wherever it stands to its end.

Everything it does besides stepping is passed in.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator

import jax

from archlab.batch import Batch
from archlab.ledger import Flops
from archlab.train.meter import Meter
from archlab.train.state import State
from archlab.train.step import Outcome


class Clock:
    """The wall clock of a process that trains: one for all stages."""

    def __init__(self):
        self._since: float | None = None

    def lap(self) -> float:
        """Seconds since it was last asked; 0 the first time."""
        now = time.monotonic()
        since, self._since = now if self._since is None else self._since, now
        return now - since


@dataclasses.dataclass(frozen=True)
class Every:
    """Steps of a stage between two of a kind; the last is always due.

    Args:
      record: between two records.
      save: between two checkpoints.
      evaluate: between two evaluations; 0 evaluates at the end only.
    """

    record: int
    save: int
    evaluate: int


@dataclasses.dataclass(frozen=True)
class Work:
    """What one stage is made of, for the loop.

    Args:
      steps: of the stage.
      step: compiled, from `step.lower`.
      batches: the stage's batches from the state's step on, NumPy arrays.
      waited: seconds that `batches` has let the loop wait, so far.
      put: moves a batch to the devices.
      names: of the objectives that a batch numbers.
      flops: of a step, given how many positions carry loss.
      tokens: of a step, padding included.
    """

    steps: int
    step: Callable
    batches: Iterator[Batch]
    waited: Callable[[], float]
    put: Callable[[Batch], Batch]
    names: list[str]
    flops: Callable[[int], Flops]
    tokens: int


class Stopped(Exception):
    """The run was asked to stop, and has saved where it stands."""


def train(
    state: State,
    done: int,
    work: Work,
    meter: Meter,
    clock: Clock,
    every: Every,
    record: Callable[[int], None],
    evaluate: Callable[[int, State], None],
    save: Callable[[int, State], None],
    stop: Callable[[], bool] = lambda: False,
) -> State:
    """Takes a state through a stage.

    The host is one step ahead of the devices: it hands over a step, then reads the outcome of the
    step before, which lets the devices work while it reads.

    Args:
      state: used up.
      done: steps of the stage that the state has taken.
      work: the stage.
      meter: takes in each step.
      clock: of the run; what it has counted since the stage before goes to the ledger.
      every: when something is due.
      record: writes the meter down, given the step.
      evaluate: scores the state, given the step.
      save: keeps the state, given the step.
      stop: asked after each step whether it is to be the last of this process.

    Returns:
      The state after the last step.

    Raises:
      ValueError: the loss or the gradient is not a number; no such state is saved.
      Stopped: as `stop` said, with the state saved.
    """
    meter.ledger.seconds += clock.lap()
    waited, pending = work.waited(), None

    def take(number: int, outcome: Outcome) -> None:
        nonlocal waited
        outcome = jax.device_get(outcome)
        flops = work.flops(int(outcome.scored))
        meter.add(outcome, work.names, flops, work.tokens)
        waited_now = work.waited()
        meter.took(clock.lap(), waited_now - waited)
        waited = waited_now
        if not meter.is_finite:
            raise ValueError(
                f"the loss or its gradient is not a number at step {number}; nothing of it was "
                "saved. A lower Schedule.peak, a longer Schedule.warmup or Optimizer.clip=1.0 may "
                "help, in another directory with --out"
            )

    for number in range(done + 1, work.steps + 1):
        state, outcome = work.step(state, work.put(next(work.batches)))
        if pending:
            take(*pending)
        pending = (number, outcome)
        due = [
            _due(number, often, work.steps) for often in (every.record, every.evaluate, every.save)
        ]
        is_last = stop() and number < work.steps  # of a stage that ends, the next one asks
        due[2] = due[2] or is_last
        if any(due):
            take(*pending)
            pending = None
            if due[0]:
                record(number)
            if due[1]:
                evaluate(number, state)
            meter.ledger.seconds += clock.lap()
            if due[2]:
                save(number, state)
                meter.ledger.seconds += clock.lap()
        if is_last:
            raise Stopped
    return state


def _due(number: int, every: int, last: int) -> bool:
    return number == last or (every > 0 and number % every == 0)
