"""What denoising hides, inputs and targets give back together, and each in its form."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from archlab.data.objectives import denoising, masks
from archlab.data.objectives.denoising import FORMS, Denoising
from archlab.data.objectives.runs import Runs
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary
from tests import texts
from tests.texts import V, by_row, chance, made, plain

S, T = V.sentinel(0), V.sentinel(1)
LENGTHS = st.integers(2, 150)
KINDS = st.sampled_from([DECODER, PAIR])
SPANS = st.builds(
    Denoising,
    rate=st.sampled_from([0.15, 0.15, 0.25, 0.5, 0.9]),
    mean=st.sampled_from([1.0, 3.0, 3.0, 8.0, 64.0]),
    is_rolled=st.booleans(),
    mode=st.sampled_from(["", "R", "X"]),
)
IID = st.builds(
    Denoising,
    rate=st.sampled_from([0.15, 0.5, 0.9]),
    mean=st.just(0),
    form=st.sampled_from(["sentinels", "dropped"]),
    mode=st.sampled_from(["", "R"]),
)
IN_PLACE = st.builds(
    Denoising,
    rate=st.sampled_from([0.15, 0.5]),
    mean=st.sampled_from([0, 3.0]),
    form=st.sampled_from(["replaced", "masked", "shuffled"]),
    mode=st.sampled_from(["", "X"]),
)


def fits(how, row):
    """Whether a row can be filled, with the sentinels that there are."""
    return how.raw(row, V) >= 2 and how.sentinels(row, V) <= V.sentinels


def bare(how, example):
    """Both sides without mode and end."""
    inputs, targets = example
    if how.mode:
        assert inputs[0] == V.modes[how.mode]
        inputs = inputs[1:]
    assert inputs[-1] == targets[-1] == V.end
    return inputs[:-1], targets[:-1]


def stretches(ids):
    """What stands between sentinels, and the sentinels: each alone where there is one."""
    return [
        (is_text, [*group])
        for is_text, group in itertools.groupby(
            ids, lambda token: token <= V.size - 1 - V.sentinels
        )
    ]


def back(inputs, targets):
    """The text, by putting the hidden spans in the place of their sentinels."""
    found = []
    left, right = iter(stretches(inputs)), iter(stretches(targets))
    for (is_shown, shown), (is_hidden, hidden) in itertools.zip_longest(
        left, right, fillvalue=(None, [])
    ):
        # One side names the other's stretch by a sentinel, and only one.
        assert is_shown != is_hidden
        assert not (shown and hidden) or len(hidden if is_shown else shown) == 1
        found += shown if is_shown else hidden
    return found


def sentinels(ids):
    return [token for token in ids if token > V.size - 1 - V.sentinels]


def by_mask(monkeypatch, mask, **settings):
    """What a form makes of a mask."""
    tokens, rows = [5, 6, 7, 8, 9, 1], settings.pop("rows", 1)
    monkeypatch.setattr(masks, "spans", lambda *_: Runs.of(np.asarray([mask] * rows, bool)))
    how = Denoising(**settings)
    return made(how, plain(tokens, rows), Row(90, 90, PAIR))


MASK = [0, 1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("form", "inputs", "targets"),
    [
        ("sentinels", [5, S, 8, 9, T], [S, 6, 7, T, 1]),
        ("dropped", [5, 8, 9], [6, 7, 1]),
        ("masked", [5, S, S, 8, 9, S], [5, 6, 7, 8, 9, 1]),
        ("replaced", [5, S, 4, 8, 9, S], [5, 6, 7, 8, 9, 1]),
        ("shuffled", [8, 1, 5, 9, 7, 6], [5, 6, 7, 8, 9, 1]),
    ],
)
def test_the_example_of_each_form(monkeypatch, form, inputs, targets):
    is_chance = form in ("replaced", "shuffled")
    found = by_mask(monkeypatch, MASK, form=form, rows=20_000 if is_chance else 1)
    pairs = {(tuple(left), tuple(right)) for left, right in map(tuple, sum(by_row_(found), []))}
    assert ((*inputs, 1), (*targets, 1)) in pairs
    assert is_chance or len(pairs) == 1


def by_row_(found):
    return by_row(found, len(found.row_S))


@given(how=SPANS, inputs=LENGTHS, targets=LENGTHS, kind=KINDS, seed=texts.SEEDS, data=st.data())
def test_spans_put_back_are_the_text(how, inputs, targets, kind, seed, data):
    row = Row(inputs, targets, kind)
    assume(fits(how, row))
    raw = how.raw(row, V)
    text = data.draw(texts.texts(raw))
    found = by_row(made(how, text, row, seed), text.rows)
    noise, spans = masks.counts(raw, how.rate, how.mean)
    for examples, tokens in zip(found, text.tokens_BL.tolist(), strict=True):
        (example,) = examples
        assert row.holds(*map(len, example))
        left, right = bare(how, example)
        assert back(left, right) == tokens
        assert len(right) - len(sentinels(right)) == noise
        for side in (left, right):  # the first span's is the highest, and no number is left out
            many = len(sentinels(side))
            assert sentinels(side) == list(range(S, S - many, -1))
            assert spans <= many <= spans + how.is_rolled <= how.sentinels(row, V)
        if not how.is_rolled:
            assert left[0] == tokens[0] and right[0] == S  # begins shown
            assert left[-1] == S - spans + 1 and right[-1] == tokens[-1]  # ends hidden
            sides = denoising.span_lengths(raw, how.rate, how.mean)
            assert (len(example[0]) - bool(how.mode), len(example[1])) == sides


def test_a_mask_that_begins_hidden_has_its_span_before_the_first_sentinel(monkeypatch):
    (((inputs, targets),),) = by_row_(by_mask(monkeypatch, [1, 1, 0, 0, 1, 0]))
    assert inputs == [S, 7, 8, T, 1, 1]
    assert targets == [5, 6, S, 9, T, 1]
    assert back(inputs[:-1], targets[:-1]) == [5, 6, 7, 8, 9, 1]


@given(how=IID, inputs=LENGTHS, targets=LENGTHS, kind=KINDS, seed=texts.SEEDS, data=st.data())
def test_tokens_hidden_one_by_one_are_put_back(how, inputs, targets, kind, seed, data):
    row = Row(inputs, targets, kind)
    raw = how.raw(row, V)
    assume(raw >= 2)
    text = data.draw(texts.texts(raw))
    is_hidden_BL = masks.tokens(chance(text.rows, seed), raw, how.rate)
    found = by_row(made(how, text, row, seed), text.rows)
    for examples, tokens, is_hidden in zip(
        found, text.tokens_BL.tolist(), is_hidden_BL.tolist(), strict=True
    ):
        (example,) = examples
        # The longest beginning of the text whose sides fit, by trying each.
        wanted = [slowly(how, tokens[:read], is_hidden[:read]) for read in range(raw + 1)]
        fitting = [
            (left, right)
            for left, right in wanted
            if row.holds(len(left) + 1 + bool(how.mode), len(right) + 1)
            and max(len(sentinels(left)), len(sentinels(right))) <= V.sentinels
        ]
        left, right = bare(how, example)
        assert (left, right) == fitting[-1]
        if how.form == "sentinels":
            assert back(left, right) == tokens[: len(fitting) - 1]


def slowly(how, tokens, is_hidden):
    """Both sides of a text, one token after another."""
    sides = [], []
    for at, (token, is_absent) in enumerate(zip(tokens, is_hidden, strict=True)):
        sides[is_absent].append(token)
        if how.form == "sentinels" and (not at or is_hidden[at - 1] != is_absent):
            other = sides[not is_absent]
            other.append(S - len(sentinels(other)))
    return sides


@given(how=IN_PLACE, inputs=LENGTHS, targets=LENGTHS, kind=KINDS, seed=texts.SEEDS, data=st.data())
def test_the_whole_text_is_said_in_place(how, inputs, targets, kind, seed, data):
    row = Row(inputs, targets, kind)
    raw = how.raw(row, V)
    assume(raw >= 2)
    text = data.draw(texts.texts(raw))
    if how.mean:
        hidden = masks.spans(chance(text.rows, seed), raw, how.rate, how.mean).is_hidden_BL
    else:
        hidden = masks.tokens(chance(text.rows, seed), raw, how.rate)
    found = by_row(made(how, text, row, seed), text.rows)
    for examples, tokens, is_hidden in zip(found, text.tokens_BL.tolist(), hidden, strict=True):
        (example,) = examples
        assert row.holds(*map(len, example))
        left, right = bare(how, example)
        assert right == tokens
        if how.form == "shuffled":
            assert sorted(left) == sorted(tokens)
            continue
        shown = [one for one, is_absent in zip(left, is_hidden, strict=True) if not is_absent]
        assert shown == [one for one, no in zip(tokens, is_hidden, strict=True) if not no]
        for token in (one for one, yes in zip(left, is_hidden, strict=True) if yes):
            assert token == S or (how.form == "replaced" and 3 <= token < V.text)


@pytest.mark.parametrize("replaced", [0.1, 0.5])
def test_some_of_the_hidden_become_any_token(replaced):
    how = Denoising(mean=0, rate=0.5, form="replaced", replaced=replaced)
    text = plain([1] * 500, rows=120)  # an end is no text, so that whatever is another was replaced
    row = Row(501, 501, PAIR)
    found = made(how, text, row).apart()[0].reshape(120, 501)[:, :-1].reshape(-1)
    hidden = found[found != 1]
    other = hidden[hidden != S]
    assert stats.binomtest(len(hidden), len(found), 0.5).pvalue > 1e-3
    assert stats.binomtest(len(other), len(hidden), replaced).pvalue > 1e-3
    assert stats.chisquare(np.bincount(other - 3, minlength=256)).pvalue > 1e-3
    for share, is_there in [(0.0, (True, False)), (1.0, (False, True))]:
        one = made(dataclasses.replace(how, replaced=share), text, row).apart()[0]
        assert (S in one, bool({*one.tolist()} - {1, S})) == is_there


@given(how=SPANS, inputs=LENGTHS, targets=LENGTHS, kind=KINDS)
def test_a_row_takes_the_longest_text_that_fits(how, inputs, targets, kind):
    row = Row(inputs, targets, kind)

    def sides(length):
        left, right = denoising.span_lengths(length, how.rate, how.mean)
        # A span that is turned over the end is two, on either side.
        return left + bool(how.mode) + how.is_rolled, right + how.is_rolled

    wanted = [n for n in range(2, 2 * row.total + 9) if row.holds(*sides(n))]
    assert how.raw(row, V) == max(wanted, default=0)


def test_rows_of_chance_are_nearly_full():
    for name, how in {"iid": Denoising(mean=0), "drop": Denoising(mean=0, form="dropped")}.items():
        row = Row(512, 300, DECODER)
        found = made(how, texts.random(how.raw(row, V), 64), row)
        used = (found.given_S + found.learnt_S) / row.total
        assert used.mean() > 0.99, name
        one = Row(512, 400, PAIR)
        found = made(how, texts.random(how.raw(one, V), 64), one)
        assert (found.given_S / 512).mean() > 0.99, name


def test_more_spans_than_sentinels_are_refused_with_their_number():
    how = Denoising()
    needed = {
        inputs: how.sentinels(Row(inputs, inputs, PAIR), V) for inputs in range(1000, 4000, 50)
    }
    enough = max(inputs for inputs, many in needed.items() if many <= V.sentinels)
    assert how.check("it", Row(enough, enough, PAIR), V) == []
    match = (
        f"^it at inputs={enough + 50} needs {needed[enough + 50]} sentinels, and the vocabulary "
        f"has {V.sentinels}; use shorter rows or a vocabulary with more$"
    )
    with pytest.raises(ValueError, match=match):
        how.check("it", Row(enough + 50, enough + 50, PAIR), V)
    assert how.check("it", Row(enough + 50, enough + 50, PAIR), Vocabulary(sentinels=300)) == []


def test_published_denoisers_with_too_few_sentinels_are_refused():
    match = "needs 128 sentinels, and the vocabulary has 121"
    with pytest.raises(ValueError, match=match):
        Denoising(rate=0.5).check("x3", Row(512, 512, PAIR), V)


def test_hiding_tokens_one_by_one_never_runs_out_of_sentinels():
    how, row = Denoising(mean=0, rate=0.5), Row(3000, 3000, PAIR)
    assert how.check("iid", row, V) == []
    found = made(how, texts.random(how.raw(row, V), 3), row)
    for ((inputs, targets),) in by_row(found, 3):
        assert max(len(sentinels(inputs)), len(sentinels(targets))) == V.sentinels


def said(row, **settings):
    return Denoising(**settings).check("it", row, V)


def test_a_denoiser_that_is_a_suffix_is_told_of():
    row = Row(512, 512, PAIR)
    (one,) = said(row, mean=64.0)
    assert one.startswith("it: hides a single span, 90 of 600 tokens, which is always the end")
    assert said(row, mean=64.0, is_rolled=True) == []
    one, other = said(Row(256, 256, PAIR), mean=64.0)
    assert "a single span, 45 of 299 tokens" in one
    assert other == "it: its mean span of 64 is longer than all its noise, 45"
    (one,) = said(Row(256, 256, PAIR), mean=64.0, is_rolled=True)
    assert "longer than all its noise" in one
    (one,) = said(Row(64, 64, PAIR), mean=8.0)
    assert "a single span, 11 of 73 tokens" in one


def test_nothing_is_said_of_healthy_ones():
    for settings in [{}, {"mean": 8.0}, {"rate": 0.5, "mean": 8.0}, {"rate": 0.5, "mean": 64.0}]:
        assert said(Row(512, 512, PAIR), **settings) == []
        assert said(Row(512, 512, DECODER), **settings) == []
    for form in FORMS:
        for mean in (0, 3.0):
            assert said(Row(512, 512, PAIR), form=form, mean=mean) == []


def test_an_encoder_and_a_row_that_is_too_short_are_refused():
    with pytest.raises(ValueError, match="^it does not fit an encoder: .*; use masked_lm$"):
        said(Row(64, 64, ENCODER))
    for row in (Row(2, 40, PAIR), Row(40, 2, PAIR), Row(3, 2, DECODER)):
        with pytest.raises(ValueError, match=f"cannot fill a row of inputs={row.inputs}, targets"):
            said(row)


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0.0}, {"rate": 1.0}, {"mean": 0.5}, {"mean": -3.0}, {"replaced": 1.1}]
    + [{"replaced": -0.1}],
)
def test_numbers_out_of_range_are_refused(wrong):
    settings = {"rate": 0.15, "mean": 3.0, "replaced": 0.1} | wrong
    match = ", ".join(f"{name}={number}" for name, number in settings.items())
    with pytest.raises(ValueError, match=f"^{match}; the rate lies between 0 and 1"):
        Denoising(**wrong)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="^form='mask' is not one of sentinels, dropped, "):
        Denoising(form="mask")
