"""Heads: what a stream asks its memories, and what those answer."""

import dataclasses
import functools
from collections.abc import Sequence

import jax

from archlab.kernels import interval
from archlab.model import position
from archlab.model.layers import Kept, Layer
from archlab.model.norm import HeadNorm
from archlab.model.product import product
from archlab.model.sight import Sight

WEIGHTS = (
    ("query_DHK", "query_bias_HK", "D"),
    ("key_DGK", "key_bias_GK", "D"),
    ("value_DGK", "value_bias_GK", "D"),
    ("out_HKD", "out_bias_D", "HK"),
)


@dataclasses.dataclass(frozen=True)
class Asked:
    """A memory that is asked.

    Args:
      state_BMD: its positions; None asks `kept` alone.
      sight: who sees whom.
      kept: keys and values of positions read before. Those of `state_BMD` are written over them
        from `sight.offset` on.
    """

    state_BMD: jax.Array | None
    sight: Sight
    kept: Kept | None = None


class Attention(Layer):
    """Reads from memories: the stack's own positions, another's, or both at once.

    Each memory is read on its own, and what was read is merged by the log of the sums of their
    exponentials, so that each keeps its own intervals and no row holds both.

    Logits are divided by the root of the head's width for every architecture. T5 leaves that out
    and makes the first query weights smaller by as much: the function at the first step is equal.
    Scaled from a smaller model (`Size.base_kv`), they are divided by the width, and multiplied by
    the root of the smaller one's.

    Source: Yang et al. 2021 (Tensor Programs V), definition 4.1, for the scaling by width.
    """

    def setup(self):
        """Declares the weights, which all memories share."""
        # First weights are drawn in this order, biases among them.
        for weight, bias, letters in WEIGHTS:
            setattr(self, weight, self.weight(weight, fan_in=letters))
            if self.architecture.bias:
                setattr(self, bias, self.bias(bias).astype(self.dtype))
        if self.architecture.qk_norm:
            self.query_norm, self.key_norm = HeadNorm(**self.parts), HeadNorm(**self.parts)

    def __call__(self, x_BLD: jax.Array, asked: Sequence[Asked]) -> tuple[jax.Array, list[Kept]]:
        """Attends.

        Args:
          x_BLD: the positions that ask.
          asked: the memories, one or several; by the first are queries turned.

        Returns:
          What was read, as x_BLD, and the keys and values that were asked of each memory.
        """
        query_BLHK = product("BLD,DHK->BLHK", x_BLD, self.query_DHK)
        query_BLHK = self._evened(self._biased(query_BLHK, "query_bias_HK"), "query_norm")
        if self.size.kv_ratio != 1:
            query_BLHK *= self.size.kv_ratio**0.5
        sight = asked[0].sight
        if sight.turn_K is not None:
            query_BLHK = position.rotate(query_BLHK, sight.position_BL, sight.turn_K)
        query_BLHK = self.place("query_BLHK", query_BLHK)
        kept = [self._kept(one) for one in asked]
        reads = [self._read(query_BLHK, *one) for one in zip(kept, asked, strict=True)]
        read_BLHK, _ = functools.reduce(lambda one, other: interval.merge(*one, *other), reads)
        out_BLD = product("BLHK,HKD->BLD", read_BLHK, self.out_HKD)
        return self._biased(out_BLD, "out_bias_D"), kept

    def _read(self, query_BLHK: jax.Array, kept: Kept, asked: Asked) -> tuple[jax.Array, jax.Array]:
        """What is read of one memory, and the log of the sum."""
        return self.attend(
            query_BLHK,
            *map(self.place, ("key_BMGK", "value_BMGK"), kept),
            asked.sight.start_BL,
            asked.sight.end_BL,
            asked.sight.bias_HP,
            self.architecture.attention_cap,
        )

    def _kept(self, asked: Asked) -> Kept:
        """The keys and values of a memory, written over those that were kept of it."""
        state_BMD, sight = asked.state_BMD, asked.sight
        if state_BMD is None:
            assert asked.kept is not None, "there is neither a memory nor what was kept of one"
            return asked.kept
        key_BMGK = product("BMD,DGK->BMGK", state_BMD, self.key_DGK)
        key_BMGK = self._evened(self._biased(key_BMGK, "key_bias_GK"), "key_norm")
        value_BMGK = product("BMD,DGK->BMGK", state_BMD, self.value_DGK)
        value_BMGK = self._biased(value_BMGK, "value_bias_GK")
        if sight.turn_K is not None:
            key_BMGK = position.rotate(key_BMGK, sight.position_BM, sight.turn_K)
        if asked.kept is None:
            return key_BMGK, value_BMGK
        at = (0, sight.offset, 0, 0)
        return tuple(
            jax.lax.dynamic_update_slice(old, new.astype(old.dtype), at)
            for old, new in zip(asked.kept, (key_BMGK, value_BMGK), strict=True)
        )

    def _biased(self, array: jax.Array, name: str) -> jax.Array:
        """What a product gave, with its bias where the architecture has them."""
        return array + getattr(self, name) if self.architecture.bias else array

    def _evened(self, array: jax.Array, name: str) -> jax.Array:
        """Queries or keys, normalised where the architecture says so."""
        return getattr(self, name)(array) if self.architecture.qk_norm else array
