import math

import pytest

from archlab import account
from archlab.ledger import Ledger
from archlab.program import Program
from archlab.train.meter import Meter
from tests import corpus


class Read:
    """Rows of which half the text was read in so many."""

    def __init__(self, rows: int):
        self.rows, self.scored = rows, 9.0

    def epochs(self, rows: int) -> dict[str, float]:
        return {f"task of {self.rows}": 0.5 * rows / self.rows}


def ended(loss: float, expect: tuple[float, float] | None) -> dict:
    stages = [corpus.stage("prefix_lm", steps=5), corpus.stage("causal_lm", steps=3, rows=32)]
    run = corpus.run(None, "prefix_decoder", stages, expect=expect)
    programs = [Program(run, number, None) for number in range(2)]
    rows = [{"train": Read(80)}, {"train": Read(96)}]
    return account.end(programs, rows, Meter(Ledger(seconds=7.2), validated=loss))


@pytest.mark.parametrize(
    "loss, expect, met, said",
    [
        (2.0, (1.5, 2.5), True, "2.0000, expected 1.5 to 2.5: met"),
        (2.6, (1.5, 2.5), False, "2.6000, expected 1.5 to 2.5: NOT met"),
        (2.6, None, None, "2.6000"),
        (math.nan, (1.5, 2.5), None, "not measured, expected 1.5 to 2.5"),
    ],
)
def test_the_end_says_whether_the_loss_is_as_expected(loss, expect, met, said):
    end = ended(loss, expect)
    assert end["met"] is met
    assert account.verdict("run", end) == f"trained run in 7 s; last validation loss {said}"


def test_the_end_counts_epochs_of_every_stage():
    assert ended(1.0, None)["ledger"]["epochs"] == {"task of 80": 0.5, "task of 96": 0.5}
