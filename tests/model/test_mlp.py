import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import ACTIVATIONS, GATED, Architecture
from archlab.model.mlp import Mlp
from archlab.size import Size
from tests.model import by_hand

SIZE = Size(layers=2, embed=64, mlp=96, heads=4, kv=24, vocab=40, kv_heads=2)


def parts(**words) -> dict:
    return {"size": SIZE, "architecture": Architecture("causal_decoder", **words)}


def sample(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_is_its_formula(activation):
    x = sample(2, 3, 64)
    module = Mlp(**parts(activation=activation))
    weights = module.init(jax.random.key(0), x)["params"]
    wide = {name: np.asarray(leaf, np.float64) for name, leaf in weights.items()}
    assert ("gate_DF" in wide) == (activation in GATED)
    up, bend = np.asarray(x, np.float64) @ wide["up_DF"], by_hand.BEND[activation]
    hidden = bend(up)
    if activation in GATED:
        hidden = up * bend(np.asarray(x, np.float64) @ wide["gate_DF"])
    np.testing.assert_allclose(
        module.apply({"params": weights}, x), hidden @ wide["down_FD"], atol=2e-5
    )


def test_the_gelu_by_tanh_is_near_the_exact_one_and_not_the_same():
    x = np.linspace(-4, 4, 101)
    apart = np.abs(by_hand.gelu_tanh(x) - by_hand.gelu(x))
    assert 1e-4 < apart.max() < 1e-3
