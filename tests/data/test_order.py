"""Row numbers to text: each chunk once an epoch, each task in its share, and no state."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archlab.data import order
from archlab.data.order import Order

SEEDS = st.integers(0, 2**31)


def places(one, rows):
    return [one.place(row) for row in range(rows)]


@given(size=st.integers(1, 300), key=st.integers(0, 2**64 - 1))
def test_shuffled_is_a_permutation(size, key):
    assert sorted(order.shuffled(at, size, key) for at in range(size)) == list(range(size))


@given(chunks=st.integers(1, 60), length=st.integers(1, 50), seed=SEEDS, epoch=st.integers(0, 5))
def test_an_epoch_has_every_chunk_once(chunks, length, seed, epoch):
    one = Order((1.0,), seed, 0)
    ranks = range(epoch * chunks, (epoch + 1) * chunks)
    starts = sorted(one.chunk(0, rank, chunks, length) for rank in ranks)
    phase = starts[0]
    assert 0 <= phase < length
    assert starts == [phase + number * length for number in range(chunks)]


def test_an_epoch_is_cut_at_any_place():
    one = Order((1.0,), 0, 0)
    phases = [one.chunk(0, epoch, 1, 10) for epoch in range(2000)]
    assert stats.chisquare(np.bincount(phases, minlength=10)).pvalue > 1e-3


RATES = [
    (1.0,),
    (1.0, 1.0),
    (0.7, 0.2, 0.1),
    (3.0, 7.0, 1 / 3),
    (1000.0, 1.0, 0.001),
    tuple(1.0 + number % 7 for number in range(37)),
]


@pytest.mark.parametrize("rates", RATES)
def test_every_row_has_a_place_of_its_own_and_rates_are_met(rates):
    one = Order(rates, 5, 1)
    block = max(order.BLOCK, len(rates) ** 2)
    found, counted = set(), np.zeros(len(rates), int)
    for number in range(4):
        for row in range(number * block, (number + 1) * block):
            place = one.place(row)
            assert place not in found
            found.add(place)
            counted[place[0]] += 1
        # After each block the ranks of each task are 0, 1, 2 … and its share is met.
        for task, many in enumerate(counted):
            assert {rank for which, rank in found if which == task} == set(range(many))
        wanted = (number + 1) * block * np.asarray(rates) / sum(rates)
        assert np.all(np.abs(counted - wanted) <= len(rates))
        others = np.delete(np.abs(counted - wanted), np.argmax(rates))
        assert np.all(others <= 1 + 1e-6)


def test_tasks_are_mixed_within_a_block():
    tasks = [task for task, _ in places(Order((1.0, 1.0), 0, 0), 1024)]
    firsts = [sum(tasks[at : at + 128]) for at in range(0, 1024, 128)]
    assert all(40 <= many <= 88 for many in firsts)  # five standard deviations of a fair draw
    runs = [len(list(group)) for _, group in itertools.groupby(tasks)]
    assert 1.7 < np.mean(runs) < 2.3


def test_blocks_are_in_different_orders():
    one = Order((1.0, 1.0), 0, 0)
    blocks = [[task for task, _ in places(one, 2048)[at : at + 1024]] for at in (0, 1024)]
    assert sorted(blocks[0]) == sorted(blocks[1]) and blocks[0] != blocks[1]


def test_a_task_s_rows_are_read_in_turn_so_an_epoch_ends_before_the_next_begins():
    ranks = collections.defaultdict(list)
    for task, rank in places(Order((0.7, 0.2, 0.1), 3, 1), 3000):
        ranks[task].append(rank)
    assert all(found == list(range(len(found))) for found in ranks.values())


def test_seed_stage_task_and_epoch_each_change_the_order():
    chunks = 50

    def epoch(number=0, task=0, **settings):
        one = Order((1.0, 1.0), **{"seed": 0, "stage": 0, **settings})
        ranks = range(number * chunks, (number + 1) * chunks)
        return tuple(one.chunk(task, rank, chunks, 10) // 10 for rank in ranks)

    drawn = [epoch(), epoch(1), epoch(task=1), epoch(seed=1), epoch(stage=1)]
    assert len(set(drawn)) == len(drawn)
    rows = [tuple(places(Order((1.0, 1.0), *who), 200)) for who in [(0, 0), (1, 0), (0, 1)]]
    assert len(set(rows)) == 3


@given(rows=st.lists(st.integers(0, 10**9), max_size=20), seed=SEEDS)
def test_a_place_does_not_depend_on_what_was_asked_before(rows, seed):
    rates = (0.3, 0.7)
    asked = Order(rates, seed, 2)
    assert [asked.place(row) for row in rows] == [Order(rates, seed, 2).place(row) for row in rows]


def test_rates_are_in_any_unit():
    assert places(Order((1.0, 3.0), 0, 0), 2048) == places(Order((0.25, 0.75), 0, 0), 2048)


@pytest.mark.parametrize("rates", [(), (1.0, 0.0), (1.0, -1.0)])
def test_a_mixture_without_rates_is_refused(rates):
    with pytest.raises(ValueError, match="a rate above 0"):
        Order(rates, 0, 0)


def test_hashed_tells_its_parts_apart():
    parts = [(1, 2), (12,), ("1", 2), ("a", "b"), ("ab",), ("a",), (0,), ()]
    assert len({order.hashed(*one) for one in parts}) == len(parts)
    quarters = collections.Counter(order.hashed(number) >> 62 for number in range(4000))
    assert stats.chisquare([quarters[quarter] for quarter in range(4)]).pvalue > 1e-3


def test_the_order_is_the_same_on_every_machine():
    # Whoever changes these numbers changes the text of every run that is to be resumed.
    assert order.hashed("order", 0, 0, 0) == 6787568174553882142
    assert [order.shuffled(at, 1000, 7) for at in range(5)] == [687, 904, 974, 514, 833]


def test_noise_is_the_same_for_the_same_parts_only():
    parts = [(0, 1), (0, 2), (1, 1), ("validation", 1)]
    drawn = [order.noise(*one).integers(0, 2**60, 4).tolist() for one in [*parts, *parts]]
    assert drawn[:4] == drawn[4:]
    assert len({tuple(one) for one in drawn}) == 4
