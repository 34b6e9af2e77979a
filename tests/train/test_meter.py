import dataclasses
import json

import numpy as np
import pytest

from archlab.ledger import Flops, Ledger
from archlab.train.loss import Sums
from archlab.train.meter import Losses, Meter, restored
from archlab.train.step import Outcome

NAMES = ["spans", "prefix"]


def outcome(seed: int, rows: int = 4) -> Outcome:
    random = np.random.default_rng(seed)
    sums = Sums(*(random.random(rows).astype(np.float32) for _ in range(4)))
    objective_B = np.arange(rows, dtype=np.int32) % 2
    counts = np.int32(seed), np.int32(2 * seed)
    return Outcome(sums, objective_B, *counts, np.float32(seed + 0.5), np.float32(0.1))


def test_means_are_over_loss_tokens_and_by_objective():
    losses = Losses()
    objective_B = np.array([0, 1, 1])
    arrays = [[6.0, 1.0, 3.0], [0.5, 0.5, 0.0], [2.0, 1.0, 3.0], [1.0, 0.0, 2.0]]
    losses.add(Sums(*map(np.float32, arrays)), NAMES, objective_B)
    assert losses.means() == {
        "loss": 10 / 6,
        "loss_by_objective": {"prefix": 1.0, "spans": 3.0},
        "z_loss": 1 / 6,
        "accuracy": 0.5,
    }


def test_how_unevenly_experts_were_chosen_is_told_where_there_are_some():
    losses, objective_B = Losses(), np.array([0, 1, 1])
    arrays = [[6.0, 1.0, 3.0], [0.5, 0.5, 0.0], [2.0, 1.0, 3.0], [1.0, 0.0, 2.0], [2.5, 1.0, 4.0]]
    for _ in range(2):
        losses.add(Sums(*map(np.float32, arrays)), NAMES, objective_B)
    assert losses.means()["balance"] == 7.5 / 6


def test_no_loss_tokens_give_no_number():
    assert np.isnan(Losses().means()["loss"])


def test_a_meter_that_was_saved_and_read_goes_on_as_if_it_had_not_been():
    straight, cut = Meter(Ledger(parameters=7)), Meter(Ledger(parameters=7))
    for number in range(6):
        for meter in (straight, cut):
            meter.add(outcome(number), NAMES, Flops(1, 2, 3), 64)
            meter.took(0.25, 0.125)
        cut = restored(json.loads(json.dumps(cut.as_dict())))
    one, other = straight.read(), cut.read()
    for speed in ("tokens_per_second", "waiting"):
        one.pop(speed), other.pop(speed)
    assert one == other
    assert one["padding"] == sum(range(6)) / (6 * 64)
    assert one["tokens"] == 6 * 64 and one["flops"] == {"body": 6, "head": 12, "attention": 18}


def test_reading_begins_anew_and_keeps_the_ledger():
    meter = Meter(Ledger())
    meter.add(outcome(0), NAMES, Flops(), 64)
    meter.took(2.0, 0.5)
    first = meter.read()
    assert first["tokens_per_second"] == 32.0 and first["waiting"] == 0.25
    meter.add(outcome(1), NAMES, Flops(), 64)
    second = meter.read()
    assert second["loss"] == pytest.approx(
        float(outcome(1).sums.loss_B.sum() / outcome(1).sums.weight_B.sum())
    )
    assert second["tokens"] == 128 and second["seconds"] == 2.0


@pytest.mark.parametrize("field", ["loss_B", "norm"])
def test_what_is_not_a_number_is_noticed(field):
    meter, bad = Meter(Ledger()), outcome(0)
    assert meter.is_finite
    if field == "norm":
        bad = dataclasses.replace(bad, gradient_norm=np.float32(np.inf))
    else:
        bad.sums.loss_B[2] = np.nan
    meter.add(bad, NAMES, Flops(), 64)
    assert not meter.is_finite
