import numpy as np
import pytest

from archlab.ledger import Flops, Ledger
from archlab.train import loop
from archlab.train.loss import Sums
from archlab.train.meter import Meter
from archlab.train.step import Outcome
from tests import drawn

EVERY = loop.Every(record=3, save=4, evaluate=5)


def outcome(loss: float = 1.0) -> Outcome:
    """Of a step of two rows."""
    one, two = np.ones(2, np.float32), np.arange(2, dtype=np.int32)
    return Outcome(Sums(one * loss, one, one, one), two, np.int32(0), np.int32(5), one[0], one[0])


def ran(done: int, steps: int, bad: int = 0, every: loop.Every = EVERY, stop: int = 0):
    """What happened, in order, where the state is the number of steps it has taken."""
    told, meter = [], Meter(Ledger())

    def step(state, batch):
        loss = np.float32(np.nan if state + 1 == bad else 1.0)
        return state + 1, outcome(loss)

    work = loop.Work(
        steps=steps,
        step=step,
        batches=(drawn.batch("decoder", 2, 3, 3, 9) for _ in range(steps - done)),
        waited=lambda: 0.0,
        put=lambda batch: batch,
        names=["one", "two"],
        flops=lambda scored: Flops(1, scored, 1),
        tokens=12,
    )
    try:
        state = loop.train(
            done,
            done,
            work,
            meter,
            loop.Clock(),
            every,
            record=lambda number: told.append(("record", number, meter.ledger.tokens)),
            evaluate=lambda number, state: told.append(("evaluate", number, state)),
            save=lambda number, state: told.append(("save", number, state)),
            stop=lambda: bool(stop) and meter.ledger.tokens >= 12 * (stop - 1),
        )
    except (ValueError, loop.Stopped) as error:
        return told, meter, error
    return told, meter, state


def test_what_is_due_happens_when_it_is_due_with_the_state_of_that_step():
    told, meter, state = ran(0, 9)
    assert state == 9 and meter.ledger.tokens == 9 * 12
    assert meter.ledger.flops == Flops(9, 9 * 5, 9)
    assert told == [
        ("record", 3, 36),
        ("save", 4, 4),
        ("evaluate", 5, 5),
        ("record", 6, 72),
        ("save", 8, 8),
        ("record", 9, 108),
        ("evaluate", 9, 9),
        ("save", 9, 9),
    ]


def test_it_goes_on_from_where_it_stands():
    told, meter, state = ran(7, 9)
    assert state == 9 and meter.ledger.tokens == 2 * 12
    assert [(kind, number) for kind, number, _ in told] == [
        ("save", 8),
        ("record", 9),
        ("evaluate", 9),
        ("save", 9),
    ]


def test_never_evaluating_still_evaluates_at_the_end():
    told, _, _ = ran(0, 3, every=loop.Every(record=100, save=100, evaluate=0))
    assert [kind for kind, _, _ in told] == ["record", "evaluate", "save"]


class Ticking:
    """A clock that is a second further each time something happens, and only then."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(loop.time, "monotonic", lambda: self.now)

    def tick(self, *_):
        self.now += 1.0


def test_the_ledger_has_all_the_time_since_the_first_step_and_the_speed_that_of_steps(monkeypatch):
    time, meter, clock = Ticking(monkeypatch), Meter(Ledger()), loop.Clock()
    seen = []

    def step(state, batch):
        time.tick()
        return state, outcome()

    def record(number):
        seen.append((meter.ledger.seconds, meter.seconds))
        meter.read()

    for _ in range(2):
        time.tick()  # compiling: the first time before the first step, which does not count
        batches = (drawn.batch("decoder", 2, 3, 3, 9) for _ in range(3))
        work = loop.Work(
            3, step, batches, lambda: 0.0, lambda one: one, ["a", "b"], lambda _: Flops(), 12
        )
        every = loop.Every(record=3, save=3, evaluate=3)
        loop.train(None, 0, work, meter, clock, every, record, time.tick, time.tick)
    assert seen == [(3.0, 3.0), (9.0, 3.0)]  # and validating, saving and compiling: 3 more
    assert meter.ledger.seconds == 11.0


@pytest.mark.parametrize("bad", [2, 4, 9])
def test_a_loss_that_is_not_a_number_stops_the_run_before_anything_is_saved(bad):
    told, _, error = ran(0, 9, bad)
    assert f"not a number at step {bad}" in str(error)
    assert "in another directory with --out" in str(error)
    assert all(number < bad for _, number, _ in told)


@pytest.mark.parametrize("stop", [1, 4, 8])
def test_asked_to_stop_it_saves_that_step_once_and_takes_no_other(stop):
    told, meter, error = ran(0, 9, stop=stop, every=loop.Every(record=100, save=4, evaluate=0))
    assert isinstance(error, loop.Stopped)
    assert told == [("save", number, number) for number in sorted({*range(4, stop, 4), stop})]
    assert meter.ledger.tokens == 12 * stop


def test_asked_at_its_last_step_a_stage_ends_as_ever():
    told, _, state = ran(0, 9, stop=9)
    assert state == 9 and told == ran(0, 9)[0]
