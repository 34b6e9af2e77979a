import dataclasses

import numpy as np
import pytest

from archlab.architecture import VISIBILITY
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation.representations import POOLINGS, _stream, likeness, pooled
from archlab.evaluation.subject import Subject
from tests.generation import asked

WORDS = Vocabulary()
SIZE = dataclasses.replace(asked.SIZE, vocab=WORDS.size)


@pytest.fixture(scope="module", params=VISIBILITY)
def subject(request):
    model, weights = asked.made(request.param, size=SIZE)
    kind = model.architecture.kind
    inputs, targets = (20, 4) if kind == "encoder_decoder" else (12, 8)
    return Subject(request.param, model, weights, WORDS, Row(inputs, targets, kind), ())


def test_the_last_layer_is_what_the_stack_ends_in(subject):
    """The stack's own output is the norm of its last layer's: each position by itself."""
    text = "abcde"
    is_decoder = subject.row.kind == "decoder"
    found = pooled(subject, [text])[0]
    assert found.shape == (SIZE.layers, len(POOLINGS), SIZE.embed)
    stream = _stream([WORDS.encode(text)], 20, WORDS.start if is_decoder else None)
    method = subject.model.decode if is_decoder else subject.model.encode
    ends = subject.model.apply({"params": subject.weights}, stream, method=method)
    ends_LD = np.asarray(ends[0] if is_decoder else ends.state_BMD)[0]
    stack = subject.weights["decoder" if is_decoder else "encoder"]
    scale_D = stack["norm"]["scale_D"]
    for pooling, place in (("first", int(is_decoder)), ("last", len(text) - 1 + is_decoder)):
        x_D = found[-1, POOLINGS.index(pooling)]
        normed_D = x_D / np.sqrt(np.mean(x_D**2) + 1e-6) * scale_D
        np.testing.assert_allclose(normed_D, ends_LD[place], rtol=1e-4, atol=1e-5)


def test_a_mean_is_over_the_tokens_of_the_text_and_nothing_else(subject):
    """Every token of a text of one is its first, its last and its mean."""
    found = pooled(subject, ["a", "abcdefgh"])
    for pooling in range(3):
        np.testing.assert_allclose(found[0, :, pooling], found[0, :, 0], rtol=1e-5, atol=1e-6)
    assert not np.allclose(found[1, :, 0], found[1, :, 1])


def test_texts_do_not_change_each_other_and_long_ones_lose_their_end(subject):
    texts = ["abc", "xyzxyzxy", "q" * 40]
    together = pooled(subject, texts * 7)
    alone = np.concatenate([pooled(subject, [text]) for text in texts])
    np.testing.assert_allclose(together[:3], alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(together[18:], alone, rtol=1e-4, atol=1e-5)
    room = 20 - (subject.row.kind == "decoder")
    cut = pooled(subject, ["q" * room])
    np.testing.assert_allclose(alone[2:], cut, rtol=1e-4, atol=1e-5)


def test_a_text_without_a_token_is_refused(subject):
    with pytest.raises(ValueError, match="text 1 is '', which has no token"):
        pooled(subject, ["a", ""])


def test_likeness_knows_neither_turns_nor_scales():
    random = np.random.default_rng(0)
    one_SD, other_SD = random.normal(size=(50, 6)), random.normal(size=(50, 9))
    turn, _ = np.linalg.qr(random.normal(size=(6, 6)))
    assert likeness(one_SD, 3 * one_SD @ turn + 5) == pytest.approx(1)
    assert likeness(one_SD, other_SD) == pytest.approx(likeness(other_SD, one_SD))


def test_likeness_is_that_of_the_kernels():
    """By its other definition: of Gram matrices, centred on both sides."""
    random = np.random.default_rng(1)
    one_SD = random.normal(size=(12, 4))
    other_SD = one_SD[:, :2] @ random.normal(size=(2, 5)) + random.normal(size=(12, 5))
    centre = np.eye(12) - 1 / 12
    one, other = (centre @ each @ each.T @ centre for each in (one_SD, other_SD))
    wanted = np.trace(one @ other) / np.sqrt(np.trace(one @ one) * np.trace(other @ other))
    assert likeness(one_SD, other_SD) == pytest.approx(wanted)
    assert np.isnan(likeness(one_SD, np.ones((12, 3))))
