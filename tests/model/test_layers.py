import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from archlab.architecture import Architecture
from archlab.model import layers
from archlab.size import Size

SIZE = Size(layers=2, embed=64, mlp=96, heads=4, kv=24, vocab=40, kv_heads=2)


def parts(**words) -> dict:
    return {"size": SIZE, "architecture": Architecture("causal_decoder", **words)}


def sample(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def test_a_weight_has_the_shape_of_its_letters_and_the_deviation_of_its_fan_in():
    weights = layers.Mlp(**parts()).init(jax.random.key(0), sample(1, 3, 64))["params"]
    assert {name: leaf.shape for name, leaf in weights.items()} == {
        "up_DF": (64, 96),
        "gate_DF": (64, 96),
        "down_FD": (96, 64),
    }
    np.testing.assert_allclose(weights["up_DF"].std(), 64**-0.5, rtol=0.05)
    np.testing.assert_allclose(weights["down_FD"].std(), 96**-0.5, rtol=0.05)


def test_norm_divides_by_the_root_mean_square():
    x = sample(2, 3, 64) * 7 + 3
    module = layers.Norm(**parts())
    scale = sample(64)
    found = module.apply({"params": {"scale_D": scale}}, x)
    wide = np.asarray(x, np.float64)
    expected = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-6) * np.asarray(scale)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):  # T5 1.1's own, by tanh
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize("activation", ["swiglu", "geglu", "relu"])
def test_mlp_is_its_formula(activation):
    x = sample(2, 3, 64)
    module = layers.Mlp(**parts(activation=activation))
    weights = module.init(jax.random.key(0), x)["params"]
    wide = {name: np.asarray(leaf, np.float64) for name, leaf in weights.items()}
    up = np.asarray(x, np.float64) @ wide["up_DF"]
    if activation == "relu":
        assert "gate_DF" not in wide
        hidden = np.maximum(up, 0)
    else:
        gate = np.asarray(x, np.float64) @ wide["gate_DF"]
        hidden = up * (silu(gate) if activation == "swiglu" else gelu(gate))
    np.testing.assert_allclose(
        module.apply({"params": weights}, x), hidden @ wide["down_FD"], atol=2e-5
    )


def test_the_tanh_gelu_is_near_the_exact_one():
    x = np.linspace(-4, 4, 101)
    np.testing.assert_allclose(gelu(x), x * (1 + erf(x / np.sqrt(2))) / 2, atol=1e-3)


def test_what_is_read_off_the_table_has_deviation_one_and_so_have_the_logits():
    module = layers.Embedding(**parts())
    tokens = jnp.arange(40)[None]
    weights = module.init(jax.random.key(0), tokens, method=module.read)
    read = module.apply(weights, tokens, method=module.read)
    np.testing.assert_allclose(read.std(), 1.0, rtol=0.1)
    logits = module.apply(weights, sample(1, 50, 64), method=module.score)
    assert logits.shape == (1, 50, 40) and logits.dtype == jnp.float32
    np.testing.assert_allclose(logits.std(), 1.0, rtol=0.15)


def test_a_row_that_is_looked_up_often_has_all_of_its_gradient():
    """In bfloat16, 256 + 1 is 256: a sum of ones taken in it would stop there."""
    module = layers.Embedding(**parts(), dtype=jnp.bfloat16)
    tokens = jnp.full((3, 400), 35).at[0, 0].set(36)
    weights = module.init(jax.random.key(0), tokens, method=module.read)

    def total(weights):
        return module.apply(weights, tokens, method=module.read).astype(jnp.float32).sum()

    slope_VD = jax.grad(total)(weights)["params"]["table_VD"]
    expected = np.zeros((40, 64))
    expected[35], expected[36] = 1199 * 8, 8  # the root of embed
    np.testing.assert_array_equal(slope_VD, expected)


def test_weights_are_float32_and_the_computation_is_what_was_asked_for():
    module = layers.Mlp(**parts(), dtype=jnp.bfloat16)
    x = sample(1, 2, 64).astype(jnp.bfloat16)
    weights = module.init(jax.random.key(0), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {jnp.dtype("float32")}
    assert module.apply(weights, x).dtype == jnp.bfloat16
