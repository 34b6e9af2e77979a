"""Denoising is T5's own: the same lengths and counts, the same distribution, the same examples."""

import collections
import functools
import itertools
from fractions import Fraction

import numpy as np
import pytest
import seqio
import tensorflow as tf
from scipy import stats
from t5.data import preprocessors

from archlab.data.objectives import masks
from archlab.data.objectives.denoising import MEAN, RATE, Denoising, span_lengths
from archlab.data.objectives.runs import Runs
from archlab.data.row import PAIR, Row
from tests.texts import V, by_row, chance, made, of, plain

OWN = seqio.ByteVocabulary(extra_ids=V.extra_ids)


def t5_mask(length, seed=0, rate=RATE, mean=MEAN, is_rolled=False):
    many = 3 if is_rolled else 2
    seeds = [tf.stack([seed, number]) for number in range(1, 1 + many)]
    return preprocessors.random_spans_noise_mask(length, rate, seeds, mean, is_rolled)


def spans_of(is_noise):
    """Lengths of the stretches of a mask, shown first."""
    return tuple(len(list(group)) for _, group in itertools.groupby(map(bool, is_noise)))


# Tay et al. 2022's denoisers: inputs, rate, mean; text, targets, noise, spans.
TABLE = [
    (512, 0.15, 3, 568, 114, 85, 28),
    (512, 0.15, 8, 588, 100, 88, 11),
    (512, 0.5, 3, 766, 512, 383, 128),
    (512, 0.5, 8, 908, 512, 454, 57),
    (512, 0.15, 64, 600, 92, 90, 1),
    (512, 0.5, 64, 1006, 512, 503, 8),
    (512, 0.25, 680 / 4, 680, 172, 170, 1),
    (256, 0.15, 3, 284, 58, 43, 14),
    (256, 0.15, 8, 293, 51, 44, 6),
    (256, 0.5, 3, 382, 256, 191, 64),
    (256, 0.5, 8, 454, 256, 227, 28),
    (256, 0.15, 64, 299, 47, 45, 1),
    (256, 0.5, 64, 502, 256, 251, 4),
    (128, 0.15, 3, 141, 29, 21, 7),
    (128, 0.15, 8, 146, 26, 22, 3),
    (128, 0.5, 3, 190, 128, 95, 32),
    (128, 0.5, 8, 226, 128, 113, 14),
    (128, 0.5, 64, 250, 128, 125, 2),
    (64, 0.15, 3, 70, 14, 10, 3),
    (64, 0.15, 8, 73, 13, 11, 1),
    (64, 0.5, 3, 94, 64, 47, 16),
    (64, 0.5, 8, 112, 64, 56, 7),
    (64, 0.5, 64, 124, 64, 62, 1),
]


@pytest.mark.parametrize(("inputs", "rate", "mean", "raw", "targets", "noise", "spans"), TABLE)
def test_published_denoisers(inputs, rate, mean, raw, targets, noise, spans):
    assert masks.counts(raw, rate, mean) == (noise, spans)
    assert span_lengths(raw, rate, mean) == (inputs, targets)
    how, row = Denoising(rate=rate, mean=mean), Row(inputs, targets, PAIR)
    assert how.raw(row, V) == raw
    assert how.sentinels(row, V) == spans
    stretches = spans_of(t5_mask(raw, 0, rate, mean).numpy())
    assert (sum(stretches[1::2]), len(stretches[1::2])) == (noise, spans)


@pytest.mark.parametrize(
    ("inputs", "raw", "targets", "noise"), [(128, 149, 23, 22), (64, 74, 12, 11)]
)
def test_a_span_that_t5s_helper_forgets_is_counted(inputs, raw, targets, noise):
    # Less noise than half of a mean span: the helper rounds the spans to none, the mask has one.
    assert preprocessors.random_spans_helper(inputs, 0.15, 64, 1, 1) == (raw, targets)
    assert sum(t5_mask(raw, 0, 0.15, 64).numpy()) == noise
    assert masks.counts(raw, 0.15, 64) == (noise, 1)
    assert span_lengths(raw, 0.15, 64) == (inputs + 1, targets + 1)
    assert Denoising(mean=64).raw(Row(inputs, targets + 1, PAIR), V) == raw - 1


@pytest.mark.parametrize("inputs", [*range(15, 360, 7), 511, 512, 1024, 2048])
def test_lengths_are_those_of_random_spans_helper(inputs):
    raw, targets = preprocessors.random_spans_helper(inputs, RATE, MEAN, 1, 1)
    assert span_lengths(raw) == (inputs, targets)
    assert Denoising().raw(Row(inputs, targets, PAIR), V) == raw


@pytest.mark.parametrize(("rate", "mean"), [(0.15, 8.0), (0.25, 3.0)])
@pytest.mark.parametrize("inputs", [*range(66, 600, 31), 1024])
def test_lengths_are_those_of_random_spans_helper_at_other_rates(inputs, rate, mean):
    raw, targets = preprocessors.random_spans_helper(inputs, rate, mean, 1, 1)
    assert span_lengths(raw, rate, mean) == (inputs, targets)


@pytest.mark.parametrize(("rate", "mean"), [(0.5, 3.0), (0.5, 8.0), (0.5, 64.0), (0.25, 64.0)])
def test_counts_are_those_of_random_spans_noise_mask_at_other_rates(rate, mean):
    # Not the helper's: at a half it takes a token off the text and keeps the spans of before, and
    # where noise is shorter than half of a long mean it counts no span, though one is masked.
    masked = tf.function(
        lambda length: t5_mask(length, 0, rate, mean),
        input_signature=[tf.TensorSpec([], tf.int32)],
    )
    for length in [*range(8, 300, 3), 766, 908, 1006]:
        stretches = spans_of(masked(length).numpy())
        found = sum(stretches[1::2]), len(stretches[1::2])
        assert masks.counts(length, rate, mean) == found


def test_counts_are_those_of_random_spans_noise_mask():
    masked = tf.function(t5_mask, input_signature=[tf.TensorSpec([], tf.int32)])
    other = []
    for length in [*range(2, 700), 1137, 4095]:
        stretches = spans_of(masked(length).numpy())
        assert len(stretches) % 2 == 0  # begins shown and ends hidden
        if masks.counts(length, RATE, MEAN) != (sum(stretches[1::2]), len(stretches[1::2])):
            other.append(length)
    # T5's mask reckons in float32, where these halves are a little more than a half; its helper
    # does not, and so the rows that the helper promises to fill would not be filled.
    assert other == [190, 350, 390, 670]
    for length in other:
        share = Fraction(length * 15, 100)
        assert share.denominator == 2 and masks.counts(length, RATE, MEAN)[0] == round(share)


def contingency(theirs, ours):
    """How likely two counts are of one distribution."""
    table = np.asarray([[theirs[one], ours[one]] for one in sorted(theirs | ours)])
    common = table.sum(axis=1) >= 20
    rest = table[~common].sum(axis=0, keepdims=True)
    table = np.concatenate([table[common], rest[rest.sum(axis=1) > 0]])
    assert len(table) > 10
    return stats.chi2_contingency(table).pvalue


@pytest.mark.parametrize("length", [33, 60])
def test_masks_are_distributed_as_those_of_t5(length):
    many = 1500
    masked = tf.function(
        lambda seed: t5_mask(length, seed), input_signature=[tf.TensorSpec([], tf.int32)]
    )
    # Where the first hidden span begins and ends; the rest of the mask is tested by enumeration.
    theirs = collections.Counter(
        spans_of(masked(seed).numpy())[:2] for seed in range(0, 4 * many, 4)
    )
    drawn = masks.spans(chance(many, length), length, RATE, MEAN).is_hidden_BL
    assert contingency(theirs, collections.Counter(spans_of(row)[:2] for row in drawn)) > 1e-3


def test_rolled_masks_are_distributed_as_those_of_t5():
    many, length = 2000, 9
    masked = tf.function(
        lambda seed: t5_mask(length, seed, 0.4, 2.0, True),
        input_signature=[tf.TensorSpec([], tf.int32)],
    )
    theirs = collections.Counter(tuple(masked(seed).numpy()) for seed in range(0, 5 * many, 5))
    drawn = masks.spans(chance(many), length, 0.4, 2.0, is_rolled=True).is_hidden_BL
    assert contingency(theirs, collections.Counter(map(tuple, drawn))) > 1e-3


def test_tokens_are_hidden_as_t5s_are():
    masked = tf.function(
        lambda seed: preprocessors.iid_noise_mask(20, 0.15, [tf.stack([seed, 1])]),
        input_signature=[tf.TensorSpec([], tf.int32)],
    )
    theirs = np.bincount([masked(seed).numpy().sum() for seed in range(1500)], minlength=21)
    ours = np.bincount(masks.tokens(chance(1500), 20, 0.15).sum(axis=1), minlength=21)
    table = np.stack([theirs, ours])
    table = np.concatenate([table[:, :7], table[:, 7:].sum(axis=1, keepdims=True)], axis=1)
    assert stats.chi2_contingency(table).pvalue > 1e-3


TOKENS = np.random.default_rng(0).integers(0, V.text, 568).astype(np.int32)
MASKS = {
    "spans": t5_mask(568, seed=4),
    "rolled": t5_mask(568, seed=8, is_rolled=True),
    "single": preprocessors.iid_noise_mask(568, 0.15, [tf.stack([3, 1])]),
}


@pytest.fixture(params=MASKS)
def mask(request, monkeypatch):
    """A mask of T5's, which ours is made to be."""
    found = MASKS[request.param]
    monkeypatch.setattr(masks, "spans", lambda *_: Runs.of(found.numpy()[None]))
    return found


def both(how, tokens=TOKENS):
    """Inputs and targets of one text, without their ends."""
    (((inputs, targets),),) = by_row(made(how, plain(tokens), Row(2000, 2000, PAIR)), 1)
    assert inputs[-1] == targets[-1] == V.end
    return inputs[:-1], targets[:-1]


def theirs(step, mask, seeds=None):
    return step(TOKENS, mask, OWN, seeds).numpy().tolist()


def test_unique_sentinels_are_t5s(mask):
    inputs, targets = both(Denoising())
    assert inputs == theirs(preprocessors.noise_span_to_unique_sentinel, mask)
    assert targets == theirs(preprocessors.nonnoise_span_to_unique_sentinel, mask)


def test_dropped_tokens_are_t5s(mask):
    inputs, targets = both(Denoising(form="dropped"))
    assert inputs == theirs(preprocessors.drop_noise_tokens, mask)
    assert targets == theirs(preprocessors.drop_nonnoise_tokens, mask)


def test_masked_tokens_are_t5s(mask):
    inputs, targets = both(Denoising(form="masked"))
    assert inputs == theirs(preprocessors.noise_token_to_sentinel, mask)
    assert targets == TOKENS.tolist()


class Drawn:
    """The draws of T5's own step, as shares: which tokens are others, and which others."""

    def __init__(self, inputs, mask):
        self.is_other = mask.numpy() & (inputs != OWN.vocab_size - 1)
        self.token = np.where(self.is_other, inputs, 0)

    def shares(self, purpose, many):
        assert (purpose, many) == ("shown", len(self.token))
        return np.where(self.is_other, 0.1 * (self.token - 3 + 0.5) / 256, 0.1)[None]


def test_random_tokens_are_t5s(mask):
    step = functools.partial(preprocessors.noise_token_to_random_token_or_sentinel, random_prob=0.1)
    seeds = tf.constant([[0, 1], [0, 2]])
    found = np.asarray(theirs(step, mask, seeds))
    # T5 draws any id but the lowest three, sentinels too; here it is one of text.
    found = np.where(mask & (found >= V.text) & (found < OWN.vocab_size - 1), V.text - 1, found)
    drawn = Drawn(found, mask)
    assert 3 < drawn.is_other.sum() < 0.2 * mask.numpy().sum()
    one = Denoising(form="replaced").examples(plain(TOKENS), drawn, Row(2000, 2000, PAIR), V)
    inputs, targets = one.apart()
    assert inputs[:-1].tolist() == found.tolist()
    assert targets[:-1].tolist() == TOKENS.tolist()


def test_shuffled_tokens_are_distributed_as_t5s():
    tokens = np.asarray([5, 6, 7, 8], np.int32)
    every = tf.ones(4, bool)
    theirs = collections.Counter(
        tuple(preprocessors.permute_noise_tokens(tokens, every, OWN, [tf.stack([n, 1])]).numpy())
        for n in range(1200)
    )
    drawn = made(Denoising(form="shuffled"), of([[[5, 6], [7, 8]]] * 1200), Row(5, 5, PAIR))
    ours = collections.Counter(map(tuple, drawn.apart()[0].reshape(-1, 5)[:, :-1].tolist()))
    assert contingency(theirs, ours) > 1e-3 and len(ours) == 24  # whatever the documents
