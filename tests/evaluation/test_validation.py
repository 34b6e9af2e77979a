import numpy as np
import pytest

from archlab.evaluation.validation import validate
from archlab.train.loss import Sums
from tests import drawn


class Counted:
    """Rows whose loss is their own number, of two objectives in turn."""

    objectives = ["even", "odd"]

    def __init__(self):
        self.asked = []

    def batch(self, first: int, rows: int):
        self.asked.append((first, rows))
        return drawn.batch("decoder", rows, 4, 4, 40, seed=first)


def score(weights, batch):
    rows = len(batch.objective_B)
    ones = np.ones(rows, np.float32)
    losses_B = weights["first"].pop(0) + np.arange(rows, dtype=np.float32)
    return Sums(losses_B, ones, ones, ones), batch.objective_B


@pytest.mark.parametrize("number, batches", [(4, 1), (5, 2), (8, 2)])
def test_it_is_the_mean_over_the_first_rows_in_whole_batches(number, batches):
    rows, firsts = Counted(), [0, 4][:batches]
    found = validate(score, {"first": list(firsts)}, rows, lambda batch: batch, number, 4)
    assert rows.asked == [(first, 4) for first in firsts]
    losses = np.arange(4 * batches)
    assert found["loss"] == losses.mean()
    assert found["loss_by_objective"] == {"even": losses[::2].mean(), "odd": losses[1::2].mean()}
