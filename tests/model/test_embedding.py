import jax
import jax.numpy as jnp
import numpy as np

from archlab.architecture import Architecture
from archlab.model.embedding import Embedding, Head
from archlab.size import Size

SIZE = Size(layers=2, embed=64, mlp=96, heads=4, kv=24, vocab=40, kv_heads=2)


def parts(**words) -> dict:
    return {"size": SIZE, "architecture": Architecture("causal_decoder", **words)}


def sample(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def test_what_is_read_off_the_table_has_deviation_one_and_so_have_the_logits():
    module = Embedding(**parts())
    tokens = jnp.arange(40)[None]
    weights = module.init(jax.random.key(0), tokens, method=module.read)
    read = module.apply(weights, tokens, method=module.read)
    np.testing.assert_allclose(read.std(), 1.0, rtol=0.1)
    logits = module.apply(weights, sample(1, 50, 64), method=module.score)
    assert logits.shape == (1, 50, 40) and logits.dtype == jnp.float32
    np.testing.assert_allclose(logits.std(), 1.0, rtol=0.15)


def test_what_is_not_scaled_is_read_as_it_is():
    module = Embedding(**parts(scaled=False))
    tokens = jnp.asarray([[3, 0, 39]])
    weights = module.init(jax.random.key(0), tokens, method=module.read)
    read = module.apply(weights, tokens, method=module.read)
    np.testing.assert_array_equal(read[0], weights["params"]["table_VD"][tokens[0]])


def test_a_row_that_is_looked_up_often_has_all_of_its_gradient():
    """In bfloat16, 256 + 1 is 256: a sum of ones taken in it would stop there."""
    module = Embedding(**parts(), dtype=jnp.bfloat16)
    tokens = jnp.full((3, 400), 35).at[0, 0].set(36)
    weights = module.init(jax.random.key(0), tokens, method=module.read)

    def total(weights):
        return module.apply(weights, tokens, method=module.read).astype(jnp.float32).sum()

    slope_VD = jax.grad(total)(weights)["params"]["table_VD"]
    expected = np.zeros((40, 64))
    expected[35], expected[36] = 1199 * 8, 8  # the root of embed
    np.testing.assert_array_equal(slope_VD, expected)


def test_a_head_has_what_its_architecture_says():
    def held(**words) -> set[str]:
        module = Head(**parts(**words))
        weights = module.init(jax.random.key(0), sample(1, 2, 64), method=module.transform)
        return set(weights.get("params", {}))

    assert held() == set()
    assert held(tied=False) == {"head_DV"}
    assert held(head="transformed") == {"transform_DD", "norm", "bias_V"}
    assert held(head="transformed", bias=True) == held(head="transformed") | {"transform_bias_D"}


def test_logits_are_capped_after_their_bias():
    module = Head(**parts(head="transformed", logit_cap=2.0))
    logits_BLV = sample(1, 3, 40) * 5
    weights = module.init(jax.random.key(0), sample(1, 3, 64), method=module.transform)["params"]
    weights["bias_V"] = sample(40)
    found = module.apply({"params": weights}, logits_BLV, method=module.finish)
    wide = np.asarray(logits_BLV, np.float64) + np.asarray(weights["bias_V"])
    np.testing.assert_allclose(found, 2 * np.tanh(wide / 2), atol=1e-6)
