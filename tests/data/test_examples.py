"""Flat arrays and lengths say the same as lists of lists."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archlab.data import examples
from archlab.data.examples import Examples, Text
from tests import texts

SIDES = st.lists(
    st.tuples(st.lists(texts.IDS, max_size=6), st.lists(texts.IDS, max_size=6)), min_size=1
)


def flat(lists):
    return np.asarray([token for one in lists for token in one], np.int32)


def apart(sides):
    lengths = [np.asarray([len(one[side]) for one in sides], np.int64) for side in range(2)]
    both = (flat(one[0] for one in sides), flat(one[1] for one in sides))
    return Examples(np.arange(len(sides)), *lengths, sides=both)


def joined(sides):
    one = apart(sides)
    return Examples(
        one.row_S,
        one.given_S,
        one.learnt_S,
        joined_T=flat([*left, *right] for left, right in sides),
    )


def test_the_example_of_the_text():
    one = texts.of([[[5, 6, 1], [7]], [[8, 9, 8, 1]]])
    assert one.tokens_T.tolist() == [5, 6, 1, 7, 8, 9, 8, 1]
    assert one.length_S.tolist() == [3, 1, 4] and one.row_S.tolist() == [0, 0, 1]
    assert one.tokens_BL.tolist() == [[5, 6, 1, 7], [8, 9, 8, 1]]
    assert one.joined().length_S.tolist() == [4, 4]


def test_the_example_of_the_examples():
    one = Examples(
        np.asarray([0, 1, 1]),
        np.asarray([2, 0, 0]),
        np.asarray([2, 3, 1]),
        joined_T=np.asarray([5, 6, 7, 1, 8, 9, 1, 4], np.int32),
    )
    found = [(left.tolist(), right.tolist()) for left, right in one.listed()]
    assert found == [([5, 6], [7, 1]), ([], [8, 9, 1]), ([], [4])]


@given(text=texts.ragged(9))
def test_a_text_knows_where_its_pieces_lie(text):
    rows = texts.pieces(text)
    assert text.used_B.tolist() == [sum(map(len, row)) for row in rows]
    flat_pieces = [
        (row, number, sum(map(len, pieces[:number])), piece)
        for row, pieces in enumerate(rows)
        for number, piece in enumerate(pieces)
    ]
    assert text.number_S.tolist() == [number for _, number, _, _ in flat_pieces]
    assert text.place_S.tolist() == [place for _, _, place, _ in flat_pieces]
    for begin, (*_, piece) in zip(text.begin_S, flat_pieces, strict=True):
        assert text.tokens_T[begin : begin + len(piece)].tolist() == piece
    whole = text.joined()
    assert texts.pieces(whole) == [[sum(row, [])] for row in rows]
    row, place = text.spots(np.arange(len(text.tokens_T)))
    spelled = [sum(pieces, []) for pieces in rows]
    assert [spelled[one][at] for one, at in zip(row, place, strict=True)] == text.tokens_T.tolist()


@given(stretches=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9))))
def test_places_are_those_of_ranges(stretches):
    begin_S, length_S = np.asarray(stretches, int).reshape(-1, 2).T
    found = examples.places(begin_S, length_S).tolist()
    assert found == [at for begin, many in stretches for at in range(begin, begin + many)]


@given(sides=SIDES)
def test_both_forms_hold_the_same(sides):
    for one in (apart(sides), joined(sides)):
        assert [(left.tolist(), right.tolist()) for left, right in one.listed()] == sides
        assert one.together().tolist() == [
            token for left, right in sides for token in (*left, *right)
        ]
        inputs, targets = one.apart()
        assert inputs.tolist() == flat(left for left, _ in sides).tolist()
        assert targets.tolist() == flat(right for _, right in sides).tolist()
        assert one.is_given_T.tolist() == [
            is_given
            for left, right in sides
            for is_given in [True] * len(left) + [False] * len(right)
        ]
        assert one.together().dtype == inputs.dtype == targets.dtype == np.int32


@given(sides=SIDES)
def test_tokens_are_counted(sides):
    one = apart(sides)
    learnt = sum(len(right) for _, right in sides)
    assert one.tokens == sum(len(left) for left, _ in sides) + learnt
    assert one.loss_tokens == learnt
    half = Examples(
        one.row_S, one.given_S, one.learnt_S, sides=one.sides, weights_L=np.full(learnt, 0.5, "f4")
    )
    assert half.loss_tokens == learnt / 2
    right = np.asarray([len(one) for _, one in sides])
    place = Examples(one.row_S, right, right, sides=(one.sides[1], one.sides[1]), is_in_place=True)
    assert place.tokens == learnt  # they share their positions


def test_even_examples_are_one_a_row():
    one = examples.even(np.arange(6, dtype=np.int32).reshape(2, 3), np.full((2, 1), 9, np.int32))
    assert texts.by_row(one, 2) == [[([0, 1, 2], [9])], [([3, 4, 5], [9])]]
    assert one.together().tolist() == [0, 1, 2, 9, 3, 4, 5, 9]


def test_a_row_may_be_without_pieces():
    text = Text(np.asarray([5], np.int32), np.asarray([1]), np.asarray([1]), 3)
    assert text.used_B.tolist() == [0, 1, 0] and text.place_S.tolist() == [0]


PARTS = st.lists(st.tuples(st.booleans(), st.booleans(), SIDES), min_size=1, max_size=3)


@given(parts=PARTS, is_one_text=st.booleans())
def test_examples_of_several_tasks_stand_one_after_another(parts, is_one_text):
    made, wanted, counted = [], [], []
    rows = sum(len(sides) + 1 for _, _, sides in parts)
    left = np.random.default_rng(0).permutation(rows)
    for is_joined, is_weighted, sides in parts:
        one = (joined if is_joined else apart)(sides)
        weights = np.full(one.learnt_S.sum(), 0.5 if is_weighted else 1, np.float32)
        one = dataclasses.replace(one, weights_L=weights if is_weighted else None)
        at, left = np.sort(left[: len(sides) + 1]), left[len(sides) + 1 :]
        made.append((at, one))  # and a row without examples
        wanted += [(row, sides) for row, sides in zip(at, sides, strict=False)]
        counted += weights.tolist()
    found = examples.joined(made, is_one_text)
    listed = [(left.tolist(), right.tolist()) for left, right in found.listed()]
    assert [*zip(found.row_S, listed, strict=True)] == wanted
    if found.weights_L is not None:
        assert found.weights_L.tolist() == counted
    assert (found.weights_L is None) == (not any(is_weighted for _, is_weighted, _ in parts))
