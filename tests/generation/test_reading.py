"""What is read with a cache is what is read anew, in rows of one batch as alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.generation import prompts, reading
from tests.generation import asked
from tests.generation.asked import SIZE

SHALLOW = dataclasses.replace(SIZE, encoder_layers=1)
MIXED = {"window": 2, "global_every": 2, "global_first": 1}
TOP = {"tied_stacks": True, "merged": True, "aligned": True}
PROMPTS = [[5, 6, 7, 8, 9], [11], [13, 14, 15]]
SAID = np.random.default_rng(0).integers(3, 40, (3, 6)).astype(np.int32)


def read(model, weights, given: list[list[int]], said_BL: np.ndarray, length: int) -> np.ndarray:
    """Logits after the prompts and after every token, by way of the cache."""
    is_pair = model.architecture.kind == "encoder_decoder"
    source = prompts.encoded(given, length) if is_pair else None
    stream = prompts.prompted([[] for _ in given] if is_pair else given, length)

    @jax.jit
    def run(weights, stream, source, said_BL):
        logits_BV, kept = reading.begin(model, weights, stream, source, said_BL.shape[1])

        def one(kept, token):
            logits_BV, kept = reading.further(model, weights, kept, *token)
            return kept, logits_BV

        counts = jnp.arange(said_BL.shape[1])
        _, later = jax.lax.scan(one, kept, (said_BL.T, counts))
        return jnp.concatenate([logits_BV[None], later])

    return np.asarray(run(weights, stream, source, said_BL)).swapaxes(0, 1)


@pytest.mark.parametrize(
    "name, position, words",
    [
        ("causal_decoder", "rope", {"window": 3, "qk_norm": True}),
        ("causal_decoder", "relative", {"window": 3}),
        ("causal_decoder", "learned", {"scaled": False, "norm_place": "post"}),
        ("prefix_decoder", "rope", {**MIXED, "local_rotary_base": 30.0, "norm_place": "both"}),
        ("prefix_decoder", "relative", {}),
        ("prefix_decoder", "none", {"size": dataclasses.replace(SIZE, experts=3, choices=2)}),
        ("encoder_decoder", "relative", {"size": SHALLOW, "shared": False}),
        ("encoder_decoder", "learned", {**MIXED, "bias": True, "head": "transformed"}),
        ("encoder_decoder", "relative", {"tied_stacks": True}),
        ("encoder_decoder", "rope", {"merged": True, **MIXED, "local_rotary_base": 30.0}),
        ("encoder_decoder", "none", {"aligned": True, "embedding_norm": True}),
        ("encoder_decoder", "learned", {**TOP, **MIXED, "qk_norm": True}),
    ],
)
def test_logits_with_a_cache_are_those_of_reading_all_again(name, position, words):
    model, weights = asked.made(name, position, **words)
    found = read(model, weights, PROMPTS, SAID, 7)
    for one, wanted in zip(found, asked.logits(model, weights, PROMPTS, SAID), strict=True):
        np.testing.assert_allclose(one, wanted, atol=1e-5, rtol=1e-5)
        assert np.abs(np.diff(wanted, axis=0)).max() > 0.1


def test_long_prompts_are_read_block_by_block_to_the_same_logits():
    """From a length on another implementation of attention reads them."""
    model, weights = asked.made("prefix_decoder", "rope")
    rng = np.random.default_rng(1)
    given = [rng.integers(3, 40, length).tolist() for length in (150, 20)]
    found = read(model, weights, given, SAID[:2, :2], 192)
    for one, wanted in zip(found, asked.logits(model, weights, given, SAID[:2, :2]), strict=True):
        np.testing.assert_allclose(one, wanted, atol=1e-5, rtol=1e-5)


def test_alternatives_go_on_from_the_one_that_is_chosen():
    rng = np.random.default_rng(0)
    model, _ = asked.made("encoder_decoder")
    shapes = jax.eval_shape(lambda: reading.empty(model, 2, 5, 3))
    cache = jax.tree.map(lambda one: jnp.asarray(rng.normal(size=one.shape)), shapes)
    row_B = jnp.asarray([3, 4])
    whole = reading.repeated(reading.Reading(cache, jnp.int32(5), row_B, row_B - 2), 2)
    assert whole.read_B.tolist() == [3, 3, 4, 4] and whole.source_B.tolist() == [1, 1, 2, 2]
    for one, two in zip(jax.tree.leaves(cache), jax.tree.leaves(whole.cache), strict=True):
        np.testing.assert_array_equal(two, np.repeat(one, 2, axis=1))
    moved = reading.rearranged(
        dataclasses.replace(
            whole, cache=dataclasses.replace(whole.cache, own=(jnp.arange(4.0)[None],) * 2)
        ),
        jnp.asarray([1, 1, 2, 3]),
    )
    assert [one.tolist() for one in moved.cache.own] == [[[1, 1, 2, 3]]] * 2
    assert moved.cache.memory is whole.cache.memory


@pytest.mark.parametrize("dtype, said", [(jnp.float32, "HIGHEST"), (jnp.bfloat16, "DEFAULT")])
def test_products_are_as_exact_as_in_training(dtype, said):
    model, weights = asked.made("encoder_decoder")
    model = model.clone(dtype=dtype)

    def run(weights):
        stream, source = prompts.prompted([[]], 1), prompts.encoded([[5]], 4)
        _, kept = reading.begin(model, weights, stream, source, 3)
        return reading.further(model, weights, kept, jnp.asarray([5]), jnp.int32(0))

    text = jax.jit(run).lower(weights).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) > 20 and all(said in line for line in products)
