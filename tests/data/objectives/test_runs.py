"""Runs say the same as masks, and make the two sides that a slow loop makes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archlab.data.objectives.runs import Runs, turns
from tests import texts
from tests.texts import V

S, T = V.sentinel(0), V.sentinel(1)
MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 12)))
IDS = st.lists(st.integers(0, 300), max_size=2)


def test_the_example_of_runs():
    is_hidden_BL = np.asarray([[0, 1, 1, 0], [1, 0, 0, 0]], bool)
    assert turns(is_hidden_BL).tolist() == [[1, 1, 0, 1], [1, 1, 0, 0]]
    runs = Runs.of(is_hidden_BL)
    assert runs.row_S.tolist() == [0, 0, 0, 1, 1]
    assert runs.begin_S.tolist() == [0, 1, 3, 4, 5]
    assert runs.length_S.tolist() == [1, 2, 1, 1, 3]
    assert runs.is_hidden_S.tolist() == [0, 1, 0, 1, 0]


def test_the_example_of_sides():
    tokens_BL = np.asarray([[5, 6, 7, 8, 9, 1]], np.int32)
    runs = Runs.of(np.asarray([[0, 1, 1, 0, 0, 1]], bool))
    (inputs, given_B), (targets, learnt_B) = runs.sides(tokens_BL, S, [], [1])
    assert inputs.tolist() == [5, S, 8, 9, T, 1] and given_B.tolist() == [6]
    assert targets.tolist() == [S, 6, 7, T, 1, 1] and learnt_B.tolist() == [6]
    assert inputs.dtype == targets.dtype == np.int32


@given(is_hidden_BL=MASKS)
def test_runs_are_those_of_the_mask(is_hidden_BL):
    runs = Runs.of(is_hidden_BL)
    np.testing.assert_array_equal(runs.is_hidden_BL, is_hidden_BL)
    is_last = np.diff(runs.row_S, append=-1) != 0
    assert np.all(runs.is_hidden_S[1:][~is_last[:-1]] != runs.is_hidden_S[:-1][~is_last[:-1]])


def slowly(tokens, is_hidden, first, before, after):
    """Both sides of one text, token by token."""
    sides, names = ([*before], []), [0, 0]
    for at, (token, is_absent) in enumerate(zip(tokens, is_hidden, strict=True)):
        sides[is_absent].append(token)
        if first is not None and (not at or is_hidden[at - 1] != is_absent):
            sides[not is_absent].append(first - names[not is_absent])
            names[not is_absent] += 1
    return [[*side, *after] for side in sides]


@given(
    is_hidden_BL=MASKS,
    first=st.sampled_from([None, S]),
    before=IDS,
    after=IDS,
    seed=texts.SEEDS,
)
def test_both_sides_are_those_of_a_slow_loop(is_hidden_BL, first, before, after, seed):
    rows, length = is_hidden_BL.shape
    text = texts.random(length, rows, seed)
    made = Runs.of(is_hidden_BL).sides(text.tokens_BL, first, before, after)
    every = zip(text.tokens_BL.tolist(), is_hidden_BL.tolist(), strict=True)
    wanted = [slowly(*one, first, before, after) for one in every]
    for (tokens, many_B), rows_of in zip(made, zip(*wanted, strict=True), strict=True):
        assert tokens.tolist() == sum(rows_of, [])
        assert many_B.tolist() == [*map(len, rows_of)]
