"""Heads: what a stream asks a memory, and what that answers."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from archlab.model import position
from archlab.model.layers import Kept, Layer, Sight
from archlab.model.norm import HeadNorm


class Attention(Layer):
    """Reads from a memory: the stack's own positions, or another stack's.

    Logits are divided by the root of the head's width for every architecture. T5 leaves that out
    and makes the first query weights smaller by as much: the function at the first step is equal.
    Scaled from a smaller model (`Size.base_kv`), they are divided by the width, and multiplied by
    the root of the smaller one's.

    Source: Yang et al. 2021 (Tensor Programs V), definition 4.1, for the scaling by width.
    """

    @nn.compact
    def __call__(
        self,
        x_BLD: jax.Array,
        memory_BMD: jax.Array | None,
        sight: Sight,
        kept: Kept | None = None,
    ) -> tuple[jax.Array, Kept]:
        """Attends.

        Args:
          x_BLD: the positions that ask.
          memory_BMD: the positions that are asked, which may be `x_BLD`; None asks `kept` alone.
          sight: who sees whom.
          kept: keys and values of positions read before. Those of `memory_BMD` are written over
            them from `sight.offset` on.

        Returns:
          What was read, as x_BLD, and the keys and values that were asked.
        """
        query_BLHK = jnp.einsum("BLD,DHK->BLHK", x_BLD, self.weight("query_DHK", fan_in="D"))
        query_BLHK = self._evened(self.biased(query_BLHK, "query_bias_HK"), "query_norm")
        if self.size.kv_ratio != 1:
            query_BLHK *= self.size.kv_ratio**0.5
        if sight.position_BL is not None:
            query_BLHK = position.rotate(query_BLHK, sight.position_BL, sight.turn_K)
        kept = self._asked(memory_BMD, sight, kept)
        read_BLHK, _ = self.attend(
            self.place("query_BLHK", query_BLHK),
            *map(self.place, ("key_BMGK", "value_BMGK"), kept),
            sight.start_BL,
            sight.end_BL,
            sight.bias_HP,
            self.architecture.attention_cap,
        )
        out_BLD = jnp.einsum("BLHK,HKD->BLD", read_BLHK, self.weight("out_HKD", fan_in="HK"))
        return self.biased(out_BLD, "out_bias_D"), kept

    def _asked(self, memory_BMD: jax.Array | None, sight: Sight, kept: Kept | None) -> Kept:
        """The keys and values of a memory, written over those that were kept of it."""
        if memory_BMD is None:
            assert kept is not None, "there is neither a memory nor what was kept of one"
            return kept
        key_BMGK = jnp.einsum("BMD,DGK->BMGK", memory_BMD, self.weight("key_DGK", fan_in="D"))
        key_BMGK = self._evened(self.biased(key_BMGK, "key_bias_GK"), "key_norm")
        value_BMGK = jnp.einsum("BMD,DGK->BMGK", memory_BMD, self.weight("value_DGK", fan_in="D"))
        value_BMGK = self.biased(value_BMGK, "value_bias_GK")
        if sight.position_BL is not None:
            key_BMGK = position.rotate(key_BMGK, sight.position_BL, sight.turn_K)
        if kept is None:
            return key_BMGK, value_BMGK
        at = (0, sight.offset, 0, 0)
        return tuple(
            jax.lax.dynamic_update_slice(old, new.astype(old.dtype), at)
            for old, new in zip(kept, (key_BMGK, value_BMGK), strict=True)
        )

    def _evened(self, array: jax.Array, name: str) -> jax.Array:
        """Queries or keys, normalised where the architecture says so."""
        return HeadNorm(**self.parts, name=name)(array) if self.architecture.qk_norm else array
