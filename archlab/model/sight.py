"""Sight: what positions see of a memory, and by how much both are turned to know their distance.

A stack sees its own positions, and a decoder those of an encoder too. Where it reads both in one
attention, the encoder's text comes before its own, and both are one text:

                                inputs a b c, targets d e, after the 0 that a decoder begins with
  encoder reads    a b c        at places 0 1 2
  decoder reads    0 d          at places 0 1, or merged 3 4
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from archlab.architecture import Architecture
from archlab.batch import Array, Batch, Stream
from archlab.model import position, visibility
from archlab.size import Size


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sight:
    """What the positions of one stack see in one memory.

    Args:
      position_BL: int32, place in its text of each position, to turn its query by.
      position_BM: int32, place in its text of each position that is asked, to turn its key by; None
        where keys are made already.
      turn_K: float32, angle between two neighbours of each pair of numbers; None turns none.
      start_BL: int32, first memory position that it sees.
      end_BL: int32, one past the last.
      bias_HP: added to the attention logits of each distance; None adds nothing.
      offset: int32 scalar, place in the memory of the first position that is asked.
    """

    position_BL: Array
    position_BM: Array | None
    turn_K: jax.Array | None
    start_BL: Array
    end_BL: Array
    bias_HP: jax.Array | None
    offset: jax.Array | int


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sights:
    """What they see in layers of two kinds.

    Args:
      far: in those that have no window, or in all, where all see alike.
      near: in those that have one; None where all see alike.
    """

    far: Sight
    near: Sight | None = None

    def of(self, is_global: jax.Array | None) -> Sight:
        """Args: is_global: whether a layer has no window. Returns: what it sees."""
        if self.near is None:
            return self.far
        start_BL, end_BL = (
            jnp.where(is_global, getattr(self.far, edge), getattr(self.near, edge))
            for edge in ("start_BL", "end_BL")
        )
        turn_K = self.far.turn_K
        if turn_K is not None:
            turn_K = jnp.where(is_global, turn_K, self.near.turn_K)
        return dataclasses.replace(self.far, start_BL=start_BL, end_BL=end_BL, turn_K=turn_K)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Reach:
    """Where a decoder's positions find the inputs of their segment in an encoder.

    Args:
      start_BL: int32, the first of them.
      end_BL: int32, one past the last; 0 on padding.
      position_BM: int32, place of each position of the encoder within its segment; None where the
        decoder keeps their keys.
    """

    start_BL: Array
    end_BL: Array
    position_BM: Array | None

    def after(self, stream: Stream) -> Stream:
        """Args: stream: of a decoder. Returns: it, at places that go on after the inputs."""
        inputs_BL = self.end_BL - self.start_BL
        return dataclasses.replace(stream, position_BL=stream.position_BL + inputs_BL)


def reach(batch: Batch) -> Reach:
    """Args: batch: with two streams. Returns: what its decoder reaches of its encoder."""
    return Reach(batch.memory_start_BL, batch.memory_end_BL, batch.encoder.position_BL)


def own(
    size: Size,
    architecture: Architecture,
    stream: Stream,
    sees: str,
    offset: jax.Array | int,
    bias_HP: jax.Array | None,
) -> Sights:
    """Says what the positions of a stack see of each other.

    Args:
      size: of the model.
      architecture: of the model.
      stream: what the stack reads.
      sees: "causal", "prefix" or "full".
      offset: place of the stream's first position in its row.
      bias_HP: added to the attention logits of each distance; None adds nothing.

    Returns:
      The same, in layers of both kinds.
    """

    def sight(window: int) -> Sight:
        turn = _turn(size, architecture, window)
        edges = visibility.interval(stream, sees, offset, window)
        return Sight(stream.position_BL, stream.position_BL, turn, *edges, bias_HP, offset)

    return _both(architecture, sight)


def across(size: Size, architecture: Architecture, stream: Stream, reach: Reach) -> Sights:
    """Says what the positions of a decoder see of an encoder.

    Args:
      size: of the model.
      architecture: of the model.
      stream: what the decoder reads; where attention is merged, at places after the inputs.
      reach: where they find their inputs.

    Returns:
      All of the inputs, whatever the distance; or, where attention is merged, what a window lets
      them see of the text that the inputs begin.
    """

    def sight(window: int) -> Sight:
        turn = _turn(size, architecture, window)
        edges = visibility.behind(reach.start_BL, reach.end_BL, stream.position_BL, window)
        return Sight(stream.position_BL, reach.position_BM, turn, *edges, None, 0)

    if architecture.merged:
        return _both(architecture, sight)
    whole = Sight(
        stream.position_BL, reach.position_BM, None, reach.start_BL, reach.end_BL, None, 0
    )
    return Sights(whole)


def _both(architecture: Architecture, sight: Callable[[int], Sight]) -> Sights:
    window = architecture.window
    return Sights(sight(0), sight(window)) if architecture.is_mixed else Sights(sight(window))


def _turn(size: Size, architecture: Architecture, window: int) -> jax.Array | None:
    """By how much neighbours are turned against each other, in a layer with a window or without."""
    if architecture.position != "rope":
        return None
    if window and architecture.local_rotary_base:
        return position.turns(size.kv, architecture.local_rotary_base)
    return position.turns(size.kv, architecture.rotary_base, architecture.rotary_stretch)
