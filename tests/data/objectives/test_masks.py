"""Every mask that can be drawn is as likely as every other; how many are hidden is fixed."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archlab.data.chance import Chance
from archlab.data.objectives import masks
from tests import texts
from tests.texts import V, chance

RATES = st.floats(0.02, 0.98)
MEANS = st.floats(1, 20)


def made(*how, **settings):
    """The masks of what is drawn."""
    return masks.spans(*how, **settings).is_hidden_BL


def spelled(masks_BL):
    return ["".join("01"[int(one)] for one in row) for row in masks_BL]


def runs(row):
    return [(is_hidden, len([*group])) for is_hidden, group in itertools.groupby(row.tolist())]


def test_halves_are_rounded_to_the_even():
    assert [masks.counts(length, 0.5, 3.0)[0] for length in (3, 5, 7, 9)] == [2, 2, 4, 4]
    assert [masks.counts(length, 0.5, 2.0)[1] for length in (6, 10, 14)] == [2, 2, 4]


@given(length=st.integers(2, 300), rate=RATES, mean=MEANS)
def test_something_is_shown_and_something_hidden(length, rate, mean):
    noise, spans = masks.counts(length, rate, mean)
    assert 1 <= spans <= min(noise, length - noise) and noise < length
    assert abs(noise - length * rate) <= 0.5 or noise in (1, length - 1)
    assert abs(spans - noise / mean) <= 0.5 or spans in (1, length - noise)


@pytest.mark.parametrize(
    "wrong", [{"length": 1}, {"rate": 0.0}, {"rate": 1.0}, {"mean": 0.9}, {"rate": -0.15}]
)
def test_counts_out_of_range_are_refused(wrong):
    said = {"length": 100, "rate": 0.15, "mean": 3.0} | wrong
    match = f"^length={said['length']}, rate={said['rate']}, mean={said['mean']}; a text has"
    with pytest.raises(ValueError, match=match):
        masks.counts(**said)


@given(
    length=st.integers(2, 200), rate=RATES, mean=MEANS, seed=texts.SEEDS, is_rolled=st.booleans()
)
def test_counts_are_kept(length, rate, mean, seed, is_rolled):
    found = made(chance(5, seed), length, rate, mean, is_rolled)
    assert found.shape == (5, length) and found.dtype == bool
    noise, spans = masks.counts(length, rate, mean)
    plain = made(chance(5, seed), length, rate, mean)
    for row, unrolled in zip(found, plain, strict=True):
        assert row.sum() == noise
        stretches = runs(unrolled)
        assert len(stretches) == 2 * spans  # begins shown, ends hidden
        assert not unrolled[0] and unrolled[-1]
        assert any(np.array_equal(np.roll(unrolled, turn), row) for turn in range(length))
        if not is_rolled:
            assert np.array_equal(row, unrolled)


def test_the_example_of_spans():
    plain = made(chance(800), 10, 0.4, 2)
    rolled = made(chance(800), 10, 0.4, 2, is_rolled=True)
    pairs = {*zip(spelled(plain), spelled(rolled), strict=True)}
    assert ("0001000111", "1100010001") in pairs
    assert np.roll([*"0001000111"], 2).tolist() == [*"1100010001"]


@pytest.mark.parametrize(("length", "rate", "mean"), [(10, 0.4, 2), (9, 0.4, 1.5), (12, 0.5, 2)])
def test_every_mask_is_equally_likely(length, rate, mean):
    noise, spans = masks.counts(length, rate, mean)
    every = [
        mask
        for mask in ("".join(one) for one in itertools.product("01", repeat=length))
        if mask.count("1") == noise
        and mask.count("01") == spans
        and mask[0] == "0"
        and mask[-1] == "1"
    ]
    found = collections.Counter(spelled(made(chance(200 * len(every)), length, rate, mean)))
    assert {*found} == {*every}
    assert stats.chisquare([found[mask] for mask in every]).pvalue > 1e-3


@pytest.mark.parametrize(("total", "parts"), [(1, 1), (5, 1), (4, 4), (7, 3), (8, 4), (2, 2)])
def test_every_way_to_cut_is_equally_likely(total, parts):
    every = [
        cut for cut in itertools.product(range(1, total + 1), repeat=parts) if sum(cut) == total
    ]
    drawn = masks._parts(chance(200 * len(every), 7), "hidden", total, parts)
    found = collections.Counter(map(tuple, drawn.tolist()))
    assert {*found} == {*every}
    assert len(every) == 1 or stats.chisquare([found[cut] for cut in every]).pvalue > 1e-3


def test_both_sides_are_cut_independently():
    seen = collections.Counter()
    for row in made(chance(1200), 40, 0.15, 3.0):  # 34 shown and 6 hidden, each in two
        (_, shown), (_, hidden), *_ = runs(row)
        seen[hidden, shown <= 17] += 1
    table = [[seen[span, short] for short in (False, True)] for span in range(1, 6)]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_a_roll_is_uniform():
    # A single hidden token, which stands at the end, so that the roll is where it stands.
    found = np.nonzero(made(chance(3000), 12, 0.01, 1, is_rolled=True))[1]
    assert stats.chisquare(np.bincount(found, minlength=12)).pvalue > 1e-3


def test_tokens_are_hidden_one_by_one():
    found = masks.tokens(chance(600), 50, 0.15)
    assert stats.binomtest(int(found.sum()), found.size, 0.15).pvalue > 1e-3
    assert stats.chisquare(found.sum(axis=0)).pvalue > 1e-3
    pairs = np.bincount((2 * found[:, 1:] + found[:, :-1]).reshape(-1), minlength=4)
    assert stats.chi2_contingency(pairs.reshape(2, 2)).pvalue > 1e-3
    many = np.bincount(found.sum(axis=1), minlength=20)[:20]
    wanted = stats.binom.pmf(np.arange(20), 50, 0.15)
    tested = np.r_[many[:4].sum(), many[4:13], many[13:].sum()]
    shares = np.r_[wanted[:4].sum(), wanted[4:13], 1 - wanted[:13].sum()]
    assert stats.chisquare(tested, shares * len(found)).pvalue > 1e-3


def test_the_example_of_shuffled():
    text = texts.of([[[5, 6, 7], [8, 9]]])
    found = {tuple(masks.shuffled(text, chance(1, seed), 5)) for seed in range(60)}
    assert (2, 0, 1, 4, 3) in found and len(found) == 12  # 6 orders of three, 2 of two


@given(text=texts.ragged(12), seed=texts.SEEDS, more=st.integers(0, 9))
def test_tokens_stay_in_their_piece(text, seed, more):
    found = masks.shuffled(text, chance(text.rows, seed), 12 + more)
    for begin, length in zip(text.begin_S, text.length_S, strict=True):
        stretch = found[begin : begin + length].tolist()
        assert sorted(stretch) == list(range(begin, begin + length))


@pytest.mark.parametrize("room", [4, 70, 40_000])
def test_every_order_is_equally_likely(room):
    rows = 2400 if room < 100 else 480
    text = texts.of([[[5], [6, 7, 8]]] * rows)
    small = masks.shuffled(text, Chance(("s",), 0, rows), room).reshape(rows, 4)
    assert small[:, 0].tolist() == list(range(0, 4 * rows, 4))
    found = collections.Counter(map(tuple, (small[:, 1:] % 4).tolist()))
    assert len(found) == 6 and stats.chisquare([*found.values()]).pvalue > 1e-3


@given(text=texts.ragged(12), seed=texts.SEEDS, data=st.data())
def test_as_many_as_asked_for_are_selected(text, seed, data):
    many = [data.draw(st.integers(0, length)) for length in text.length_S.tolist()]
    found = masks.some(text, chance(text.rows, seed), 12, np.asarray(many))
    assert len({*found.tolist()}) == len(found) == sum(many)
    for begin, length, wanted in zip(text.begin_S, text.length_S, many, strict=True):
        assert np.sum((found >= begin) & (found < begin + length)) == wanted


def test_every_choice_is_equally_likely():
    text = texts.of([[[5, 6], [7, 8, 9, 10, 11]]] * 3000)
    many_S = np.tile([0, 2], 3000)
    found = masks.some(text, chance(3000, 3), 7, many_S).reshape(-1, 2) % 7
    seen = collections.Counter(map(tuple, np.sort(found, axis=1).tolist()))
    assert {*seen} == {*itertools.combinations(range(2, 7), 2)}
    assert stats.chisquare([*seen.values()]).pvalue > 1e-3


def test_any_id_of_text_is_drawn_and_no_other():
    share = (np.arange(256) + 0.5) / 256
    assert masks.ordinary(share, V).tolist() == list(range(3, V.text))
    edges = masks.ordinary(np.asarray([0.0, 1 - 2.0**-32, 1 - 2.0**-53]), V)
    assert edges.tolist() == [3, V.text - 1, V.text - 1] and edges.dtype == np.int32
