"""A prefix and its rest are the text, wherever it is cut, and rows are full."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archlab.data.objectives.language import SPLITS, Language, causal_lm, prefix_lm
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from tests import texts
from tests.texts import V, by_row, made

LENGTHS = st.integers(2, 80)
ONE_STREAM = [("none", ""), *[(split, mode) for split in SPLITS[1:] for mode in ("", "S")]]
TWO_STREAMS = ONE_STREAM[1:]


def test_the_examples_of_the_docstrings():
    one = causal_lm(texts.of([[[5, 6, 7, 1]]]))
    assert by_row(one, 1) == [[([], [5, 6, 7, 1])]]
    one = prefix_lm(texts.of([[[5, 6, 7, 8, 1]]]), np.asarray([2]))
    assert by_row(one, 1) == [[([5, 6], [7, 8, 1])]]
    assert one.weights_L is None  # every target counts


@given(text=texts.ragged(12), data=st.data())
def test_a_prefix_and_its_rest_are_the_text(text, data):
    split_S = np.asarray([data.draw(st.integers(0, most - 1)) for most in text.length_S.tolist()])
    found = sum(by_row(prefix_lm(text, split_S), text.rows), [])
    assert [left + right for left, right in found] == sum(texts.pieces(text), [])
    assert [len(left) for left, _ in found] == split_S.tolist()
    whole = sum(by_row(causal_lm(text), text.rows), [])
    assert whole == [([], piece) for piece in sum(texts.pieces(text), [])]


@pytest.mark.parametrize("split", [-1, 3])
def test_a_prefix_leaves_something_to_say(split):
    with pytest.raises(AssertionError):
        prefix_lm(texts.of([[[5, 6, 7]]]), np.asarray([split]))


def bare(how, inputs):
    """The inputs without their mode."""
    if not how.mode:
        return inputs
    assert inputs[0] == V.modes[how.mode]
    return inputs[1:]


@pytest.mark.parametrize(("split", "mode"), ONE_STREAM)
@given(inputs=LENGTHS, targets=LENGTHS, seed=texts.SEEDS, data=st.data())
def test_one_stream_is_exactly_full(split, mode, inputs, targets, seed, data):
    how, row = Language(split, mode), Row(inputs, targets, DECODER)
    assert how.check("it", row, V) == []
    text = data.draw(texts.texts(how.raw(row, V)))
    found = by_row(made(how, text, row, seed), text.rows)
    is_whole = mode or split in ("packed", "fixed")
    for examples, pieces in zip(found, texts.pieces(text), strict=True):
        assert sum(len(left) + len(right) for left, right in examples) == row.total
        wanted = [sum(pieces, [])] if is_whole else pieces
        assert [bare(how, left) + right for left, right in examples] == wanted
        for left, right in examples:
            given_, piece = len(bare(how, left)), len(bare(how, left)) + len(right)
            allowed = {
                "none": [0],
                "uniform": range(1, piece) if piece > 1 else [0],
                "packed": range(1, piece),
                "half": [piece // 2],
                "fixed": [inputs - bool(mode)],
            }[split]
            assert given_ in allowed


@pytest.mark.parametrize(("split", "mode"), TWO_STREAMS)
@given(inputs=LENGTHS, targets=LENGTHS, seed=texts.SEEDS, data=st.data())
def test_two_streams_are_exactly_full(split, mode, inputs, targets, seed, data):
    how, row = Language(split, mode), Row(inputs, targets, PAIR)
    modes = bool(mode) * (2 if split in ("uniform", "packed") else 1)
    if inputs - modes < (2 if split in ("uniform", "packed") else 1):
        assert how.raw(row, V) == 0
        return
    text = data.draw(texts.texts(how.raw(row, V)))
    found = by_row(made(how, text, row, seed), text.rows)
    for examples, pieces in zip(found, texts.pieces(text), strict=True):
        sides = [sum(map(len, side)) for side in zip(*examples, strict=True)]
        said = [bare(how, left) + right for left, right in examples]
        assert sum(said, []) == sum(pieces, [])
        assert all(bare(how, left) and right for left, right in examples)
        if split == "half":
            assert len(examples) == 1 and sides[0] - bool(mode) == sides[1]
            assert sides[1] == min(inputs - bool(mode), targets)
            continue
        assert sides == [inputs, targets]
        if split == "fixed":
            assert len(examples) == 1
        else:
            first, second = map(len, said)
            assert second - first in (0, 1)  # two halves, whose splits add up to the inputs


@pytest.mark.parametrize("split", ["uniform", "packed"])
def test_every_split_of_a_pair_is_equally_likely(split):
    how, row = Language(split), Row(9, 7, PAIR)
    found = made(how, texts.random(16, 1400), row)
    first = collections.Counter(found.given_S[::2].tolist())
    # Two halves of 8: neither gives all, nor nothing, and together they give 9.
    assert {*first} == {one for one in range(1, 8) if 1 <= 9 - one <= 7}
    assert stats.chisquare([*first.values()]).pvalue > 1e-3
    assert np.all(found.given_S[::2] + found.given_S[1::2] == 9)


def test_every_split_of_a_piece_is_equally_likely():
    text = texts.of([[[5] * 4, [6] * 7]] * 1500)
    found = made(Language("uniform"), text, Row(6, 5, DECODER))
    for place, length in enumerate((4, 7)):
        seen = collections.Counter(found.given_S[place::2].tolist())
        assert {*seen} == {*range(1, length)}
        assert stats.chisquare([*seen.values()]).pvalue > 1e-3
    table = np.zeros((3, 6))
    np.add.at(table, (found.given_S[::2] - 1, found.given_S[1::2] - 1), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_every_split_of_a_packed_row_is_equally_likely():
    found = made(Language("packed"), texts.of([[[5] * 4, [6] * 7]] * 1500), Row(6, 5, DECODER))
    seen = collections.Counter(found.given_S.tolist())
    assert {*seen} == {*range(1, 11)} and stats.chisquare([*seen.values()]).pvalue > 1e-3


def test_pieces_split_alike_whatever_stands_beside_them():
    row, how = Row(10, 10, DECODER), Language("uniform")
    splits = [
        made(how, texts.of([[[5] * 8, *rest]]), row).given_S[0]
        for rest in ([], [[6]], [[6] * 12], [[6, 1], [7] * 5])
    ]
    assert len({*splits}) == 1


@pytest.mark.parametrize(
    ("split", "mode", "row"),
    [
        ("none", "", Row(0, 1, DECODER)),
        ("uniform", "", Row(1, 40, PAIR)),
        ("uniform", "", Row(40, 1, PAIR)),
        ("packed", "S", Row(3, 40, PAIR)),
        ("half", "S", Row(1, 40, PAIR)),
        ("fixed", "", Row(0, 40, DECODER)),
        ("fixed", "S", Row(1, 40, DECODER)),
        ("fixed", "", Row(40, 0, DECODER)),
    ],
)
def test_a_row_that_is_too_short_is_refused(split, mode, row):
    with pytest.raises(ValueError, match=f"it cannot fill a row of inputs={row.inputs}, "):
        Language(split, mode).check("it", row, V)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="^it does not fit an encoder_decoder: .*; use prefix_lm$"):
        Language().check("it", Row(8, 8, PAIR), V)
    for split in SPLITS:
        with pytest.raises(ValueError, match="^it does not fit an encoder: .*; use masked_lm$"):
            Language(split).check("it", Row(8, 8, ENCODER), V)
    with pytest.raises(ValueError, match="^split='middle' is not one of none, uniform, packed, "):
        Language("middle")


def test_pieces_of_any_length_are_taken_where_each_is_an_example():
    taken = {
        (split, mode, kind)
        for split, mode in ONE_STREAM
        for kind in (DECODER, PAIR)
        if Language(split, mode).takes_pieces(Row(8, 8, kind))
    }
    assert taken == {(split, "", DECODER) for split in ("none", "uniform", "half")}
