"""What a TPU's kernel computes of one pair of blocks, from what it was given by name.

Keys are outermost, [Y, X]: what belongs to a query (its interval, its greatest logit, its log-sum)
is then one row of lanes, and a reduction over keys goes across registers.
"""

import jax
import jax.numpy as jnp
from jax.experimental.pallas import tpu as pltpu


def product(one: jax.Array, other: jax.Array, one_summed: int, other_summed: int) -> jax.Array:
    """Multiplies two matrices, as exactly as they are given.

    Args:
      one: a matrix; of float32 it is multiplied as float32, which a TPU would round to bfloat16.
      other: a matrix of the same dtype.
      one_summed: which of its dimensions is summed over.
      other_summed: which of the other's.

    Returns:
      The product, float32.
    """
    is_wide = one.dtype == jnp.float32
    return jax.lax.dot_general(
        one,
        other,
        (((one_summed,), (other_summed,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST if is_wide else jax.lax.Precision.DEFAULT,
        preferred_element_type=jnp.float32,
    )


def spread(bias_1W: jax.Array) -> jax.Array:
    """Writes a bias by distance as a bias of keys and queries.

    Each key's row is that of the key before it, one lane on.

    Args:
      bias_1W: of twice as many distances as there are queries, the greatest first; of no pair is
        the first.

    Returns:
      bias_YX, for as many keys as queries.
    """
    block = bias_1W.shape[1] // 2
    bias_YW = jnp.broadcast_to(bias_1W, (block, 2 * block))
    return pltpu.roll(bias_YW, 0, 1, stride=1, stride_axis=0)[:, block:]


def gathered(slope_YX: jax.Array) -> jax.Array:
    """Sums over the diagonals: the transpose of `spread`.

    Half of the rows is moved onto the other, and again, so that nearly all moves are of few rows.

    Args:
      slope_YX: gradient of the bias of keys and queries.

    Returns:
      slope_1W, gradient of the bias by distance.
    """
    block = slope_YX.shape[0]
    sums = jnp.concatenate([jnp.zeros_like(slope_YX), slope_YX], axis=1)

    def back(part, lanes):
        return pltpu.roll(part, 2 * block - lanes, 1) if lanes else part

    while sums.shape[0] % 2 == 0:
        half = sums.shape[0] // 2
        sums = sums[:half] + back(sums[half:], half)
    return sum(back(sums[row : row + 1], row) for row in range(sums.shape[0]))


def logits(refs: dict, cap: float) -> tuple[jax.Array, jax.Array | float]:
    """Computes the logits of two blocks.

    Args:
      refs: "query", "key", and in "bias" the two blocks of distances, or none.
      cap: bound of the logits; 0 for none.

    Returns:
      logit_YX, float32, and the share of a gradient that the cap lets through.
    """
    query_XK, key_YK = refs["query"][...], refs["key"][...]
    logit_YX = product(key_YK, query_XK, 1, 1) * query_XK.shape[1] ** -0.5
    passed_YX: jax.Array | float = 1.0
    if cap:
        tanh_YX = jnp.tanh(logit_YX / cap)
        logit_YX, passed_YX = cap * tanh_YX, 1 - tanh_YX**2
    if refs["bias"]:
        logit_YX += spread(jnp.concatenate([ref[...] for ref in refs["bias"]], axis=1))
    return logit_YX, passed_YX


def seen(refs: dict, key_block: jax.Array) -> jax.Array:
    """Says which keys of a block each query of a block sees.

    Args:
      refs: "start" and "end".
      key_block: number of the block of keys.

    Returns:
      is_seen_YX.
    """
    start_1X, end_1X = refs["start"][...], refs["end"][...]
    block = start_1X.shape[1]
    place_YX = key_block * block + jax.lax.broadcasted_iota(jnp.int32, (block, block), 0)
    return (place_YX >= start_1X) & (place_YX < end_1X)


def slopes(
    refs: dict, cap: float, key_block: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | float]:
    """Computes the weights of two blocks again, and the gradients of their logits.

    Args:
      refs: those of `logits` and `seen`, "value", "slope", "log_sum" and "drift".
      cap: bound of the logits; 0 for none.
      key_block: number of the block of keys.

    Returns:
      weight_YX, the gradients after the cap, and the share of them that the cap lets through.

    Source: Dao et al. 2022 (FlashAttention), appendix B.2.
    """
    logit_YX, passed_YX = logits(refs, cap)
    weight_YX = jnp.exp(logit_YX - refs["log_sum"][...])
    weight_YX = jnp.where(seen(refs, key_block), weight_YX, 0.0)
    value_slope_YX = product(refs["value"][...], refs["slope"][...], 1, 1)
    return weight_YX, weight_YX * (value_slope_YX - refs["drift"][...]), passed_YX
