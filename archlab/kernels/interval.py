"""Intervals, as every implementation of attention reads them: which blocks must be visited.

Position q sees the keys in [start[q], end[q]). Queries and keys are cut into blocks, and a pair of
blocks is visited if any query of the one sees any key of the other. The visits are one list, row by
row, so a loop over it costs what is seen and nothing else, whatever the intervals are.
"""

import dataclasses

import jax
import jax.numpy as jnp

HIDDEN = -1e30  # a logit that no softmax sees; finite, so that an empty interval is not NaN
NOBODY = -1  # stands for a block, where there is none to visit


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Visits:
    """Pairs of blocks, in the order in which they are visited.

    Args:
      row_W: int32, row of each visit.
      outer_W: int32, block that is kept through visits that follow each other; `NOBODY` after the
        last visit.
      inner_W: int32, block that it meets; `NOBODY` where it meets none.
      total: int32 scalar, how many visits there are.
    """

    row_W: jax.Array
    outer_W: jax.Array
    inner_W: jax.Array
    total: jax.Array


def sees(
    start_BL: jax.Array, end_BL: jax.Array, block_queries: int, block_keys: int, memory: int
) -> jax.Array:
    """Says which blocks of keys each block of queries sees anything of.

    Example, blocks of two, causal, two documents of three and one positions:
      start_BL    0 0 0 3
      end_BL      1 2 3 4
      is_seen     1 0
                  1 1

    Args:
      start_BL: int32, first key that each position sees.
      end_BL: int32, one past the last; `start_BL` or less sees nothing.
      block_queries: positions of a block; divides their number.
      block_keys: keys of a block.
      memory: how many keys there are.

    Returns:
      is_seen_BIJ, whether any query of a block sees any key of another.
    """
    rows, length = start_BL.shape
    first_J = jnp.arange(-(-memory // block_keys)) * block_keys
    start_BIXJ, end_BIXJ = (
        edge.reshape(rows, length // block_queries, block_queries, 1) for edge in (start_BL, end_BL)
    )
    past_J = jnp.minimum(first_J + block_keys, memory)
    return jnp.any(jnp.maximum(start_BIXJ, first_J) < jnp.minimum(end_BIXJ, past_J), axis=2)


def visits(is_seen_BIJ: jax.Array, each: bool = False) -> Visits:
    """Lists the pairs of blocks that see each other.

    Example, the blocks of `sees` above:
      outer_W    0 1 1 -1 -1
      inner_W    0 0 1 -1 -1
      total      3

    Args:
      is_seen_BIJ: from `sees`; with its last two dimensions exchanged, key blocks are outermost.
      each: whether every outer block is listed, be it with nothing to meet.

    Returns:
      The visits, one longer than there can be, so that the last can be told from what follows it.
    """
    rows, outer, inner = is_seen_BIJ.shape
    is_listed_BIJ = is_seen_BIJ
    if each:
        is_first_J = jnp.arange(inner) == 0
        is_listed_BIJ |= ~jnp.any(is_seen_BIJ, axis=2, keepdims=True) & is_first_J
    is_listed_W, is_seen_W = is_listed_BIJ.reshape(-1), is_seen_BIJ.reshape(-1)
    # A sort, since TPUs scatter one value at a time.
    place_W = jnp.argsort(~is_listed_W, stable=True).astype(jnp.int32)
    total = jnp.sum(is_listed_W, dtype=jnp.int32)
    is_there_W = jnp.arange(place_W.size) < total
    row_W, block_W = place_W // (outer * inner), place_W // inner % outer
    outer_W = jnp.where(is_there_W, block_W, NOBODY)
    inner_W = jnp.where(is_there_W & is_seen_W[place_W], place_W % inner, NOBODY)
    return Visits(
        jnp.pad(row_W, (0, 1)),
        jnp.pad(outer_W, (0, 1), constant_values=NOBODY),
        jnp.pad(inner_W, (0, 1), constant_values=NOBODY),
        total,
    )


def spread(bias_HW: jax.Array, block_queries: int) -> jax.Array:
    """Writes a bias by distance as a bias of queries and keys.

    Example, two queries and three keys; the last distance is of no pair:
      bias_HW       a b c d -
      bias_HXY      b c d         key 0 lies one behind query 1, and distance 0 is b
                    a b c

    Args:
      bias_HW: of each distance, from that of the last query to the first key on.
      block_queries: how many queries.

    Returns:
      bias_HXY, for as many keys as fill the distances: one less than the distances that there are
      besides those of the queries. By rows of one width written as rows of another, so no index is
      looked up, and its transpose sums over the diagonals in the same way.
    """
    heads, distances = bias_HW.shape
    repeated = jnp.broadcast_to(bias_HW[:, None], (heads, block_queries, distances))
    flat = repeated.reshape(heads, -1)[:, : block_queries * (distances - 1)]
    return flat.reshape(heads, block_queries, distances - 1)[:, :, block_queries - 1 :]


def merge(
    one_BLHK: jax.Array, one_BLH: jax.Array, other_BLHK: jax.Array, other_BLH: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Joins what was read from two memories into what both together would have given.

    Args:
      one_BLHK: what was read from one.
      one_BLH: float32, the log of the sum of its exponentials; `HIDDEN` where nothing was seen.
      other_BLHK: what was read from the other.
      other_BLH: the log of its sum.

    Returns:
      What is read from both, in the dtype of `one_BLHK`, and the log of the sum.

    Source: Rabe & Staats 2021, section 3, for the merging of partial softmaxes.
    """
    both_BLH = jnp.logaddexp(one_BLH, other_BLH)
    share_BLH, rest_BLH = jnp.exp(one_BLH - both_BLH), jnp.exp(other_BLH - both_BLH)
    read_BLHK = one_BLHK * share_BLH[..., None] + other_BLHK * rest_BLH[..., None]
    return read_BLHK.astype(one_BLHK.dtype), both_BLH
