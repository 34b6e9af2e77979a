import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.kernels import tile


@pytest.mark.parametrize("block", [4, 12])
def test_a_bias_of_distances_is_spread_over_keys_and_queries_and_gathered_from_them(block):
    random = np.random.default_rng(0)
    bias = random.normal(size=(1, 2 * block)).astype(np.float32)
    spread = np.asarray(jax.jit(tile.spread)(bias))
    slope = random.normal(size=(block, block)).astype(np.float32)
    sums = np.zeros((1, 2 * block))
    for key, query in np.ndindex(block, block):
        place = block - (key - query)  # the greatest distance is first
        assert spread[key, query] == bias[0, place]
        sums[0, place] += slope[key, query]
    np.testing.assert_allclose(jax.jit(tile.gathered)(slope), sums, atol=1e-6)


@pytest.mark.parametrize("dtype, said", [(jnp.float32, "HIGHEST"), (jnp.bfloat16, "DEFAULT")])
def test_a_product_is_as_exact_as_what_it_multiplies(dtype, said):
    random = np.random.default_rng(0)
    one, other = (jnp.asarray(random.normal(size=(3, 5)), dtype) for _ in range(2))
    product = jax.jit(lambda a, b: tile.product(a, b, 0, 0))
    assert said in product.lower(one, other).as_text()
    expected = np.asarray(one, np.float64).T @ np.asarray(other, np.float64)
    found = product(one, other)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def refs(**changes) -> dict:
    random = np.random.default_rng(0)
    arrays = {name: random.normal(size=(4, 6)) for name in ("query", "key", "value", "slope")}
    arrays |= {name: random.normal(size=(1, 4)) for name in ("log_sum", "drift")}
    arrays = {name: jnp.asarray(array, jnp.float32) for name, array in arrays.items()}
    edges = {"start": jnp.asarray([[0, 5, 4, 9]]), "end": jnp.asarray([[8, 7, 4, 3]])}
    return arrays | edges | {"bias": ()} | changes


def test_the_interval_of_a_query_is_one_column():
    assert np.asarray(tile.seen(refs(), 1)).T.tolist() == [
        [True, True, True, True],
        [False, True, True, False],
        [False] * 4,
        [False] * 4,
    ]


def test_logits_are_scaled_then_capped_then_biased_and_the_cap_tells_its_slope():
    bias = jnp.arange(8.0)[None]
    given = refs(bias=(bias[:, :4], bias[:, 4:]))
    found, passed = jax.jit(lambda given: tile.logits(given, 0.5))(given)
    plain = np.asarray(given["key"] @ given["query"].T, np.float64) / np.sqrt(6)
    expected = 0.5 * np.tanh(plain / 0.5) + np.asarray(jax.jit(tile.spread)(bias))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    near = (np.tanh((plain + 1e-5) / 0.5) - np.tanh((plain - 1e-5) / 0.5)) * 0.5 / 2e-5
    np.testing.assert_allclose(passed, near, atol=1e-4)


def test_slopes_are_zero_where_nothing_is_seen_and_the_softmax_s_elsewhere():
    given = refs()
    weight, slope, passed = tile.slopes(given, 0.0, 1)
    is_seen = np.asarray(tile.seen(given, 1))
    expected = np.exp(np.asarray(tile.logits(given, 0.0)[0]) - given["log_sum"]) * is_seen
    np.testing.assert_allclose(weight, expected, rtol=1e-5)
    down = np.asarray(given["value"] @ given["slope"].T) - given["drift"]
    np.testing.assert_allclose(slope, expected * down, rtol=1e-4, atol=1e-6)
    assert passed == 1.0
