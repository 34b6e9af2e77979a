"""Attention with all its logits at once: the fastest for short rows, and quadratic in memory."""

import jax
import jax.numpy as jnp

from archlab.kernels.interval import HIDDEN, spread


def attend(
    query_BLHK: jax.Array,
    key_BMGK: jax.Array,
    value_BMGK: jax.Array,
    start_BL: jax.Array,
    end_BL: jax.Array,
    bias_HP: jax.Array | None = None,
    cap: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """Reads, for each query, a weighted mean of the values in its interval.

    Args:
      query_BLHK: see `archlab.model.attention.attend`, as for all others.
      key_BMGK: see there.
      value_BMGK: see there.
      start_BL: see there.
      end_BL: see there.
      bias_HP: see there.
      cap: see there.

    Returns:
      out_BLHK in the dtype of the values, and log_sum_BLH, float32.

    Source: Vaswani et al. 2017, section 3.2.1; Ainslie et al. 2023 for grouped queries.
    """
    rows, length, heads, width = query_BLHK.shape
    memory, key_heads = key_BMGK.shape[1:3]
    query_BLGQK = query_BLHK.reshape(rows, length, key_heads, -1, width)
    logit_BGQLM = jnp.einsum(
        "BLGQK,BMGK->BGQLM", query_BLGQK, key_BMGK, preferred_element_type=jnp.float32
    )
    logit_BHLM = logit_BGQLM.reshape(rows, heads, length, memory) * width**-0.5
    if cap:
        logit_BHLM = cap * jnp.tanh(logit_BHLM / cap)
    if bias_HP is not None:
        bias_HW = jnp.pad(bias_HP.astype(jnp.float32), ((0, 0), (0, 1)))
        logit_BHLM += spread(bias_HW, length)
    memory_M = jnp.arange(memory)
    is_seen_BLM = (memory_M >= start_BL[:, :, None]) & (memory_M < end_BL[:, :, None])
    logit_BHLM = jnp.where(is_seen_BLM[:, None], logit_BHLM, HIDDEN)
    weight_BHLM = jax.nn.softmax(logit_BHLM, axis=-1) * is_seen_BLM[:, None]
    weight_BGQLM = weight_BHLM.astype(value_BMGK.dtype).reshape(logit_BGQLM.shape)
    out_BLGQK = jnp.einsum("BGQLM,BMGK->BLGQK", weight_BGQLM, value_BMGK)
    log_sum_BHL = jax.nn.logsumexp(logit_BHLM, axis=-1)
    return out_BLGQK.reshape(query_BLHK.shape), jnp.swapaxes(log_sum_BHL, 1, 2)
