"""Surgeries that should leave the function alone do, and those that should not do not."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.bridge.model import Model
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal
from archlab.surgery.choices import Surgery
from archlab.surgery.operation import operate
from tests.bridge import models

RICH = {
    "position": "learned",
    "activation": "gelu",
    "norm": "layer",
    "norm_place": "both",
    "bias": True,
    "qk_norm": True,
    "head": "transformed",
    "tied": False,
}
SIZE = dataclasses.replace(models.SIZE, positions=16)
READ_BL = np.random.default_rng(0).integers(2, 60, (2, 9)).astype(np.int32)
WRITTEN_BL = np.random.default_rng(1).integers(2, 60, (2, 7)).astype(np.int32)


@pytest.fixture(scope="module")
def decoder() -> Model:
    return models.of(Architecture("causal_decoder", **RICH), SIZE)


@pytest.fixture(scope="module")
def pair() -> Model:
    return models.of(Architecture("encoder_decoder", "relative", shared=False))


def made(model: Model, name: str | None = None, surgery: Surgery = Surgery(), **extents) -> Model:  # noqa: B008 - it is frozen
    had = model.architecture
    return operate(model, had.named(name or had.name), extents, surgery)[0]


def near(one_BLV: np.ndarray, other_BLV: np.ndarray) -> None:
    np.testing.assert_allclose(one_BLV, other_BLV, atol=1e-6, rtol=1e-6)


def test_a_prefix_decoder_is_the_causal_one_where_there_are_no_inputs(decoder):
    other = made(decoder, "prefix_decoder")
    near(models.logits(decoder, READ_BL), models.logits(other, READ_BL))


def test_layers_that_add_nothing_leave_the_function_alone_and_others_do_not(decoder):
    deep = made(decoder, surgery=Surgery(depth="silent"), layers=5)
    logits_BLV = models.logits(decoder, READ_BL)
    near(logits_BLV, models.logits(deep, READ_BL))
    loud = made(decoder, surgery=Surgery(depth="interleave"), layers=5)
    assert np.abs(models.logits(loud, READ_BL) - logits_BLV).max() > 0.1
    for one in (deep, loud):
        back = made(one, surgery=Surgery(depth="interleave"), layers=2)
        models.assert_equal(back, decoder)


def test_a_decoder_with_a_silent_encoder_goes_on_where_it_stood(decoder):
    silent = made(decoder, "encoder_decoder", Surgery(cross="silent"))
    logits_BLV = models.logits(decoder, WRITTEN_BL, is_fused=False)
    near(logits_BLV, models.logits(silent, READ_BL, WRITTEN_BL, is_fused=False))
    heard = made(decoder, "encoder_decoder")
    heard_BLV = models.logits(heard, READ_BL, WRITTEN_BL, is_fused=False)
    assert np.abs(heard_BLV - logits_BLV).max() > 0.1
    for one in (silent, heard):
        models.assert_equal(made(one, "causal_decoder"), decoder)


def test_more_ids_leave_the_logits_of_old_ones_alone(decoder):
    logits_BLV = models.logits(decoder, READ_BL)
    more = made(decoder, vocab=72)
    more_BLV = models.logits(more, READ_BL)
    near(logits_BLV, more_BLV[..., :60])
    # The head is linear: the logit of a mean of rows is the mean of the logits.
    near(more_BLV[..., 60:], np.broadcast_to(logits_BLV.mean(-1)[..., None], (2, 9, 12)))
    table_VD = np.asarray(more.weights["embedding"]["table_VD"])
    near(table_VD[60:], np.broadcast_to(table_VD[:60].mean(0), (12, 24)))
    fresh = made(decoder, vocab=72, surgery=Surgery(rows="fresh"))
    fresh_VD = np.asarray(fresh.weights["embedding"]["table_VD"])[60:]
    assert 0.5 < fresh_VD.std() * 24**0.5 < 2 and len(np.unique(fresh_VD)) == fresh_VD.size


@pytest.mark.parametrize(
    "old, new, extents",
    [
        (Architecture("causal_decoder"), {"tied": False}, {"vocab": 72}),
        (Architecture("encoder_decoder"), {"tied": False, "shared": False}, {}),
    ],
)
def test_a_head_of_its_own_begins_as_the_table_that_it_was(old, new, extents):
    model = models.of(old)
    apart, outcome = operate(model, dataclasses.replace(old, **new), extents, Surgery())
    read = (READ_BL, WRITTEN_BL)[: len(old.stacks)]
    near(models.logits(model, *read), models.logits(apart, *read)[..., :60])
    np.testing.assert_array_equal(
        apart.weights["head"]["head_DV"], apart.weights["embedding"]["table_VD"].T
    )
    assert outcome.sources["head/head_DV"] == "embedding/table_VD" and not outcome.dropped
    assert any(line.split()[0] == "head" and "  embedding" in line for line in outcome.lines())


def test_an_encoder_reads_as_it_did_in_a_pair(pair):
    alone = made(pair, "encoder")
    memory_BMD, x_BLD = (
        jax.jit(functools.partial(Transformer(one.size, one.architecture).apply, method="encode"))(
            {"params": one.weights}, models.stream(READ_BL)
        ).state_BMD
        for one in (pair, alone)
    )
    near(memory_BMD, x_BLD)
    assert np.asarray(memory_BMD).std() > 0.1


def test_a_decoder_that_left_a_pair_and_comes_back_has_lost_what_it_read(pair):
    again = made(made(pair, "causal_decoder"), "encoder_decoder", Surgery(cross="fresh"))
    for name in ("attention", "mlp", "attention_norm"):
        jax.tree.map(
            np.testing.assert_array_equal,
            again.weights["decoder"]["layers"][name],
            pair.weights["decoder"]["layers"][name],
        )
    query = [one.weights["decoder"]["layers"]["cross"]["query_DHK"] for one in (again, pair)]
    assert not np.isin(*query).any()


def numbered(model: Model) -> Model:
    """The model with another whole number, of 1000 and above, in every place of its weights."""
    leaves, tree = jax.tree.flatten(model.weights)
    at = 1000 + np.cumsum([0, *(leaf.size for leaf in leaves)])
    filled = [
        np.arange(first, first + leaf.size, dtype=np.float32).reshape(leaf.shape)
        for first, leaf in zip(at, leaves, strict=False)
    ]
    return dataclasses.replace(model, weights=jax.tree.unflatten(tree, filled))


def values(model: Model) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(model.weights)])


@pytest.mark.parametrize(
    "new, surgery, extents",
    [
        ("causal_decoder", Surgery(), {"layers": 1, "vocab": 48}),
        ("encoder", Surgery(depth="silent", rows="fresh"), {"layers": 3, "vocab": 72}),
        ("encoder_decoder", Surgery(depth="interleave"), {"layers": 3, "encoder_layers": 1}),
    ],
)
def test_what_is_counted_is_what_is_found_in_the_weights(pair, new, surgery, extents):
    old = numbered(pair)
    made, outcome = operate(old, old.architecture.named(new), extents, surgery)
    is_copied = np.isin(values(made), values(old))
    is_dropped = ~np.isin(values(old), values(made))
    assert outcome.totals == (is_copied.sum(), (~is_copied).sum(), is_dropped.sum())
    assert values(made).size == made.parameters and is_dropped.any()


def test_what_cannot_be_is_refused(pair):
    with pytest.raises(Refusal, match="Size.embed=30, .* made for 24; surgery changes Size.enc"):
        made(pair, embed=30)
