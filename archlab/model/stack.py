"""A stack: blocks of one kind, one after another, and what its positions see.

Weights are stacked over the layers of a stack and scanned, so that compiling takes the same time
at any depth; `unroll` changes the program and not the checkpoint. What differs from layer to layer
(windows) is therefore no other program but other numbers: a layer is handed both intervals and
says which is its own, and kernels visit what that one holds.
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from archlab.batch import Stream
from archlab.model import position, visibility
from archlab.model.experts import Experts
from archlab.model.heads import Attention
from archlab.model.layers import SEEN, STATES, Kept, Layer, Sight
from archlab.model.mlp import Mlp
from archlab.model.norm import Norm

HOST = "pinned_host"  # the memory of a host that its accelerators write to


def _but_wider(policy: Callable) -> Callable:
    """The same policy, but for products of which more bits come out than went in.

    They are with no weight: in bfloat16 numbers change places so (`position.rotate`).
    """

    def kept(primitive, *given, **how):
        wanted = how.get("preferred_element_type")
        is_wider = wanted is not None and wanted != given[0].dtype
        return False if is_wider else policy(primitive, *given, **how)

    return kept


REMAT = {
    "none": None,
    "minimal": _but_wider(jax.checkpoint_policies.checkpoint_dots_with_no_batch_dims),
    "full": jax.checkpoint_policies.nothing_saveable,
    "offload": _but_wider(jax.checkpoint_policies.offload_dot_with_no_batch_dims("device", HOST)),
}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Cache:
    """What a decoder keeps of what it has read; each array has the layers outermost.

    Args:
      own: keys and values of its own positions.
      memory: keys and values of the encoded text; None for a decoder alone.
    """

    own: Kept
    memory: Kept | None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Nature:
    """What tells a layer from others of its stack.

    Args:
      is_global: bool scalar, whether it sees past the window; None where all layers see alike.
      is_first: bool scalar, whether it reads a stream that was normalised already; None where none
        does.
    """

    is_global: jax.Array | None
    is_first: jax.Array | None


class Block(Layer):
    """One layer of a stack: attention, attention to another stack, mlp.

    Attributes:
      crosses: whether it reads the other stack's memory.
    """

    crosses: bool = False

    @nn.compact
    def __call__(self, x_BLD, cache, nature: Nature, memory_BMD, sights, cross: Sight | None):
        """Passes the stream through one layer.

        Args:
          x_BLD: the stream.
          cache: this layer's slice of a `Cache`, or None.
          nature: this layer's own.
          memory_BMD: what the other stack made, or None.
          sights: what the positions see of each other: in a global layer, and in another.
          cross: what they see of the memory.

        Returns:
          The stream, and this layer's slice of the new cache, None if there was none.
        """
        sight = _own(nature, *sights)
        near_BLD = self._near(x_BLD, "attention", nature.is_first)
        read_BLD, own = Attention(**self.parts, name="attention")(
            near_BLD, near_BLD, sight, cache and cache.own
        )
        x_BLD = self._sum(x_BLD, read_BLD, "attention")
        memory = None
        if self.crosses:
            near_BLD = self._near(x_BLD, "cross")
            read_BLD, memory = Attention(**self.parts, name="cross")(
                near_BLD, memory_BMD, cross, cache and cache.memory
            )
            x_BLD = self._sum(x_BLD, read_BLD, "cross")
        if not self.architecture.parallel:
            near_BLD = self._near(x_BLD, "mlp")
        if self.size.experts:
            experts = Experts(**self.parts, name="experts")
            made_BLD = experts(near_BLD, sight.end_BL > sight.start_BL)
        else:
            made_BLD = Mlp(**self.parts, name="mlp")(near_BLD)
        x_BLD = self._sum(x_BLD, made_BLD, "mlp")
        self.sow(SEEN, "stream", jnp.mean(x_BLD.astype(jnp.float32) ** 2))
        self.sow(STATES, "stream", x_BLD)
        return self.place("x_BLD", x_BLD), cache and Cache(own, memory)

    def _near(self, x_BLD: jax.Array, name: str, is_first: jax.Array | None = None) -> jax.Array:
        """What a sublayer reads of the stream."""
        if self.architecture.norm_place == "post":
            return x_BLD
        near_BLD = Norm(**self.parts, name=f"{name}_norm")(x_BLD)
        return near_BLD if is_first is None else jnp.where(is_first, x_BLD, near_BLD)

    def _sum(self, x_BLD: jax.Array, more_BLD: jax.Array, name: str) -> jax.Array:
        """The stream with what a sublayer adds."""
        if self.architecture.norm_place == "both":
            more_BLD = Norm(**self.parts, name=f"{name}_post_norm")(more_BLD)
        x_BLD += self.dropped(more_BLD)
        is_after = self.architecture.norm_place == "post"
        return Norm(**self.parts, name=f"{name}_norm")(x_BLD) if is_after else x_BLD


def _own(nature: Nature, far: Sight, near: Sight | None) -> Sight:
    """What the positions see in one layer."""
    if near is None:
        return far
    start_BL, end_BL = (
        jnp.where(nature.is_global, getattr(far, edge), getattr(near, edge))
        for edge in ("start_BL", "end_BL")
    )
    turn_K = far.turn_K
    if turn_K is not None:
        turn_K = jnp.where(nature.is_global, turn_K, near.turn_K)
    return dataclasses.replace(far, start_BL=start_BL, end_BL=end_BL, turn_K=turn_K)


class Stack(Layer):
    """Layers of one kind, scanned, and a norm after the last unless each ends in one.

    Attributes:
      depth: how many layers.
      visibility: "causal", "prefix" or "full".
      crosses: whether its layers read the other stack's memory.
      remat: what the gradient computes again: "none", "minimal" (all but products with weights),
        "full" (all but the stream between layers), "offload" (as "minimal"; what is kept goes to
        the host's memory).
      unroll: whether the compiled program repeats the layer instead of looping over it.
    """

    depth: int = 1
    visibility: str = "causal"
    crosses: bool = False
    remat: str = "none"
    unroll: bool = False

    @nn.compact
    def __call__(
        self,
        x_BLD: jax.Array,
        stream: Stream,
        memory_BMD: jax.Array | None = None,
        cross: Sight | None = None,
        cache: Cache | None = None,
        offset: jax.Array | int = 0,
    ) -> tuple[jax.Array, Cache | None]:
        """Passes the stream through all layers.

        Args:
          x_BLD: embedded tokens.
          stream: where their segments lie.
          memory_BMD: what the other stack made; None if there is none, or if `cache` has it.
          cross: what each position sees of the memory.
          cache: of the positions before `offset`; None where all are read at once.
          offset: place of the first position in its row.

        Returns:
          The normalised stream, and the cache with these positions in it.
        """
        memory = x_BLD.shape[1] if cache is None else cache.own[0].shape[2]
        is_after = self.architecture.norm_place == "post"
        x_BLD = self._placed(x_BLD, stream)
        if is_after or self.architecture.embedding_norm:
            x_BLD = Norm(**self.parts, name="embedding_norm")(x_BLD)
        x_BLD = self.dropped(x_BLD)
        block, policy = Block, REMAT[self.remat]
        if policy is not None:
            # Unrolled, the compiler would find what is computed again and keep it instead.
            block = nn.remat(Block, policy=policy, prevent_cse=self.unroll)
        layers = nn.scan(
            block,
            variable_axes={"params": 0, SEEN: 0, STATES: 0},
            split_rngs={"params": True, "dropout": True},
            in_axes=(0, 0, nn.broadcast, nn.broadcast, nn.broadcast),
            length=self.depth,
            unroll=self.depth if self.unroll else 1,
        )(**self.parts, crosses=self.crosses, name="layers")
        sights = self._sights(stream, memory, offset)
        x_BLD, cache = layers(x_BLD, cache, self._natures(), memory_BMD, sights, cross)
        x_BLD = x_BLD if is_after else Norm(**self.parts, name="norm")(x_BLD)
        return self.dropped(x_BLD), cache

    def _placed(self, x_BLD: jax.Array, stream: Stream) -> jax.Array:
        """The stream with the vectors of its places, where they are learnt."""
        if self.architecture.position != "learned":
            return x_BLD
        place_BLD = jnp.take(self.stored("place_UD", fan_in="D"), stream.position_BL, axis=0)
        return x_BLD + self.enlarged(place_BLD).astype(self.dtype)

    @property
    def _is_mixed(self) -> bool:
        """Whether some layers have a window and others none."""
        return bool(self.architecture.window and self.architecture.global_every)

    def _natures(self) -> Nature:
        """What tells the layers apart, outermost."""
        numbers = range(self.depth)
        is_global = [self.architecture.is_global(number) for number in numbers]
        is_first = [number == 0 for number in numbers]
        return Nature(
            jnp.asarray(is_global) if self._is_mixed else None,
            jnp.asarray(is_first) if self.architecture.embedding_norm else None,
        )

    def _sights(self, stream: Stream, memory: int, offset: jax.Array | int):
        """What the positions of a stream see of their own stack, without a window and with it."""
        bias_HP = None
        if self.architecture.position == "relative":
            length = stream.tokens_BL.shape[1]
            distance_P = jnp.arange(length + memory - 1) - (length - 1) - offset
            can_look_ahead = self.visibility in visibility.AHEAD
            bucket_P = position.bucket(distance_P, self.size.buckets, can_look_ahead)
            table_RH = self.stored("bias_RH", fan_in="D")
            if self.size.ratio != 1:  # else ever less would be known of distances, the wider it is
                table_RH *= self.size.ratio**-0.5
            bias_HP = table_RH[bucket_P].T

        def sight(window: int) -> Sight:
            base, stretch = self.architecture.rotary_base, self.architecture.rotary_stretch
            if window and self.architecture.local_rotary_base:
                base, stretch = self.architecture.local_rotary_base, None
            is_turned = self.architecture.position == "rope"
            return Sight(
                stream.position_BL if is_turned else None,
                position.turns(self.size.kv, base, stretch) if is_turned else None,
                *visibility.interval(stream, self.visibility, offset, window),
                bias_HP,
                offset,
            )

        window = self.architecture.window
        return (sight(0), sight(window)) if self._is_mixed else (sight(window), None)
