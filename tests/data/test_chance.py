"""Draws follow from the row and the purpose: from no other row, and from nothing drawn before."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archlab.data.chance import Chance, hashed

FIRST = st.integers(0, 2**50)


def test_hashed_tells_its_parts_apart():
    parts = [(1, 2), (12,), ("1", 2), ("a", "b"), ("ab",), ("a",), (0,), ()]
    assert len({hashed(*one) for one in parts}) == len(parts)
    quarters = collections.Counter(hashed(number) >> 62 for number in range(4000))
    assert stats.chisquare([quarters[quarter] for quarter in range(4)]).pvalue > 1e-3


def test_draws_are_the_same_on_every_machine():
    # Whoever changes these numbers changes the text of every run that is to be resumed.
    assert hashed("order", 0, 0, 0) == 6787568174553882142
    assert Chance((0, 1, "a"), 5, 2).words("hidden", 3).tolist() == GOLDEN
    assert Chance((0,), 10**9, 1).words("shown", 9)[0, 8] == LATER


GOLDEN = [[856406558, 3382621061, 1434040127], [2941523285, 980016175, 4036054234]]
LATER = 3191439254


@given(first=FIRST, rows=st.integers(1, 9), cut=st.integers(0, 9), many=st.integers(1, 40))
def test_a_row_draws_alone_what_it_draws_among_others(first, rows, cut, many):
    cut = min(cut, rows)
    whole = Chance((3, "x"), first, rows)
    parts = [Chance((3, "x"), first, cut), Chance((3, "x"), first + cut, rows - cut)]
    for method in ("words", "shares"):
        found = [getattr(one, method)("p", many) for one in parts if one.rows]
        np.testing.assert_array_equal(np.concatenate(found), getattr(whole, method)("p", many))
    found = [one.spread("p", 4) for one in parts if one.rows]
    np.testing.assert_array_equal(np.concatenate(found), whole.spread("p", 4))


@given(first=FIRST, many=st.integers(1, 40))
def test_words_are_bits_and_shares_are_the_same_bits(first, many):
    one = Chance((0,), first, 3)
    words, shares = one.words("p", many), one.shares("p", many)
    assert words.dtype == np.uint32 and words.shape == shares.shape == (3, many)
    assert (shares * 2**32).tolist() == words.tolist() and shares.max() < 1
    at = (np.asarray([2, 0, 2]), np.asarray([many - 1, 0, 0]))
    assert one.shares("p", many, at).tolist() == shares[at].tolist()


def test_rows_purposes_and_keys_share_no_draws():
    drawn = [
        Chance(key, first, 4).words(purpose, 50)
        for key in [(0,), (1,), (0, 0), ("0",)]
        for first in (0, 4)
        for purpose in ("a", "b")
    ]
    flat = np.concatenate(drawn).reshape(-1)
    assert len(np.unique(flat)) > 0.999 * len(flat)  # of 2^32, a few may be equal


def test_what_is_drawn_may_be_written_to():
    one = Chance((0,), 0, 2)
    one.words("p", 3)[:] = 0
    assert one.words("p", 3).any()


def test_bits_are_fair():
    words = Chance((7,), 0, 500).words("p", 101)
    ones = [int(np.sum(words >> np.uint32(bit) & np.uint32(1))) for bit in range(32)]
    spread = np.sqrt(words.size / 4)
    assert all(abs(many - words.size / 2) < 5 * spread for many in ones)
    assert stats.kstest(words.reshape(-1) * 2.0**-32, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(words[:-1].reshape(-1), words[1:].reshape(-1))[0, 1]) < 0.02


@pytest.mark.parametrize("group", [1, 8, 64])
def test_a_group_of_rows_divides_the_range(group):
    found = Chance((1,), group * 5, 40 * group).spread("rate", group).reshape(40, group)
    assert found.min() >= 0 and found.max() < 1
    gaps = np.diff(np.sort(found, axis=1), axis=1)
    np.testing.assert_allclose(gaps, 1 / group, atol=1e-12)
    assert stats.kstest(found[:, 0], "uniform").pvalue > 1e-3


def test_the_mean_of_a_batch_is_far_less_noisy_than_of_draws():
    batches = [Chance((2,), 64 * batch, 64) for batch in range(200)]
    spread = np.var([one.spread("p").mean() for one in batches])
    drawn = np.var([one.shares("p", 1).mean() for one in batches])
    assert 0.5 < drawn / (1 / 12 / 64) < 2
    # A group's mean lies within half a step of a half: 1 / (12 · 64²), a 64th of the other.
    assert spread < drawn / 30
