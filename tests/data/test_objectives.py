"""Every objective hides text that inputs and targets together give back, and hides it as stated."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archlab.data import objectives
from archlab.data.objectives import (
    causal_lm,
    counts,
    masked_lm,
    prefix_lm,
    span_corruption,
    span_lengths,
)
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
SEEDS = st.integers(0, 2**32)
# Any id of the text, and the ids of padding, end and unknown too: none of them may mean more here.
TEXTS = st.lists(st.integers(0, V.text - 1), min_size=2, max_size=300).map(
    lambda ids: np.asarray(ids, np.int32)
)


RATES = st.sampled_from([0.15, 0.15, 0.25, 0.5, 0.9])


def chance(seed):
    return np.random.default_rng(seed)


def test_the_examples_of_the_docstrings():
    tokens = np.asarray([5, 6, 7, 1], np.int32)
    one = causal_lm(tokens)
    assert one.inputs.tolist() == [] and one.targets.tolist() == [5, 6, 7, 1]
    assert one.weights.tolist() == [1, 1, 1, 1]
    one = prefix_lm(np.asarray([5, 6, 7, 8, 1], np.int32), 2)
    assert one.inputs.tolist() == [5, 6] and one.targets.tolist() == [7, 8, 1]
    assert one.weights.tolist() == [1, 1, 1]


def test_the_example_of_span_corruption():
    tokens = np.asarray([5, 6, 7, 8, 9, 1], np.int32)
    S, T = V.sentinel(0), V.sentinel(1)
    every = {  # shown in two stretches, hidden in two spans, and no other way to cut 3 in two
        ((5, S, 8, 9, T, 1), (S, 6, 7, T, 1, 1)),  # as the docstring draws it
        ((5, S, 7, 8, T, 1), (S, 6, T, 9, 1, 1)),
        ((5, 6, S, 9, T, 1), (S, 7, 8, T, 1, 1)),
        ((5, 6, S, 8, T, 1), (S, 7, T, 9, 1, 1)),
    }
    drawn = [span_corruption(tokens, chance(seed), V, rate=0.5, mean=1.5) for seed in range(60)]
    assert {(tuple(one.inputs.tolist()), tuple(one.targets.tolist())) for one in drawn} == every
    assert all(one.weights.tolist() == [1] * 6 for one in drawn)


def test_the_example_of_masked_lm():
    tokens = np.asarray([5, 6, 7, 8, 1], np.int32)
    drawn = [masked_lm(tokens, chance(seed), V, rate=0.4) for seed in range(2000)]
    found = [one for one in drawn if one.weights.tolist() == [0, 1, 0, 1, 0]]
    assert [5, V.mask, 7, 8, 1] in [one.inputs.tolist() for one in found]
    assert all(one.targets.tolist() == [5, 6, 7, 8, 1] for one in found)


@given(tokens=TEXTS, share=st.floats(0, 0.999))
def test_a_prefix_and_its_rest_are_the_text(tokens, share):
    one = prefix_lm(tokens, int(share * len(tokens)))
    assert len(one.inputs) == int(share * len(tokens))
    assert np.concatenate([one.inputs, one.targets]).tolist() == tokens.tolist()
    assert one.weights.tolist() == [1] * len(one.targets)


def test_a_prefix_leaves_something_to_say():
    for split in (-1, 3):
        with pytest.raises(AssertionError):
            prefix_lm(np.asarray([5, 6, 7], np.int32), split)


def spans_of(ids):
    """Sentinels of one side in order, and what follows each; and what comes before the first."""
    head, found = [], []
    for token in ids:
        if token > V.size - 1 - V.sentinels:
            found.append((token, []))
        else:
            (found[-1][1] if found else head).append(token)
    return head, found


@given(tokens=TEXTS, seed=SEEDS, rate=RATES, mean=st.sampled_from([3.0, 8.0, 64.0]))
def test_spans_put_back_are_the_text(tokens, seed, rate, mean):
    one = span_corruption(tokens, chance(seed), V, rate, mean)
    assert one.inputs[-1] == one.targets[-1] == V.end
    head, shown = spans_of(one.inputs[:-1].tolist())
    nothing, hidden = spans_of(one.targets[:-1].tolist())
    sentinels = [sentinel for sentinel, _ in shown]
    assert sentinels == [sentinel for sentinel, _ in hidden]
    assert sentinels == [V.size - 1 - number for number in range(len(sentinels))]
    back = list(head)
    for (_, span), (_, after) in zip(hidden, shown, strict=True):
        assert span  # no span is empty
        back += span + after
    assert back == tokens.tolist()
    assert head and not nothing and not shown[-1][1]  # begins shown, ends hidden
    assert all(after for _, after in shown[:-1])
    noise, spans = counts(len(tokens), rate, mean)
    assert (sum(len(span) for _, span in hidden), len(hidden)) == (noise, spans)
    assert (len(one.inputs), len(one.targets)) == span_lengths(len(tokens), rate, mean)
    assert one.weights.tolist() == [1] * len(one.targets)
    assert one.inputs.dtype == one.targets.dtype == np.int32


@pytest.mark.parametrize(
    ("raw", "inputs", "targets", "noise", "spans"),
    [(568, 512, 114, 85, 28), (284, 256, 58, 43, 14), (141, 128, 29, 21, 7), (70, 64, 14, 10, 3)],
)
def test_published_lengths(raw, inputs, targets, noise, spans):
    assert counts(raw) == (noise, spans)
    assert span_lengths(raw) == (inputs, targets)
    assert span_lengths(raw + 1)[0] > inputs


@pytest.mark.parametrize(
    ("raw", "rate", "mean", "lengths", "found"),
    [  # Tay et al. 2022's denoisers at 512 tokens of inputs
        (588, 0.15, 8, (512, 100), (88, 11)),
        (766, 0.5, 3, (512, 512), (383, 128)),
        (908, 0.5, 8, (512, 512), (454, 57)),
        (600, 0.15, 64, (512, 92), (90, 1)),
        (1006, 0.5, 64, (512, 512), (503, 8)),
    ],
)
def test_lengths_at_other_rates(raw, rate, mean, lengths, found):
    assert counts(raw, rate, mean) == found
    assert span_lengths(raw, rate, mean) == lengths


def test_halves_are_rounded_to_the_even():
    assert [counts(length, 0.5)[0] for length in (3, 5, 7, 9)] == [2, 2, 4, 4]
    assert [counts(length, 0.5, 2)[1] for length in (6, 10, 14)] == [2, 2, 4]  # of 3, 5 (2.5), 7


@pytest.mark.parametrize(
    "wrong", [{"length": 1}, {"rate": 0.0}, {"rate": 1.0}, {"mean": 0.9}, {"rate": -0.15}]
)
def test_counts_out_of_range_are_refused(wrong):
    said = {"length": 100, "rate": 0.15, "mean": 3.0} | wrong
    match = f"^length={said['length']}, rate={said['rate']}, mean={said['mean']}; a text has"
    with pytest.raises(ValueError, match=match):
        counts(**said)


def test_more_spans_than_sentinels_are_refused():
    # The longest text whose spans the sentinels suffice for, and one token more.
    longest = max(length for length in range(2, 4000) if counts(length)[1] <= V.sentinels)
    one = span_corruption(np.full(longest, 65, np.int32), chance(0), V)
    used = sorted(set(one.inputs.tolist()) - {V.end, 65})
    assert used == [V.sentinel(number) for number in reversed(range(V.sentinels))]
    match = (
        f"^{longest + 1} tokens at rate=0.15, mean=3.0 need {V.sentinels + 1} sentinels, and the "
        f"vocabulary has {V.sentinels}; "
    )
    with pytest.raises(ValueError, match=match):
        span_corruption(np.full(longest + 1, 65, np.int32), chance(0), V)


@pytest.mark.parametrize(("total", "parts"), [(1, 1), (5, 1), (4, 4), (7, 3), (8, 4)])
def test_every_way_to_cut_is_equally_likely(total, parts):
    every = [
        cut for cut in itertools.product(range(1, total + 1), repeat=parts) if sum(cut) == total
    ]
    key, draws = chance(7), 200 * len(every)
    found = collections.Counter(
        tuple(objectives._cut(total, parts, key).tolist()) for _ in range(draws)
    )
    assert set(found) == set(every)
    assert len(every) == 1 or stats.chisquare([found[cut] for cut in every]).pvalue > 1e-3


def test_both_sides_are_cut_independently():
    seen = collections.Counter()
    for seed in range(1200):  # 34 shown tokens and 6 hidden, each in two
        one = span_corruption(np.arange(3, 43, dtype=np.int32), chance(seed), V)
        head, shown = spans_of(one.inputs[:-1].tolist())
        _, hidden = spans_of(one.targets[:-1].tolist())
        seen[len(hidden[0][1]), len(head) <= 17] += 1
    table = [[seen[span, short] for short in (False, True)] for span in range(1, 6)]
    assert stats.chi2_contingency(table).pvalue > 1e-3


@given(tokens=TEXTS, seed=SEEDS, rate=RATES)
def test_masked_text_is_said_where_it_is_selected(tokens, seed, rate):
    one = masked_lm(tokens, chance(seed), V, rate)
    assert one.targets.tolist() == tokens.tolist()
    assert one.inputs.shape == tokens.shape and one.inputs.dtype == np.int32
    assert set(one.weights.tolist()) <= {0, 1}
    assert one.weights.sum() == max(1, round(rate * len(tokens)))
    assert not np.any((one.inputs != tokens) & (one.weights == 0))


def test_a_single_token_is_selected():
    assert masked_lm(np.asarray([9], np.int32), chance(0), V).weights.tolist() == [1]


def test_all_may_be_masked_replaced_or_kept():
    tokens = np.full(400, 1, np.int32)
    masked = masked_lm(tokens, chance(0), V, rate=1.0, masked=1.0, replaced=0.0)
    assert set(masked.inputs.tolist()) == {V.mask} and masked.weights.sum() == 400
    replaced = masked_lm(tokens, chance(0), V, rate=1.0, masked=0.0, replaced=1.0)
    assert replaced.inputs.min() >= 3 and replaced.inputs.max() < V.text
    kept = masked_lm(tokens, chance(0), V, rate=0.5, masked=0.0, replaced=0.0)
    assert kept.inputs.tolist() == tokens.tolist() and kept.weights.sum() == 200


@pytest.mark.parametrize(
    "wrong",
    [{"rate": 0.0}, {"rate": 1.1}, {"masked": -0.1}, {"replaced": -0.1}, {"masked": 0.95}],
)
def test_shares_out_of_range_are_refused(wrong):
    said = {"rate": 0.15, "masked": 0.8, "replaced": 0.1} | wrong
    match = ", ".join(f"{name}={share}" for name, share in said.items())
    with pytest.raises(ValueError, match=f"^{match}; the rate lies above 0"):
        masked_lm(np.full(10, 65, np.int32), chance(0), V, **said)


def test_each_target_has_a_weight():
    with pytest.raises(AssertionError):
        objectives.Example(np.arange(2), np.arange(3), np.ones(1, np.float32))


def test_masks_and_replacements_come_in_their_shares():
    # An end is never drawn as a replacement, so that whatever is another id was replaced.
    tokens = np.ones(200_000, np.int32)
    one = masked_lm(tokens, chance(3), V)
    assert tokens.tolist() == [1] * len(tokens)  # the text itself is left as it was
    chosen = one.inputs[one.weights == 1]
    found = [np.sum(chosen == V.mask), np.sum(~np.isin(chosen, [1, V.mask])), np.sum(chosen == 1)]
    assert stats.chisquare(found, len(chosen) * np.asarray([0.8, 0.1, 0.1])).pvalue > 1e-3
    drawn = chosen[~np.isin(chosen, [1, V.mask])]
    assert drawn.min() >= 3 and drawn.max() < V.text
    assert stats.chisquare(np.bincount(drawn - 3, minlength=256)).pvalue > 1e-3
    places = np.flatnonzero(one.weights).reshape(-1, 1) * 20 // len(tokens)
    assert stats.chisquare(np.bincount(places[:, 0], minlength=20)).pvalue > 1e-3
