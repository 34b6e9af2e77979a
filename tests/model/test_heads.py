"""Heads alone; what they read of whole stacks is in test_stack.py and test_transformer.py."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.model import position
from archlab.model.attention import Attend
from archlab.model.heads import Asked, Attention
from archlab.model.sight import Sight
from archlab.size import Size

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2)
ROWS, LENGTH = 2, 5


def made(**words):
    architecture = Architecture("causal_decoder", **words)
    x_BLD = jnp.asarray(np.random.default_rng(0).normal(size=(ROWS, LENGTH, 16)), jnp.float32)
    place_BL = jnp.broadcast_to(jnp.arange(LENGTH), (ROWS, LENGTH))
    turn_K = position.turns(SIZE.kv, architecture.rotary_base)
    edges = (jnp.zeros_like(place_BL), place_BL + 1)
    sight = Sight(place_BL, place_BL, turn_K, *edges, None, 0)
    module = Attention(size=SIZE, architecture=architecture, attend=Attend("dense"))
    weights = module.init(jax.random.key(0), x_BLD, [Asked(x_BLD, sight)])["params"]
    return module, weights, x_BLD, sight


@pytest.mark.parametrize(
    "words, more",
    [
        ({}, {}),
        (
            {"bias": True},
            {
                "query_bias_HK": (4, 6),
                "key_bias_GK": (2, 6),
                "value_bias_GK": (2, 6),
                "out_bias_D": (16,),
            },
        ),
        ({"qk_norm": True}, {"query_norm/scale_K": (6,), "key_norm/scale_K": (6,)}),
    ],
)
def test_it_has_the_weights_of_its_architecture(words, more):
    found = {
        jax.tree_util.keystr(keys, simple=True, separator="/"): leaf.shape
        for keys, leaf in jax.tree_util.tree_flatten_with_path(made(**words)[1])[0]
    }
    products = {"query_DHK": (16, 4, 6), "out_HKD": (4, 6, 16)}
    products |= {"key_DGK": (16, 2, 6), "value_DGK": (16, 2, 6)}
    assert found == products | more


def test_with_qk_norm_the_scale_of_queries_and_keys_is_of_no_account():
    for qk_norm in (True, False):
        module, weights, x_BLD, sight = made(qk_norm=qk_norm, epsilon=1e-12)
        louder = {**weights, "query_DHK": weights["query_DHK"] * 9, "key_DGK": weights["key_DGK"]}
        one, other = (
            module.apply({"params": own}, x_BLD, [Asked(x_BLD, sight)])[0]
            for own in (weights, louder)
        )
        assert (np.abs(one - other).max() < 1e-5) == qk_norm


def test_a_cap_near_nothing_reads_the_mean_of_all_that_is_seen():
    module, weights, x_BLD, sight = made(attention_cap=1e-6)
    read_BLD, [(_, value_BMGK)] = module.apply({"params": weights}, x_BLD, [Asked(x_BLD, sight)])
    many_L = np.arange(1, LENGTH + 1)[:, None, None]
    mean_BLHK = np.repeat(np.cumsum(value_BMGK, axis=1) / many_L, 2, axis=2)
    expected = np.einsum("BLHK,HKD->BLD", mean_BLHK, weights["out_HKD"])
    np.testing.assert_allclose(read_BLD, expected, atol=1e-5)


def test_what_was_kept_is_written_over_from_the_offset_on():
    module, weights, x_BLD, sight = made()
    _, [(key_BMGK, value_BMGK)] = module.apply({"params": weights}, x_BLD, [Asked(x_BLD, sight)])
    kept = (jnp.zeros_like(key_BMGK), jnp.zeros_like(value_BMGK))
    for at in range(LENGTH):
        piece = Sight(
            sight.position_BL[:, at : at + 1],
            sight.position_BM[:, at : at + 1],
            sight.turn_K,
            sight.start_BL[:, at : at + 1],
            sight.end_BL[:, at : at + 1],
            None,
            at,
        )
        near_BLD = x_BLD[:, at : at + 1]
        asked = [Asked(near_BLD, piece, kept)]
        _, [kept] = module.apply({"params": weights}, near_BLD, asked)
    np.testing.assert_allclose(kept[0], key_BMGK, atol=1e-6)
    np.testing.assert_allclose(kept[1], value_BMGK, atol=1e-6)


@pytest.mark.parametrize("base_kv, share", [(0, 1.0), (24, 2.0)])
def test_logits_are_divided_by_the_width_where_a_model_is_scaled(base_kv, share):
    module, weights, x_BLD, sight = made()
    size = dataclasses.replace(SIZE, base_embed=4, base_kv=base_kv)
    asked = [Asked(x_BLD, sight)]
    found, _ = module.clone(size=size).apply({"params": weights}, x_BLD, asked)
    louder = {**weights, "query_DHK": weights["query_DHK"] * share}  # the root of 24 / 6
    expected, _ = module.apply({"params": louder}, x_BLD, asked)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("words", [{}, {"qk_norm": True, "bias": True, "attention_cap": 0.5}])
def test_a_memory_in_two_is_read_as_if_it_were_one(words):
    module, weights, x_BLD, sight = made(**words)
    expected, [(key_BMGK, value_BMGK)] = module.apply(
        {"params": weights}, x_BLD, [Asked(x_BLD, sight)]
    )
    cut = 2
    first, last = (
        dataclasses.replace(sight, position_BM=sight.position_BM[:, part], end_BL=end_BL)
        for part, end_BL in (
            (slice(cut), jnp.minimum(sight.end_BL, cut)),
            (slice(cut, None), sight.end_BL - cut),
        )
    )
    kept = key_BMGK[:, :cut], value_BMGK[:, :cut]
    for early in (Asked(x_BLD[:, :cut], first), Asked(None, first, kept)):
        for asked in ([Asked(x_BLD[:, cut:], last), early], [early, Asked(x_BLD[:, cut:], last)]):
            found, _ = module.apply({"params": weights}, x_BLD, asked)
            np.testing.assert_allclose(found, expected, atol=1e-5)
