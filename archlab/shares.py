"""Shares: which rows of a batch each process makes, and how all of them become one batch.

A row follows from its number, so no process needs what another one reads: each makes the rows that
its own devices hold.
"""

import functools

import jax
import numpy as np

from archlab import mesh as meshes
from archlab.batch import Batch
from archlab.mesh import Tree


@functools.cache
def own(mesh: jax.sharding.Mesh, rows: int) -> np.ndarray:
    """Says which rows of a batch this process's devices hold.

    Args:
      mesh: from `Mesh.build`.
      rows: of the batch.

    Returns:
      Their numbers within the batch, in order; other processes may hold some of them too.
    """
    placed = meshes.sharding(mesh, "rows_B", (rows,))
    held = placed.addressable_devices_indices_map((rows,)).values()
    return np.unique(np.concatenate([np.arange(rows)[index] for index in held]))


def put(mesh: jax.sharding.Mesh, batch: Tree) -> Tree:
    """Makes one batch of what the processes hold of it, each device its own part.

    Args:
      mesh: from `Mesh.build`.
      batch: NumPy arrays of the rows that are this process's `own`.

    Returns:
      JAX arrays of all rows.
    """
    parts = mesh.shape["slice"] * mesh.shape["data"] * mesh.shape["expert"]

    def spread(keys, array: np.ndarray) -> jax.Array:
        rows = len(array) * parts // len(own(mesh, parts))
        first = {int(row): place for place, row in enumerate(own(mesh, rows))}
        shape = (rows, *array.shape[1:])

        def part(index: tuple[slice, ...]) -> np.ndarray:
            start, end, _ = index[0].indices(rows)
            place = first[start]  # the rows of a device follow one another, here as in the batch
            return array[(slice(place, place + end - start), *index[1:])]

        placed = meshes.sharding(mesh, meshes.path(keys[-1:]), shape)
        return jax.make_array_from_callback(shape, placed, part)

    return jax.tree_util.tree_map_with_path(spread, batch)


def parts(mesh: jax.sharding.Mesh, batch: Batch) -> tuple[int, int]:
    """Says how many ways a batch is split by rows, and how many by length.

    Args:
      mesh: from `Mesh.build` or `Mesh.abstract`.
      batch: a `Batch` of arrays, rows outermost.

    Returns:
      Both numbers, of what the last stack predicts.
    """
    shape = batch.target_BL.shape
    own = meshes.rows(mesh, batch).target_BL.shard_shape(shape)
    return shape[0] // own[0], shape[1] // own[1]
