"""What all layers share: how a weight is declared, and what is handed from one to the next.

A weight is declared once, `self.weight("query_DHK", fan_in="D")`: its letters give its shape
through `Size`, its sharding through the rules of `mesh.py`, and its name in the checkpoint.

Why Linen, and so thinly: only `param`, `scan` and `remat` are used of it. Outside `model/` weights
are plain dicts of arrays. If Linen goes, this folder changes and nothing else.
"""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from archlab import axes
from archlab.architecture import Architecture
from archlab.model.attention import Attend
from archlab.size import Size

SEEN = "seen"  # the collection in which layers leave what is asked of them, if anybody asks
STATES = "states"  # that in which they leave all that they make
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


class Layer(nn.Module):
    """What all layers share: their size, their dtype, and how they declare a weight.

    Attributes:
      size: extents of every dimension.
      architecture: which ingredients are used.
      dtype: of the computation; weights are float32.
      place: says, by its name, how an activation is split over the mesh.
      attend: reads over intervals, on the mesh.
      dropout: share of an activation's values that is hidden while it is learnt from: where the
        model is applied with randomness called "dropout", and nowhere else.
    """

    size: Size
    architecture: Architecture
    dtype: jnp.dtype = jnp.float32
    place: Place = anywhere
    attend: Attend = Attend()
    dropout: float = 0.0

    @property
    def parts(self) -> dict:
        """The attributes that a layer hands on to the layers inside it."""
        return {
            "size": self.size,
            "architecture": self.architecture,
            "dtype": self.dtype,
            "place": self.place,
            "attend": self.attend,
            "dropout": self.dropout,
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

    def biased(self, array: jax.Array, name: str) -> jax.Array:
        """Adds a bias, where the architecture has them; it begins at 0.

        Args:
          array: what a product gave; its last dimensions are those of the bias.
          name: of the bias, ending in its letters.

        Returns:
          The sum, or the array as it is.
        """
        if not self.architecture.bias:
            return array
        return array + self.bias(name).astype(self.dtype)

    def bias(self, name: str) -> jax.Array:
        """Declares what is added to activations.

        Args:
          name: what it is called, ending in its letters.

        Returns:
          The bias, float32; zeros at first.
        """
        shape = tuple(getattr(self.size, word) for word in axes.words(name))
        return self.param(name, nn.initializers.zeros, shape, jnp.float32)

    def enlarged(self, x_BLD: jax.Array) -> jax.Array:
        """Multiplies what was read off a table, where the architecture says so.

        Args:
          x_BLD: rows of the table, float32.

        Returns:
          The same, times the root of the width or as they are.
        """
        return x_BLD * self.size.embed**0.5 if self.architecture.scaled else x_BLD

    def dropped(self, array: jax.Array) -> jax.Array:
        """Hides some of the values while there is learning, and makes up for them.

        Args:
          array: an activation.

        Returns:
          The same on average over all draws.

        Source: Srivastava et al. 2014, section 4; scaled while learning, not after it.
        """
        if not self.dropout or not self.has_rng("dropout"):
            return array
        is_kept = jax.random.bernoulli(self.make_rng("dropout"), 1 - self.dropout, array.shape)
        return jnp.where(is_kept, array / (1 - self.dropout), 0)
