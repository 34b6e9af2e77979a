"""A sum over the bits of an array, taken where the array is: what its damage is known by."""

import jax
import jax.numpy as jnp

from archlab import mesh


def sums(tree: mesh.Tree) -> dict[str, jax.Array]:
    """Sums the bits of each array, weighted by place, on the devices that hold it.

    The weights are odd, so any one flipped bit changes the sum, and they differ, so two values that
    change places nearly always do.

    Args:
      tree: arrays of 4 or of 2 bytes a value.

    Returns:
      uint32 scalar of each array, by path.
    """

    def total(array: jax.Array) -> jax.Array:
        place = jnp.zeros(array.shape, jnp.uint32)
        for number, extent in enumerate(array.shape):
            place = place * extent + jax.lax.broadcasted_iota(jnp.uint32, array.shape, number)
        whole = jnp.uint16 if array.dtype.itemsize == 2 else jnp.uint32
        bits = jax.lax.bitcast_convert_type(array, whole).astype(jnp.uint32)
        return jnp.sum(bits * (2 * place + 1), dtype=jnp.uint32)

    return {
        mesh.path(keys): total(leaf) for keys, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    }
