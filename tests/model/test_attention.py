import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab.model.attention import attend

B, L, M, H, G, K = 2, 3, 5, 4, 2, 6


def reference(query, key, value, start, end, bias):
    """The definition, one query at a time, in float64."""
    out = np.zeros((B, L, H, K))
    for b, q, h in np.ndindex(B, L, H):
        low, high = max(start[b, q], 0), min(end[b, q], M)
        if low >= high:
            continue
        g = h // (H // G)
        logits = key[b, low:high, g] @ query[b, q, h] / np.sqrt(K) + bias[h, q, low:high]
        weights = np.exp(logits - logits.max())
        out[b, q, h] = weights / weights.sum() @ value[b, low:high, g]
    return out


edges = st.lists(st.integers(0, M), min_size=B * L, max_size=B * L)


@settings(max_examples=60)
@given(start=edges, end=edges, seed=st.integers(0, 2**31))
def test_it_is_the_definition_for_any_intervals(start, end, seed):
    random = np.random.default_rng(seed)
    query, key, value, bias = (
        random.normal(size=shape) for shape in [(B, L, H, K), (B, M, G, K), (B, M, G, K), (H, L, M)]
    )
    start, end = np.reshape(start, (B, L)), np.reshape(end, (B, L))
    arrays = [jnp.asarray(array, jnp.float32) for array in (query, key, value)]
    found = attend(*arrays, jnp.asarray(start), jnp.asarray(end), jnp.asarray(bias, jnp.float32))
    expected = reference(query, key, value, start, end, bias)
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=1e-5)


def test_an_empty_interval_gives_zero_and_a_finite_gradient():
    random = np.random.default_rng(0)
    query, key, value = (
        jnp.asarray(random.normal(size=shape), jnp.float32)
        for shape in [(B, L, H, K), (B, M, G, K), (B, M, G, K)]
    )
    empty = jnp.zeros((B, L), jnp.int32)
    assert not attend(query, key, value, empty, empty).any()
    slopes = jax.grad(lambda *args: attend(*args, empty, empty).sum(), (0, 1, 2))(query, key, value)
    assert all(not slope.any() for slope in slopes)


def test_the_softmax_is_in_float32_whatever_the_values_are():
    logits = jnp.asarray([256.0, 256.5], jnp.bfloat16)  # equal, once rounded to bfloat16
    query = jnp.ones((1, 1, 1, 1), jnp.bfloat16)
    key = jnp.asarray([1.0, 1.0078125], jnp.bfloat16)[None, :, None, None]
    value = jnp.asarray([0.0, 1.0], jnp.bfloat16)[None, :, None, None]
    read = attend(query * 100, key, value, jnp.zeros((1, 1), int), jnp.full((1, 1), 2))
    assert read.dtype == jnp.bfloat16 and logits[0] == logits[1]
    np.testing.assert_allclose(float(read[0, 0, 0, 0]), 1 / (1 + np.exp(-0.78125)), atol=4e-3)
