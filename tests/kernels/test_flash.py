import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archlab.kernels import flash
from archlab.kernels.flash import Kernel

KERNEL = Kernel(None, None, block_queries=4, block_keys=8)


def test_the_last_blocks_are_filled_with_what_sees_nothing_and_is_not_seen():
    query = jnp.arange(2 * 5 * 3 * 2, dtype=jnp.float32).reshape(2, 5, 3, 2)
    key = jnp.arange(2 * 9 * 1 * 2, dtype=jnp.float32).reshape(2, 9, 1, 2)
    start, end = jnp.full((2, 5), -3), jnp.full((2, 5), 12)
    bias = jnp.arange(3 * 13, dtype=jnp.float32).reshape(3, 13)
    found = flash.blocks(query, key, key, start, end, bias, KERNEL)
    assert found.query_BHLK.shape == (2, 3, 8, 2) and found.key_BGMK.shape == (2, 1, 16, 2)
    np.testing.assert_array_equal(found.query_BHLK[:, :, :5], query.swapaxes(1, 2))
    np.testing.assert_array_equal(found.start_BL, np.zeros((2, 8)))
    np.testing.assert_array_equal(found.end_BL, [[9] * 5 + [0] * 3] * 2)
    # The distance of query 0 and key 0 comes after those of all later queries.
    assert found.bias_HP.shape == (3, 8 + 16)
    np.testing.assert_array_equal(found.bias_HP[:, 8 - 1], bias[:, 5 - 1])


@given(length=st.integers(1, 5000), most=st.integers(1, 8), unit=st.integers(1, 100))
def test_blocks_are_even_whole_units_and_not_too_long(length, most, unit):
    block = flash.even(length, most * unit, unit)
    assert block % unit == 0 and block <= most * unit
    many = -(-length // (most * unit))  # as few as there can be
    assert many * block >= length > many * (block - unit)


def test_whole_blocks_are_left_as_they_are():
    query, key = jnp.ones((1, 8, 2, 4)), jnp.ones((1, 8, 2, 4))
    edges = jnp.zeros((1, 8), jnp.int32)
    found = flash.blocks(query, key, key, edges, edges, None, KERNEL)
    assert found.query_BHLK.shape == (1, 2, 8, 4) and found.bias_HP is None
