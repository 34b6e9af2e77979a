"""What is selected is named, however it is shown; how many are selected is fixed."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archlab.data.objectives.masking import Masking
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from tests import texts
from tests.texts import V, by_row, chance, made, weights

M = V.mask
ROOM = 14
BERT, SHOWN = Masking(), Masking(masked=0.0, replaced=0.0)
RATES = st.sampled_from([0.15, 0.3, 0.5, 1.0])


def row_of(kind=ENCODER, room=ROOM):
    return Row(room // 2, room - room // 2, kind)


def test_the_example_of_the_docstring():
    text, how = texts.plain([5, 6, 7, 8, 1], rows=4000), Masking(rate=0.4)
    found = made(how, text, row_of(room=5))
    inputs = found.apart()[0].reshape(-1, 5).tolist()
    assert ([5, M, 7, 8, 1], [0, 1, 0, 1, 0]) in list(zip(inputs, weights(found), strict=True))
    assert all(targets == [5, 6, 7, 8, 1] for ((_, targets),) in by_row(found, 4000))
    moved = made(dataclasses.replace(how, is_shifted=True), text, row_of(room=5))
    assert all(targets == [6, 7, 8, 1, 0] for ((_, targets),) in by_row(moved, 4000))
    assert [[*one[1:], 0] for one in weights(found)] == weights(moved)
    assert [1, 0, 1, 0, 0] in weights(moved)


@given(text=texts.ragged(ROOM), rate=RATES, seed=texts.SEEDS)
def test_the_text_is_said_and_a_fixed_number_counts(text, rate, seed):
    how = Masking(rate=rate)
    found = made(how, text, row_of(), seed)
    assert found.is_in_place
    pieces = texts.pieces(text)
    examples = by_row(found, text.rows)
    assert [[targets for _, targets in row] for row in examples] == pieces
    for (inputs, targets), counted in zip(sum(examples, []), weights(found), strict=True):
        assert {*counted} <= {0, 1}
        assert sum(counted) == max(1, round(rate * len(targets)))
        for read, said, count in zip(inputs, targets, counted, strict=True):
            assert read == said or count == 1
            assert read in (said, M) or 3 <= read < V.text


def test_halves_are_rounded_to_the_even():
    for length, many in [(2, 1), (3, 2), (5, 2), (7, 4)]:
        found = made(Masking(rate=0.5), texts.plain([9] * length), row_of())
        assert sum(weights(found)[0]) == many


@given(text=texts.ragged(ROOM), seed=texts.SEEDS)
def test_the_loss_falls_on_what_is_selected_however_it_is_shown(text, seed):
    chosen = [
        weights(made(Masking(masked=masked, replaced=replaced), text, row_of(), seed))
        for masked, replaced in [(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
    ]
    assert chosen[0] == chosen[1] == chosen[2] == chosen[3]
    for masked, replaced in [(1.0, 0.0), (0.0, 0.0)]:
        found = made(Masking(masked=masked, replaced=replaced), text, row_of(), seed)
        inputs, targets = found.apart()
        is_shown = inputs == targets
        if masked:
            assert np.array_equal(inputs == M, found.weights_L == 1)
        else:
            assert is_shown.all()


def test_masks_and_replacements_come_in_their_shares():
    # An end is never drawn as a replacement, so that whatever is another id was replaced.
    text = texts.plain([1] * 1000, rows=200)
    found = made(BERT, text, row_of(room=1000))
    inputs, targets = found.apart()
    assert targets.tolist() == text.tokens_T.tolist() == [1] * 200_000
    chosen = inputs[found.weights_L == 1]
    assert len(chosen) == 200 * 150
    other = chosen[~np.isin(chosen, [1, M])]
    for many, share in [(np.sum(chosen == M), 0.8), (len(other), 0.1), (np.sum(chosen == 1), 0.1)]:
        assert stats.binomtest(int(many), len(chosen), share).pvalue > 1e-3
    assert other.min() >= 3 and other.max() < V.text
    assert stats.chisquare(np.bincount(other - 3, minlength=256)).pvalue > 1e-3
    places = np.flatnonzero(found.weights_L) % 1000 // 50
    assert stats.chisquare(np.bincount(places, minlength=20)).pvalue > 1e-3


def test_every_choice_of_tokens_is_equally_likely():
    found = made(Masking(rate=0.4), texts.plain([9] * 5, rows=2000), row_of(room=5))
    seen = {one: 0 for one in itertools.combinations(range(5), 2)}
    for counted in weights(found):
        seen[tuple(np.flatnonzero(counted))] += 1
    assert stats.chisquare([*seen.values()]).pvalue > 1e-3


@pytest.mark.parametrize("predicted", [0.1, 0.5])
def test_the_loss_may_fall_on_a_share_of_what_is_hidden(predicted):
    text = texts.random(400, 100)
    how = Masking(rate=0.4, predicted=predicted)
    row = row_of(room=400)
    some, all_ = made(how, text, row), made(Masking(rate=0.4), text, row)
    np.testing.assert_array_equal(some.apart()[0], all_.apart()[0])  # as much is hidden
    assert np.all(some.weights_L <= all_.weights_L)
    many, total = int(some.weights_L.sum()), int(all_.weights_L.sum())
    assert stats.binomtest(many, total, predicted).pvalue > 1e-3


DIFFUSION = Masking(rate=0, masked=1.0, replaced=0.0)


@given(text=texts.ragged(ROOM), seed=texts.SEEDS)
def test_diffusion_counts_each_mask_as_its_inverse(text, seed):
    found = made(DIFFUSION, text, row_of(), seed)
    for (inputs, targets), counted in zip(
        sum(by_row(found, text.rows), []), weights(found), strict=True
    ):
        many = sum(read == M for read in inputs)
        assert 1 <= many <= len(targets)
        assert [read == M for read in inputs] == [bool(count) for count in counted]
        wanted = np.float32(len(targets) / many)
        assert all(count in (0, wanted) for count in counted)
        assert sum(counted) == pytest.approx(len(targets), rel=1e-6)


def test_diffusion_masks_any_number_equally_often():
    text = texts.of([[[9] * 8, [9] * 5]] * 3200)
    found = made(DIFFUSION, text, row_of(room=13))
    many = np.asarray([np.count_nonzero(one) for one in weights(found)])
    for place, length in enumerate((8, 5)):
        seen = np.bincount(many[place::2], minlength=length + 1)
        assert seen[0] == 0
        # Neighbours divide the range between them, so the counts are even closer than by chance.
        np.testing.assert_allclose(seen[1:], 3200 / length, rtol=0.1)


def test_diffusion_s_rates_are_antithetic():
    text, row = texts.plain([9] * 100, rows=64), row_of(room=100)
    means = []
    for batch in range(100):
        found = DIFFUSION.examples(text, chance(64, first=64 * batch), row, V)
        means.append(np.count_nonzero(found.weights_L) / found.weights_L.size)
    # Of 64 rows drawn apart, the mean would have a variance of 1 / 12 / 64.
    assert np.var(means) < 1 / 12 / 64 / 30
    assert abs(np.mean(means) - 0.505) < 0.002


@given(text=texts.ragged(ROOM), rate=st.sampled_from([0, 0.3, 1.0]), seed=texts.SEEDS)
def test_shifted_targets_stand_one_position_earlier(text, rate, seed):
    how = Masking(rate=rate)
    moved = dataclasses.replace(how, is_shifted=True)
    still, encoder = (made(one, text, row_of(), seed) for one in (how, moved))
    decoder = made(moved, text, row_of(DECODER), seed)
    for one in (encoder, decoder):
        np.testing.assert_array_equal(one.apart()[0], still.apart()[0])
    # A decoder says the next token anyway, so nothing is moved for it.
    np.testing.assert_array_equal(decoder.apart()[1], still.apart()[1])
    np.testing.assert_array_equal(decoder.weights_L, still.weights_L)
    for there, here in zip(weights(still), weights(encoder), strict=True):
        assert here == [*there[1:], 0]
    for (_, there), (_, here) in zip(
        sum(by_row(still, text.rows), []), sum(by_row(encoder, text.rows), []), strict=True
    ):
        assert here == [*there[1:], 0]


def test_a_row_is_exactly_full_and_takes_pieces_of_any_length():
    for kind, how in [(ENCODER, BERT), (ENCODER, DIFFUSION), (DECODER, Masking(is_shifted=True))]:
        assert how.raw(row_of(kind), V) == ROOM
        assert how.check("it", row_of(kind), V) == []
        assert how.takes_pieces(row_of(kind))


@pytest.mark.parametrize(
    ("how", "kind", "instead"),
    [(BERT, PAIR, "span_corruption"), (BERT, DECODER, "mntp")]
    + [(Masking(is_shifted=True), PAIR, "span_corruption")],
)
def test_what_does_not_fit_is_refused(how, kind, instead):
    with pytest.raises(ValueError, match=f"^it does not fit an? {kind}: .*; use {instead}$"):
        how.check("it", row_of(kind), V)
    with pytest.raises(ValueError, match="it cannot fill a row of inputs=0, targets=1"):
        BERT.check("it", Row(0, 1, ENCODER), V)


@pytest.mark.parametrize(
    "wrong",
    [{"rate": -0.1}, {"rate": 1.1}, {"masked": -0.1}, {"replaced": -0.1}, {"masked": 0.95}]
    + [{"predicted": 0.0}, {"predicted": 1.1}],
)
def test_shares_out_of_range_are_refused(wrong):
    name, share = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name}={share}"):
        Masking(**wrong)
