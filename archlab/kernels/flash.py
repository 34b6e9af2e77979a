"""Attention in O(length) memory: what the implementations that go block by block have in common.

Logits exist for one pair of blocks at a time. The forward pass keeps what was read and the log of
the sum of its exponentials; the backward pass computes each block's logits again from them.

Source: Rabe & Staats 2021, for attention without quadratic memory; Dao et al. 2022
(FlashAttention), algorithms 1 and 4, and appendix B for the backward pass.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Blocks:
    """What a kernel reads: heads before positions, and whole blocks.

    Args:
      query_BHLK: queries; those that fill the last block see nothing.
      key_BGMK: keys; nobody sees those that fill the last block.
      value_BGMK: values.
      start_BL: int32, first key of each interval.
      end_BL: int32, one past the last.
      bias_HP: float32, of each distance from (last query, first key) to (first query, last key),
        and one more; or None.
    """

    query_BHLK: jax.Array
    key_BGMK: jax.Array
    value_BGMK: jax.Array
    start_BL: jax.Array
    end_BL: jax.Array
    bias_HP: jax.Array | None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Answer:
    """What the backward pass reads besides.

    Args:
      slope_BHLK: gradient of what was read.
      log_sum_BHL: float32, from the forward pass.
      drift_BHL: float32, what is taken off the gradient of every weight of a query, so that its
        weights go on summing to one.
    """

    slope_BHLK: jax.Array
    log_sum_BHL: jax.Array
    drift_BHL: jax.Array


@dataclasses.dataclass(frozen=True)
class Kernel:
    """An implementation, with its choices.

    Args:
      forward: `Blocks` and this to what was read, in the dtype of the values, and the log-sums.
      backward: `Blocks`, `Answer` and this to the gradients of queries, keys, values and bias.
      block_queries: queries of a block.
      block_keys: keys of a block.
      cap: bound of the logits; 0 for none.
      options: what only this implementation knows.
    """

    forward: Callable
    backward: Callable
    block_queries: int
    block_keys: int
    cap: float = 0.0
    options: tuple = ()


def even(length: int, most: int, unit: int) -> int:
    """Cuts a length into blocks as even as can be, so that little is filled in.

    Example:
      >>> even(640, 512, 128), even(320, 128, 8)
      (384, 112)

    Args:
      length: to cut.
      most: length of the longest block.
      unit: which a block is a multiple of; divides `most`.

    Returns:
      The length of a block.
    """
    many = -(-length // most)
    return -(-length // (many * unit)) * unit


def blocks(
    query_BLHK: jax.Array,
    key_BMGK: jax.Array,
    value_BMGK: jax.Array,
    start_BL: jax.Array,
    end_BL: jax.Array,
    bias_HP: jax.Array | None,
    kernel: Kernel,
) -> Blocks:
    """Puts heads before positions, and fills the last blocks.

    Args:
      query_BLHK: see `archlab.model.attention.attend`, as for the next five.
      key_BMGK: see there.
      value_BMGK: see there.
      start_BL: see there.
      end_BL: see there.
      bias_HP: see there.
      kernel: whose blocks they are.

    Returns:
      The same, for a kernel.
    """
    more_queries = -query_BLHK.shape[1] % kernel.block_queries
    more_keys = -key_BMGK.shape[1] % kernel.block_keys
    if bias_HP is not None:
        # The distance of the last query comes first, so what fills the queries is before it.
        bias_HP = jnp.pad(bias_HP.astype(jnp.float32), ((0, 0), (more_queries, more_keys + 1)))
    memory = key_BMGK.shape[1]
    return Blocks(
        _filled(query_BLHK, more_queries),
        _filled(key_BMGK, more_keys),
        _filled(value_BMGK, more_keys),
        jnp.pad(jnp.maximum(start_BL, 0), ((0, 0), (0, more_queries))),
        jnp.pad(jnp.minimum(end_BL, memory), ((0, 0), (0, more_queries))),
        bias_HP,
    )


def _filled(array, more):
    """Heads before positions, of which there are `more`."""
    wide = ((0, 0), (0, more)) + ((0, 0),) * (array.ndim - 2)
    return jnp.swapaxes(jnp.pad(array, wide), 1, 2)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def attend(
    kernel: Kernel,
    query_BLHK: jax.Array,
    key_BMGK: jax.Array,
    value_BMGK: jax.Array,
    start_BL: jax.Array,
    end_BL: jax.Array,
    bias_HP: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    """Reads, for each query, a weighted mean of the values in its interval.

    Args:
      kernel: the implementation.
      query_BLHK: see `archlab.model.attention.attend`, as for the next five.
      key_BMGK: see there.
      value_BMGK: see there.
      start_BL: see there.
      end_BL: see there.
      bias_HP: see there.

    Returns:
      out_BLHK in the dtype of the values, and log_sum_BLH, float32.
    """
    return _forward(kernel, query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP)[0]


def _forward(kernel, query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP):
    given = (query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP)
    length = query_BLHK.shape[1]
    out, log_sum = kernel.forward(blocks(*given, kernel), kernel)
    out_BLHK = jnp.swapaxes(out, 1, 2)[:, :length]
    log_sum_BLH = jnp.swapaxes(log_sum, 1, 2)[:, :length]
    return (out_BLHK, log_sum_BLH), (given, out_BLHK, log_sum_BLH)


def _backward(kernel, kept, slopes):
    given, out_BLHK, log_sum_BLH = kept
    slope_BLHK, log_slope_BLH = slopes
    query_BLHK, key_BMGK, value_BMGK, _, _, bias_HP = given
    product_BLHK = slope_BLHK.astype(jnp.float32) * out_BLHK.astype(jnp.float32)
    # The gradient of a log-sum is the weights themselves: it is added to every weight's.
    drift_BLH = jnp.sum(product_BLHK, axis=-1) - log_slope_BLH
    more = -query_BLHK.shape[1] % kernel.block_queries
    answer = Answer(*(_filled(array, more) for array in (slope_BLHK, log_sum_BLH, drift_BLH)))
    query_slope, key_slope, value_slope, bias_slope = kernel.backward(
        blocks(*given, kernel), answer, kernel
    )

    def like(slope, array):
        return jnp.swapaxes(slope, 1, 2)[:, : array.shape[1]].astype(array.dtype)

    if bias_HP is not None:
        bias_slope = bias_slope[:, more : more + bias_HP.shape[1]].astype(bias_HP.dtype)
    return (
        like(query_slope, query_BLHK),
        like(key_slope, key_BMGK),
        like(value_slope, value_BMGK),
        None,
        None,
        bias_slope,
    )


attend.defvjp(_forward, _backward)
