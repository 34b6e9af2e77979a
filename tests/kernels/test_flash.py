import jax.numpy as jnp
import numpy as np

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


def test_whole_blocks_are_left_as_they_are():
    query, key = jnp.ones((1, 8, 2, 4)), jnp.ones((1, 8, 2, 4))
    edges = jnp.zeros((1, 8), jnp.int32)
    found = flash.blocks(query, key, key, edges, edges, None, KERNEL)
    assert found.query_BHLK.shape == (1, 2, 8, 4) and found.bias_HP is None
