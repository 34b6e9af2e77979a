"""Rows hold every example once, none is overfull, and nearly all of them are full."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab.data import bins, sources
from archlab.data.bins import Bins
from archlab.data.row import DECODER, ENCODER, PAIR, Row


@st.composite
def examples(draw, kinds=(DECODER, PAIR, ENCODER), most=40, rooms=30):
    """A row, and examples that are no longer than it: empty ones and whole rows too."""
    kind = draw(st.sampled_from(kinds))
    row = Row(draw(st.integers(0, rooms)), draw(st.integers(1, rooms)), kind)
    pairs = []
    for _ in range(draw(st.integers(0, most))):
        if kind == PAIR:
            pairs.append((draw(st.integers(0, row.inputs)), draw(st.integers(0, row.targets))))
        else:
            whole = draw(st.integers(0, row.total))
            given_ = whole if kind == ENCODER else draw(st.integers(0, whole))
            pairs.append((given_, whole if kind == ENCODER else whole - given_))
    return row, np.asarray(pairs, np.int64).reshape(-1, 2)


def members(found: Bins) -> list[list[int]]:
    return [found.of(np.asarray([row]))[0].tolist() for row in range(found.rows)]


def sizes(size_SC, row):
    """What each example takes of each side of a row, and what there is."""
    if row.kind == PAIR:
        return size_SC, [row.inputs, row.targets]
    whole = size_SC.max(axis=1) if row.kind == ENCODER else size_SC.sum(axis=1)
    return whole[:, None], [row.total]


@given(examples(), st.integers(1, 50))
def test_each_example_is_in_one_row_and_no_side_is_overfull(made, window):
    row, size_SC = made
    found = bins.fill(size_SC[:, 0], size_SC[:, 1], row, window)
    rows = members(found)
    assert sorted(itertools.chain(*rows)) == list(range(len(size_SC)))
    taken_SC, room_C = sizes(size_SC, row)
    for one in rows:
        assert one == sorted(one) and one
        assert np.all(taken_SC[one].sum(axis=0) <= room_C)
        assert len({number // window for number in one}) == 1  # of one window
    again = bins.fill(size_SC[:, 0], size_SC[:, 1], row, window)
    assert again.order_S.tolist() == found.order_S.tolist()
    assert again.edges.tolist() == found.edges.tolist()


@given(examples(), st.integers(1, 20))
def test_a_window_is_packed_without_what_comes_after_it(made, window):
    row, size_SC = made
    whole = bins.fill(size_SC[:, 0], size_SC[:, 1], row, window)
    first = bins.fill(size_SC[:window, 0], size_SC[:window, 1], row, window)
    assert whole.edges[: first.rows + 1].tolist() == first.edges.tolist()
    assert whole.order_S[: first.edges[-1]].tolist() == first.order_S.tolist()


def fewest(taken_SC, room_C):
    """The fewest rows that hold all examples, by trying every set of them."""
    many = len(taken_SC)
    sums = [
        taken_SC[[n for n in range(many) if one >> n & 1]].sum(axis=0) for one in range(2**many)
    ]
    fits = [one for one in range(1, 2**many) if np.all(sums[one] <= room_C)]
    best = {0: 0}
    for one in range(1, 2**many):
        lowest = one & -one
        best[one] = min(
            best[one ^ part] + 1 for part in fits if part & lowest and part & one == part
        )
    return best[2**many - 1]


@settings(max_examples=40)
@given(examples(kinds=(DECODER, PAIR), most=7, rooms=9))
def test_rows_are_few_beside_the_fewest(made):
    row, size_SC = made
    found = bins.fill(size_SC[:, 0], size_SC[:, 1], row).rows
    best = fewest(*sizes(size_SC, row)) if len(size_SC) else 0
    # First fit decreasing takes at most 11/9 of the fewest and 6/9 (Dósa 2007). Of two sides no
    # bound so near is proven; there it is one row more.
    assert best <= found <= (best * 11 + 6) / 9 + (row.kind == PAIR)


def library(room):
    """Lengths of the standard library's files in bytes, cut at a room, each with its end."""
    texts = (len(one.text.encode()) + 1 for one in sources.python_stdlib().documents("train"))
    return np.asarray([min(room, left) for whole in texts for left in range(whole, 0, -room)])


@pytest.mark.parametrize("room", [512, 2048])
def test_whole_documents_fill_their_rows(room):
    length_S = library(room)
    found = bins.fill(np.zeros_like(length_S), length_S, Row(room // 2, room // 2, DECODER))
    assert length_S.sum() / (found.rows * room) > 0.99


def test_documents_of_a_sentence_fill_their_rows():
    length_S = np.random.default_rng(0).lognormal(3.5, 0.8, 20_000).astype(int).clip(1, 512)
    found = bins.fill(np.zeros_like(length_S), length_S, Row(256, 256, DECODER))
    assert length_S.sum() / (found.rows * 512) > 0.998


def pairs(kind: str, key: np.random.Generator, many: int = 4096):
    """Lengths of inputs and targets as questions, translations and short tasks have them."""
    if kind == "questions":
        return key.lognormal(4.2, 1.0, many).clip(2, 500), key.lognormal(1.5, 0.8, many).clip(1, 99)
    if kind == "translations":
        given_ = key.lognormal(3.3, 0.6, many).clip(2, 114)
        return given_, (given_ * key.uniform(0.7, 1.3, many)).clip(1, 114)
    return key.integers(1, 60, many), key.integers(1, 15, many)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("questions", Row(512, 114, PAIR)),
        ("translations", Row(114, 114, PAIR)),
        ("short", Row(512, 114, PAIR)),
    ],
)
def test_the_fuller_of_two_sides_is_full(kind, row):
    given_S, learnt_S = (side.astype(int) for side in pairs(kind, np.random.default_rng(0)))
    bound = max(given_S.sum() / row.inputs, learnt_S.sum() / row.targets)
    assert bound / bins.fill(given_S, learnt_S, row).rows > 0.98


def test_what_is_longer_than_a_row_is_our_mistake():
    with pytest.raises(AssertionError, match="longer than a row"):
        bins.fill(np.asarray([3]), np.asarray([8]), Row(4, 4, PAIR))


def test_the_example_of_the_docstring():
    found = bins.fill(np.zeros(4, int), np.asarray([3, 5, 2, 4]), Row(3, 4, DECODER))
    assert found.order_S.tolist() == [1, 2, 0, 3] and found.edges.tolist() == [0, 2, 4]
    number_S, row_S = found.of(np.asarray([1, 0, 1]))
    assert number_S.tolist() == [0, 3, 1, 2, 0, 3] and row_S.tolist() == [0, 0, 1, 1, 2, 2]
