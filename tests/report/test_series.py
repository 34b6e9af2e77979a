"""Series are what the record says, of every ledger, and smoothing leans on the past alone."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab.report import series
from archlab.report.history import LEDGERS
from tests.runs_written import FLOPS, PREFIX, whole


def test_no_line_joins_two_stages(made):
    x, y = series.points(made(whole())[0], series.LOSS, "tokens")
    assert np.flatnonzero(np.isnan(x)).tolist() == np.flatnonzero(np.isnan(y)).tolist() == [4]


def test_an_objective_is_shown_where_it_was_learnt(made):
    x, y = series.points(made(whole())[0], series.by_objective(PREFIX), "tokens")
    assert x.tolist() == [500, 600, 700, 800] and y.tolist() == [4.5, 3.0, 2.5, 2.0]


@pytest.mark.parametrize(
    "unit, each",
    [("tokens", 100), ("loss_tokens", 30), ("flops", sum(FLOPS.values())), ("seconds", 2.5)],
)
def test_every_ledger_is_an_axis(made, unit, each):
    (run,) = made(whole())
    x, _ = series.points(run, series.LOSS, unit)
    assert x[~np.isnan(x)].tolist() == [each * total for total in range(1, 9)]
    x, y = series.marks(run, series.LOSS, unit)
    assert x.tolist() == [each * 4, each * 8] and y.tolist() == [3.2, 2.2]
    assert unit in LEDGERS and len(LEDGERS) == 4


def test_what_a_line_lacks_is_not_drawn(made):
    lines = whole()
    lines[2]["memory"] = {"resident": 5}
    (run,) = made(lines)
    resident, device = series.SYSTEM[2:]
    x, y = series.points(run, resident, "tokens")
    assert (x.tolist(), y.tolist()) == ([200], [5])
    assert not series.points(run, device, "tokens")[0].size
    assert not series.marks(run, resident, "tokens")[0].size


@settings(max_examples=20)
@given(hnp.arrays(float, st.integers(100, 300), elements=st.floats(0.1, 10)), st.integers(1, 98))
def test_an_average_weighs_by_age_and_begins_anew_behind_a_gap(y, gap):
    y[gap] = math.nan
    records = len(y) - 1
    if records < series.HALF:
        assert series.average(y) is y
        return
    found = series.average(y)
    for part in (slice(0, gap), slice(gap + 1, None)):
        for number in range(len(y[part])):
            age = np.arange(number, -1, -1) / (records / series.HALF)
            expected = np.average(y[part][: number + 1], weights=0.5**age)
            assert math.isclose(found[part][number], expected, rel_tol=1e-9)
    assert math.isnan(found[gap]) and not np.isnan(np.delete(found, gap)).any()
