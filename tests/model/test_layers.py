import jax
import jax.numpy as jnp
import numpy as np

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
