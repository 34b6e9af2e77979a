import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.model.mlp import Mlp
from archlab.size import Size

SIZE = Size(layers=2, embed=64, mlp=96, heads=4, kv=24, vocab=40, kv_heads=2)


def parts(**words) -> dict:
    return {"size": SIZE, "architecture": Architecture("causal_decoder", **words)}


def sample(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def test_a_weight_has_the_shape_of_its_letters_and_the_deviation_of_its_fan_in():
    weights = Mlp(**parts()).init(jax.random.key(0), sample(1, 3, 64))["params"]
    assert {name: leaf.shape for name, leaf in weights.items()} == {
        "up_DF": (64, 96),
        "gate_DF": (64, 96),
        "down_FD": (96, 64),
    }
    np.testing.assert_allclose(weights["up_DF"].std(), 64**-0.5, rtol=0.05)
    np.testing.assert_allclose(weights["down_FD"].std(), 96**-0.5, rtol=0.05)


def test_weights_are_float32_and_the_computation_is_what_was_asked_for():
    module = Mlp(**parts(), dtype=jnp.bfloat16)
    x = sample(1, 2, 64).astype(jnp.bfloat16)
    weights = module.init(jax.random.key(0), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {jnp.dtype("float32")}
    assert module.apply(weights, x).dtype == jnp.bfloat16


def test_biases_begin_at_nothing_and_are_there_where_the_architecture_has_them():
    for bias in (False, True):
        weights = Mlp(**parts(bias=bias)).init(jax.random.key(0), sample(1, 3, 64))["params"]
        found = {name: leaf for name, leaf in weights.items() if "bias" in name}
        assert set(found) == ({"up_bias_F", "gate_bias_F", "down_bias_D"} if bias else set())
        assert not any(leaf.any() for leaf in found.values())


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_hides_its_share_and_makes_up_for_it(rate):
    module, x = Mlp(**parts(), dropout=rate), jnp.ones((200, 500))
    dropped = module.apply({}, x, method=module.dropped, rngs={"dropout": jax.random.key(0)})
    assert np.mean(dropped == 0) == pytest.approx(rate, abs=0.01)
    np.testing.assert_allclose(dropped[dropped != 0], 1 / (1 - rate), rtol=1e-6)


def test_without_randomness_nothing_is_dropped():
    module, x = Mlp(**parts(), dropout=0.5), sample(2, 3, 64)
    weights = module.init(jax.random.key(0), x)
    plain = Mlp(**parts()).apply(weights, x)
    np.testing.assert_array_equal(module.apply(weights, x), plain)
    other = module.apply(weights, x, rngs={"dropout": jax.random.key(0)})
    assert np.abs(other - plain).max() > 0.1
