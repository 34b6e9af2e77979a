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


def test_the_example_of_span_corruption(monkeypatch):
    # Shown stretches of 1 and 2, hidden spans of 2 and 1: as the docstring draws them.
    cuts = iter([np.asarray([2, 1]), np.asarray([1, 2])])
    monkeypatch.setattr(objectives, "counts", lambda length: (3, 2))
    monkeypatch.setattr(objectives, "_cut", lambda total, parts, key: next(cuts))
    one = span_corruption(np.asarray([5, 6, 7, 8, 9, 1], np.int32), chance(0), V)
    first, second = V.sentinel(0), V.sentinel(1)
    assert one.inputs.tolist() == [5, first, 8, 9, second, 1]
    assert one.targets.tolist() == [first, 6, 7, second, 1, 1]
    assert one.weights.tolist() == [1] * 6


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


@given(tokens=TEXTS, seed=SEEDS)
def test_spans_put_back_are_the_text(tokens, seed):
    one = span_corruption(tokens, chance(seed), V)
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
    noise, spans = counts(len(tokens))
    assert (sum(len(span) for _, span in hidden), len(hidden)) == (noise, spans)
    assert (len(one.inputs), len(one.targets)) == span_lengths(len(tokens))
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


@given(tokens=TEXTS, seed=SEEDS)
def test_masked_text_is_said_where_it_is_selected(tokens, seed):
    one = masked_lm(tokens, chance(seed), V)
    assert one.targets.tolist() == tokens.tolist()
    assert one.inputs.shape == tokens.shape and one.inputs.dtype == np.int32
    assert set(one.weights.tolist()) <= {0, 1}
    assert one.weights.sum() == max(1, round(0.15 * len(tokens)))
    assert not np.any((one.inputs != tokens) & (one.weights == 0))


def test_a_single_token_is_selected():
    assert masked_lm(np.asarray([9], np.int32), chance(0), V).weights.tolist() == [1]


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
