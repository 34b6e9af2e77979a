"""Attention over intervals: position q reads the keys in [start[q], end[q]), and nothing else."""

import jax
import jax.numpy as jnp

HIDDEN = -1e30  # a logit that no softmax sees; finite, so that an empty interval is not NaN


def attend(
    query_BLHK: jax.Array,
    key_BMGK: jax.Array,
    value_BMGK: jax.Array,
    start_BL: jax.Array,
    end_BL: jax.Array,
    bias_HLM: jax.Array | None = None,
) -> jax.Array:
    """Reads, for each query, a weighted mean of the values in its interval.

    One operation serves causal, prefix, full, cross and packed attention: they differ in their
    intervals alone.

    Args:
      query_BLHK: what each position asks.
      key_BMGK: what each memory position answers to; G divides H, and each serves H/G query heads.
      value_BMGK: what it gives.
      start_BL: int32, first key of each interval.
      end_BL: int32, one past the last key; start_BL or less means that nothing is seen.
      bias_HLM: added to the logits, for relative positions; None adds nothing.

    Returns:
      out_BLHK in the dtype of the values; zero where the interval is empty. The softmax is
      computed in float32.

    Source: Vaswani et al. 2017, section 3.2.1; Ainslie et al. 2023 for grouped queries.
    """
    group = query_BLHK.shape[2] // key_BMGK.shape[2]
    key_BMHK = jnp.repeat(key_BMGK, group, axis=2) if group > 1 else key_BMGK
    value_BMHK = jnp.repeat(value_BMGK, group, axis=2) if group > 1 else value_BMGK
    logit_BHLM = jnp.einsum(
        "BLHK,BMHK->BHLM", query_BLHK, key_BMHK, preferred_element_type=jnp.float32
    )
    logit_BHLM *= query_BLHK.shape[-1] ** -0.5
    if bias_HLM is not None:
        logit_BHLM += bias_HLM.astype(jnp.float32)
    memory_M = jnp.arange(key_BMGK.shape[1])
    is_seen_BLM = (memory_M >= start_BL[:, :, None]) & (memory_M < end_BL[:, :, None])
    logit_BHLM = jnp.where(is_seen_BLM[:, None], logit_BHLM, HIDDEN)
    weight_BHLM = jax.nn.softmax(logit_BHLM, axis=-1) * is_seen_BLM[:, None]
    return jnp.einsum("BHLM,BMHK->BLHK", weight_BHLM.astype(value_BMHK.dtype), value_BMHK)
