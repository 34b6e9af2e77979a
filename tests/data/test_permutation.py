"""Every place once, in an order like any other; a long one is that of grain."""

import collections

import numpy as np
from grain.experimental import index_shuffle
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from archlab.data.permutation import ROUNDS, SMALL, shuffled

KEYS = st.integers(0, 2**64 - 1)
# Powers of four, and one more, where grain gives two places the same.
ODD = [4**half + 1 for half in range(9, 16)]


@settings(max_examples=40)
@given(size=st.integers(1, 300), key=KEYS)
def test_every_place_stands_once(size, key):
    assert sorted(shuffled(np.arange(size), size, key)) == list(range(size))


def test_of_a_long_one_too():
    for size in (SMALL + 1, SMALL + 2, SMALL + 5000, 4**9, 4**9 + 1):
        found = shuffled(np.arange(size), size, 3)
        assert sorted(found) == list(range(size)) and found.dtype == np.int64
        assert abs(np.corrcoef(found, range(size))[0, 1]) < 0.02


@settings(max_examples=60)
@given(
    size=st.integers(SMALL + 2, 2**32 - 1)
    | st.sampled_from([one + more for one in ODD for more in (-2, -1, 1)]),
    key=KEYS,
    shares=st.lists(st.floats(0, 1, exclude_max=True), max_size=6),
)
def test_a_long_one_is_that_of_grain(size, key, shares):
    places = [0, size - 1, *(int(share * size) for share in shares)]
    found = shuffled(np.asarray(places), size, key)
    if size not in ODD:
        how = {"max_index": size - 1, "seed": key % 2**32, "rounds": ROUNDS}
        assert found.tolist() == [index_shuffle(place, **how) for place in places]


def test_every_permutation_is_equally_likely():
    seen = collections.Counter(
        tuple(shuffled(np.arange(3), 3, key).tolist()) for key in range(1800)
    )
    assert len(seen) == 6 and stats.chisquare([*seen.values()]).pvalue > 1e-3


def test_it_is_the_same_on_every_machine():
    # Whoever changes these numbers changes the text of every run that is to be resumed.
    assert shuffled(np.arange(5), 1000, 7).tolist() == [855, 122, 667, 842, 315]
    assert shuffled(np.arange(3), 10**6, 7).tolist() == [866271, 800351, 992510]
