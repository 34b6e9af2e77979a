"""The blocks that every architecture is built of.

A weight is declared once, `self.weight("query_DHK", fan_in="D")`: its letters give its shape
through `Size`, its sharding through the rules of `mesh.py`, and its name in the checkpoint.

Why Linen, and so thinly: only `param`, `scan` and `remat` are used of it. Outside `model/` weights
are plain dicts of arrays. If Linen goes, this folder changes and nothing else.
"""

import dataclasses
import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from archlab import axes
from archlab.architecture import Architecture
from archlab.model import position
from archlab.model.attention import Attend
from archlab.size import Size

EPSILON = 1e-6  # T5 and Llama: added to the mean square before its root

Place = Callable[[str, jax.Array], jax.Array]
Kept = tuple[jax.Array, jax.Array]


def anywhere(name: str, array: jax.Array) -> jax.Array:
    """Leaves an activation where the compiler puts it; the default of `Layer.place`.

    Args:
      name: of the activation, in the alphabet.
      array: the activation.

    Returns:
      The same array.
    """
    return array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sight:
    """What the positions of one stack see in one memory.

    Args:
      position_BL: int32, place within its segment to turn each query and key by; None turns none.
      start_BL: int32, first memory position that it sees.
      end_BL: int32, one past the last.
      bias_HP: added to the attention logits of each distance; None adds nothing.
      offset: int32 scalar, place of the first of these positions in the memory.
    """

    position_BL: jax.Array | None
    start_BL: jax.Array
    end_BL: jax.Array
    bias_HP: jax.Array | None
    offset: jax.Array


class Layer(nn.Module):
    """What all layers share: their size, their dtype, and how they declare a weight.

    Attributes:
      size: extents of every dimension.
      architecture: which ingredients are used.
      dtype: of the computation; weights are float32.
      place: says, by its name, how an activation is split over the mesh.
      attend: reads over intervals, on the mesh.
    """

    size: Size
    architecture: Architecture
    dtype: jnp.dtype = jnp.float32
    place: Place = anywhere
    attend: Attend = Attend()

    @property
    def parts(self) -> dict:
        """The attributes that a layer hands on to the layers inside it."""
        return {
            "size": self.size,
            "architecture": self.architecture,
            "dtype": self.dtype,
            "place": self.place,
            "attend": self.attend,
        }

    def stored(self, name: str, fan_in: str = "") -> jax.Array:
        """Declares a weight, in the words of the alphabet, and gives it as it is stored.

        It is for tables that are looked up. A row that is looked up a thousand times has a thousand
        gradients, and they are summed in the dtype that the table was looked up in.

        Example:
          self.weight("query_DHK", fan_in="D")    # embed × heads × kv, deviation embed ** -0.5

        Args:
          name: what it is called, ending in its letters.
          fan_in: letters of the dimensions that are summed over; their extent sets the deviation
            of the first values. None of them means a scale, which begins at 1.

        Returns:
          The weight, float32.

        Source: LeCun et al. 1998, section 4.6, for the deviation.
        """
        shape = tuple(getattr(self.size, word) for word in axes.words(name))
        if fan_in:
            extent = math.prod(getattr(self.size, axes.WORDS[letter]) for letter in fan_in)
            first = nn.initializers.normal(extent**-0.5)
        else:
            first = nn.initializers.ones
        return self.param(name, first, shape, jnp.float32)

    def weight(self, name: str, fan_in: str = "") -> jax.Array:
        """Declares a weight that activations are multiplied with.

        Args:
          name: see `stored`.
          fan_in: see `stored`.

        Returns:
          The weight in the dtype of the computation.
        """
        return self.stored(name, fan_in).astype(self.dtype)


class Norm(Layer):
    """Divides each position's vector by its root mean square, and scales it.

    Source: Zhang & Sennrich 2019 (RMSNorm), equation 4; T5's layer norm is the same.
    """

    @nn.compact
    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: any scale. Returns: in `dtype`; the mean is taken in float32."""
        wide_BLD = x_BLD.astype(jnp.float32)
        square_BL = jnp.mean(wide_BLD**2, axis=-1)
        wide_BLD *= jax.lax.rsqrt(square_BL + EPSILON)[..., None]
        return wide_BLD.astype(self.dtype) * self.weight("scale_D")


class Attention(Layer):
    """Reads from a memory: the stack's own positions, or another stack's.

    Logits are divided by the root of the head's width for every architecture. T5 leaves that out
    and makes the first query weights smaller by as much: the function at the first step is equal.
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
        if sight.position_BL is not None:
            query_BLHK = position.rotate(query_BLHK, sight.position_BL)
        kept = self._asked(memory_BMD, sight, kept)
        read_BLHK, _ = self.attend(
            self.place("query_BLHK", query_BLHK),
            *map(self.place, ("key_BMGK", "value_BMGK"), kept),
            sight.start_BL,
            sight.end_BL,
            sight.bias_HP,
        )
        out_BLD = jnp.einsum("BLHK,HKD->BLD", read_BLHK, self.weight("out_HKD", fan_in="HK"))
        return out_BLD, kept

    def _asked(self, memory_BMD: jax.Array | None, sight: Sight, kept: Kept | None) -> Kept:
        """The keys and values of a memory, written over those that were kept of it."""
        if memory_BMD is None:
            assert kept is not None, "there is neither a memory nor what was kept of one"
            return kept
        key_BMGK = jnp.einsum("BMD,DGK->BMGK", memory_BMD, self.weight("key_DGK", fan_in="D"))
        value_BMGK = jnp.einsum("BMD,DGK->BMGK", memory_BMD, self.weight("value_DGK", fan_in="D"))
        if sight.position_BL is not None:
            key_BMGK = position.rotate(key_BMGK, sight.position_BL)
        if kept is None:
            return key_BMGK, value_BMGK
        at = (0, sight.offset, 0, 0)
        return tuple(
            jax.lax.dynamic_update_slice(old, new.astype(old.dtype), at)
            for old, new in zip(kept, (key_BMGK, value_BMGK), strict=True)
        )


class Mlp(Layer):
    """The hidden layer: up, activation, down.

    Source: Shazeer 2020 (GLU variants), equations 5 and 6 for the gated kinds.
    """

    @nn.compact
    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: normalised. Returns: what is added to the stream."""
        hidden_BLF = jnp.einsum("BLD,DF->BLF", x_BLD, self.weight("up_DF", fan_in="D"))
        if not self.architecture.is_gated:
            hidden_BLF = jax.nn.relu(hidden_BLF)
        else:
            gate_BLF = jnp.einsum("BLD,DF->BLF", x_BLD, self.weight("gate_DF", fan_in="D"))
            is_swish = self.architecture.activation == "swiglu"
            hidden_BLF *= jax.nn.silu(gate_BLF) if is_swish else jax.nn.gelu(gate_BLF)
        hidden_BLF = self.place("hidden_BLF", hidden_BLF)
        return jnp.einsum("BLF,FD->BLD", hidden_BLF, self.weight("down_FD", fan_in="F"))


class Embedding(Layer):
    """Tokens to vectors, and, where the table is tied, vectors to logits.

    The table begins with deviation embed^-0.5 and what is read off it is multiplied by embed^0.5.
    T5 keeps a table of deviation 1 and divides before the logits: the function is equal.
    """

    def setup(self):
        """Declares the table."""
        self.table_VD = self.stored("table_VD", fan_in="D")

    def read(self, tokens_BL: jax.Array) -> jax.Array:
        """Args: tokens_BL: int32 ids below vocab. Returns: x_BLD, of deviation 1 at first."""
        x_BLD = jnp.take(self.table_VD, tokens_BL, axis=0) * self.size.embed**0.5
        return self.place("x_BLD", x_BLD.astype(self.dtype))

    def score(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: normalised. Returns: logits_BLV, float32."""
        table_VD = self.table_VD.astype(self.dtype)
        return jnp.einsum("BLD,VD->BLV", x_BLD, table_VD, preferred_element_type=jnp.float32)


class Head(Layer):
    """Vectors to logits, where the embedding table is not tied."""

    @nn.compact
    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: normalised. Returns: logits_BLV, float32."""
        return jnp.einsum(
            "BLD,DV->BLV",
            x_BLD,
            self.weight("head_DV", fan_in="D"),
            preferred_element_type=jnp.float32,
        )
