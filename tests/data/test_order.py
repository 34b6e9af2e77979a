"""Row numbers to text: each chunk once an epoch, each task in its share, and no state."""

import collections
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from archlab.data import order
from archlab.data.order import Chunks, Order

KEYS = st.tuples(st.integers(0, 2**31), st.integers(0, 3))
RATES = [
    (1.0,),
    (1.0, 1.0),
    (0.7, 0.2, 0.1),
    (3.0, 7.0, 1 / 3),
    (1000.0, 1.0, 0.1),
    tuple(1.0 + number % 7 for number in range(37)),
]
ANY = st.lists(st.floats(0.01, 100), min_size=1, max_size=8).map(tuple)
WHOLE = st.lists(st.integers(1, 12), min_size=1, max_size=8).map(tuple)


@settings(max_examples=40)
@given(size=st.integers(1, 300), key=st.integers(0, 2**64 - 1))
def test_shuffled_is_a_permutation(size, key):
    assert sorted(order.shuffled(np.arange(size), size, key)) == list(range(size))


@pytest.mark.parametrize("size", [order.SMALL + 1, order.SMALL + 5000, 4**9, 4**9 + 1])
def test_a_long_permutation_is_one_too(size):
    found = order.shuffled(np.arange(size), size, 3)
    assert sorted(found) == list(range(size)) and found.dtype == np.int64
    assert abs(np.corrcoef(found, range(size))[0, 1]) < 0.02


def test_every_permutation_is_equally_likely():
    seen = collections.Counter(
        tuple(order.shuffled(np.arange(3), 3, key).tolist()) for key in range(1800)
    )
    assert len(seen) == 6 and stats.chisquare([*seen.values()]).pvalue > 1e-3


def test_the_order_is_the_same_on_every_machine():
    # Whoever changes these numbers changes the text of every run that is to be resumed.
    assert order.shuffled(np.arange(5), 1000, 7).tolist() == GOLDEN_SHORT
    assert order.shuffled(np.arange(3), 10**6, 7).tolist() == GOLDEN_LONG
    tasks, ranks = Order((0.7, 0.2, 0.1)).places(3, 12)
    assert tasks.tolist() == GOLDEN_TASKS
    assert ranks.tolist() == GOLDEN_RANKS
    chunks = Chunks((0, 0, 0), 10_000, (30, 50), (2.0, 1.0))
    assert chunks.starts(1, np.asarray([0, 1, 90, 91])).tolist() == GOLDEN_STARTS


GOLDEN_TASKS = [1, 0, 0, 1, 0, 0, 2, 0, 0, 0, 1, 0]
GOLDEN_RANKS = [0, 3, 4, 1, 5, 6, 0, 7, 8, 9, 2, 10]
GOLDEN_STARTS = [8679, 4609, 9826, 7076]
GOLDEN_SHORT, GOLDEN_LONG = [855, 122, 667, 842, 315], [866271, 800351, 992510]


@given(rates=WHOLE)
def test_whole_numbers_stay_what_they_are(rates):
    found = order.whole(rates, range(len(rates), 200))
    assert [one * sum(rates) for one in found] == [rate * sum(found) for rate in rates]
    assert np.gcd.reduce(found) == 1  # the smallest


@given(rates=ANY, most=st.integers(0, 40))
def test_whole_numbers_are_the_nearest(rates, most):
    totals = range(len(rates), len(rates) + most + 1)

    def error(parts):
        shares = np.asarray(parts) / sum(parts) / (np.asarray(rates) / sum(rates))
        return np.abs(shares - 1).max()

    found = order.whole(rates, totals)
    assert min(found) >= 1
    every = [[max(1, round(rate / sum(rates) * total)) for rate in rates] for total in totals]
    assert error(found) <= min(map(error, every)) + 1e-8


@pytest.mark.parametrize("rates", RATES)
def test_rates_that_are_short_are_kept_exactly(rates):
    parts = np.asarray(Order(rates).parts)
    np.testing.assert_allclose(parts / parts.sum(), np.asarray(rates) / sum(rates), rtol=1e-8)


@settings(max_examples=30)
@given(rates=ANY)
def test_any_rates_are_kept_to_a_small_part(rates):
    parts = np.asarray(Order(rates).parts)
    shares = np.asarray(rates) / sum(rates)
    # At the longest, each is rounded by half a row, and their sum by half a row of each.
    rounded = (0.5 / shares.min() + 0.5 * len(rates)) / order.LONGEST
    assert np.abs(parts / parts.sum() / shares - 1).max() <= rounded + 1e-8


def counted(one, rows):
    """How often each task came, after each row."""
    tasks, _ = one.places(0, rows)
    return np.cumsum(np.arange(len(one.rates)) == tasks[:, None], axis=0)


@given(rates=WHOLE)
def test_each_task_comes_first_where_none_of_its_rows_came_before(rates):
    tasks = Order(rates).places(0, 3 * sum(rates))[0].tolist()
    assert Order(rates).firsts() == sorted(map(tasks.index, range(len(rates))))


@settings(max_examples=60)
@given(rates=WHOLE | ANY)
def test_no_count_is_ever_a_whole_row_off_its_share(rates):
    one = Order(rates)
    parts, period = np.asarray(one.parts), sum(one.parts)
    rows = min(2 * period, 3000)
    row = np.arange(1, rows + 1)[:, None]
    # In whole numbers: |count / 1 - row · part / period| < 1.
    assert np.abs(counted(one, rows) * period - row * parts).max() < period


@pytest.mark.parametrize("rates", [(0.2001, 0.2999, 0.2002, 0.2998), (1, np.pi, np.e), (1, 9999)])
def test_not_even_over_a_whole_period(rates):
    # An order that was cut into blocks, each with its share, could not always be continued.
    one = Order(tuple(map(float, rates)))
    parts, period = np.asarray(one.parts), sum(one.parts)
    count = counted(one, period + 100)
    row = np.arange(1, period + 101)[:, None]
    assert np.abs(count * period - row * parts).max() < period
    assert count[period - 1].tolist() == parts.tolist()


@settings(max_examples=30)
@given(rates=WHOLE | ANY, first=st.integers(0, 10**12), rows=st.integers(1, 70))
def test_ranks_count_on_from_any_row(rates, first, rows):
    one = Order(rates)
    before, tasks, ranks = one.many(first), *one.places(first, rows)
    for task in range(len(rates)):
        own = ranks[tasks == task]
        assert own.tolist() == list(range(before[task], before[task] + len(own)))
    after = np.asarray(before) + np.bincount(tasks, minlength=len(rates))
    assert one.many(first + rows) == after.tolist() and sum(before) == first


@settings(max_examples=30)
@given(rates=WHOLE | ANY, first=st.integers(0, 10**9), cut=st.integers(0, 40))
def test_places_do_not_depend_on_how_they_are_asked_for(rates, first, cut):
    one = Order(rates)
    whole = np.stack(one.places(first, 40))
    parts = [one.places(first, cut), Order(rates).places(first + cut, 40 - cut)]
    assert np.concatenate([np.stack(part) for part in parts], axis=1).tolist() == whole.tolist()


def test_the_example_of_the_order():
    tasks, ranks = Order((1.0, 3.0)).places(0, 8)
    assert tasks.tolist() == [1, 1, 0, 1, 1, 1, 0, 1]
    assert ranks.tolist() == [0, 1, 0, 2, 3, 4, 1, 5]


def test_rates_are_in_any_unit():
    for rates in [(1.0, 3.0), (0.25, 0.75), (200.0, 600.0)]:
        assert Order(rates).parts == [1, 3]


@pytest.mark.parametrize("rates", [(), (1.0, 0.0), (1.0, -1.0)])
def test_a_mixture_without_rates_is_refused(rates):
    with pytest.raises(ValueError, match="a rate above 0"):
        Order(rates)


def test_a_rate_that_is_too_small_is_refused():
    assert Order((1.0, 2e-5)).parts[1] > 0
    with pytest.raises(ValueError, match="^rates=.*; the rarest comes less than once in 131,072"):
        Order((1.0, 7e-6))


def lines_run(asked):
    """How many lines of Python are run."""
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        asked()
    finally:
        sys.settrace(before)
    return lines


def test_a_late_row_costs_what_the_first_costs():
    one, chunks = Order((0.7, 0.2, 0.1)), Chunks((0, 0, 0), 10_000, (30, 50), (2.0, 1.0))
    asked = [
        lambda first: one.places(first, 64),
        lambda first: one.many(first),
        lambda first: chunks.starts(1, np.arange(first, first + 64)),
    ]
    for ask in asked:
        ask(0)  # what is made once is made
        costs = []
        for row in (0, 10**6, 10**12):
            order._permutation.cache_clear()
            costs.append(lines_run(lambda ask=ask, row=row: ask(row)))
        assert max(costs) < 2 * min(costs)  # 64 rows may lie in one epoch, or begin another


TASKS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=4)


@settings(max_examples=40)
@given(tasks=TASKS, tokens=st.integers(1, 1000), key=KEYS, epoch=st.integers(0, 3))
def test_an_epoch_covers_the_text_once(tasks, tokens, key, epoch):
    raw, rates = zip(*tasks, strict=True)
    chunks = Chunks(key, tokens, raw, rates)
    assert chunks.length == sum(many * one for many, one in zip(chunks.slots, raw, strict=True))
    assert chunks.chunks == max(1, tokens // chunks.length)
    covered, seen = np.zeros(tokens, int), set()
    for task, (many, length) in enumerate(zip(chunks.slots, raw, strict=True)):
        ranks = np.arange(epoch * chunks.chunks * many, (epoch + 1) * chunks.chunks * many)
        for start in chunks.starts(task, ranks).tolist():
            assert start not in seen  # each slot once
            seen.add(start)
            np.add.at(covered, np.arange(start, start + length) % tokens, 1)
    if chunks.length <= tokens:
        assert covered.max() == 1 and covered.sum() == chunks.chunks * chunks.length
        assert tokens - covered.sum() < chunks.length
    else:
        assert covered.sum() == chunks.length  # a text shorter than a chunk repeats


@settings(max_examples=30)
@given(tasks=TASKS, key=KEYS, rank=st.integers(0, 10**9))
def test_a_start_does_not_depend_on_what_is_asked_with_it(tasks, key, rank):
    raw, rates = zip(*tasks, strict=True)
    ranks = np.arange(rank, rank + 9)
    together = Chunks(key, 2000, raw, rates).starts(0, ranks)
    alone = [Chunks(key, 2000, raw, rates).starts(0, ranks[[at]])[0] for at in range(9)]
    assert together.tolist() == alone


def test_the_example_of_the_chunks():
    chunks = Chunks((0,), 22, (3, 5), (2, 1))
    assert chunks.slots == [2, 1] and chunks.length == 11 and chunks.chunks == 2
    first, second = chunks.starts(0, np.arange(4)).reshape(2, 2), chunks.starts(1, np.arange(2))
    assert (np.diff(first, axis=1) == 3).all() and (second - first[:, 0]).tolist() == [6, 6]


@given(rates=ANY)
def test_slots_are_near_the_rates(rates):
    slots = np.asarray(Chunks((0,), 10**6, (7,) * len(rates), rates).slots)
    assert min(slots) >= 1 and sum(slots) <= order.SLOTS + len(rates)
    shares = np.asarray(rates) / sum(rates)
    if shares.min() > 0.1:
        assert np.abs(slots / slots.sum() - shares).max() < 1 / order.SLOTS


def test_epochs_are_counted():
    chunks = Chunks((0,), 220, (3, 5), (2, 1))
    assert chunks.epochs(0, 40) == chunks.epochs(1, 20) == 1
    assert chunks.epochs(0, 10) == 0.25


def test_an_epoch_is_cut_at_any_place():
    one = Chunks((0, 0), 10, (10,), (1.0,))
    phases = one.starts(0, np.arange(2000))
    assert stats.chisquare(np.bincount(phases, minlength=10)).pvalue > 1e-3


def test_key_and_epoch_each_change_the_order():
    def epoch(number=0, key=(0, 0, 0)):
        one = Chunks(key, 500, (10,), (1.0,))
        return tuple((one.starts(0, np.arange(number * 50, (number + 1) * 50)) // 10).tolist())

    drawn = [epoch(), epoch(1), epoch(key=(1, 0, 0)), epoch(key=(0, 1, 0)), epoch(key=(0, 0, 1))]
    assert len({*drawn}) == len(drawn)
    neighbours = collections.Counter(np.diff(epoch()).tolist())
    assert neighbours[1] < 10  # chunks that stand side by side are read apart
