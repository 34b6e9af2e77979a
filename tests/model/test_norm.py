import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.model.norm import HeadNorm, Norm
from archlab.size import Size

SIZE = Size(layers=2, embed=64, mlp=96, heads=4, kv=24, vocab=40, kv_heads=2)


def parts(**words) -> dict:
    return {"size": SIZE, "architecture": Architecture("causal_decoder", **words)}


def sample(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-2])
def test_norm_divides_by_the_root_mean_square(epsilon):
    x = sample(2, 3, 64) * 7 + 3
    module = Norm(**parts(epsilon=epsilon, bias=True))
    scale = sample(64)
    found = module.apply({"params": {"scale_D": scale}}, x)
    wide = np.asarray(x, np.float64)
    expected = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + epsilon) * np.asarray(scale)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("has_bias", [False, True])
def test_a_layer_norm_takes_the_mean_off_and_has_a_bias_where_the_architecture_does(has_bias):
    x, module = sample(2, 3, 64) * 7 + 3, Norm(**parts(norm="layer", bias=has_bias, epsilon=1e-5))
    weights = {"scale_D": sample(64), "bias_D": sample(3, 64)[2]}
    if not has_bias:
        del weights["bias_D"]
    assert set(module.init(jax.random.key(0), x)["params"]) == set(weights)
    wide = np.asarray(x, np.float64)
    wide = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    expected = wide * np.asarray(weights["scale_D"]) + np.asarray(weights.get("bias_D", 0.0))
    np.testing.assert_allclose(module.apply({"params": weights}, x), expected, atol=2e-5)


def test_a_head_s_norm_has_one_scale_for_all_heads():
    x, scale = sample(2, 3, 4, 24) * 5, sample(24)
    module = HeadNorm(**parts(qk_norm=True))
    assert jax.eval_shape(module.init, jax.random.key(0), x)["params"]["scale_K"].shape == (24,)
    wide = np.asarray(x, np.float64)
    expected = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-6) * np.asarray(scale)
    np.testing.assert_allclose(module.apply({"params": {"scale_K": scale}}, x), expected, atol=2e-5)


def test_the_mean_is_taken_in_float32():
    x = (sample(1, 2, 64) + 100).astype(jnp.bfloat16)
    module = Norm(**parts(norm="layer"), dtype=jnp.bfloat16)
    weights = module.init(jax.random.key(0), x)
    exact = np.asarray(x, np.float64)
    exact = (exact - exact.mean(-1, keepdims=True)) / exact.std(-1, keepdims=True)
    found = module.apply(weights, x)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(np.float32), exact, atol=2e-2)
