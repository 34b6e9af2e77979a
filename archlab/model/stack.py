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
from archlab.model import position, sight, visibility
from archlab.model.experts import Experts
from archlab.model.heads import Asked, Attention
from archlab.model.layers import SEEN, STATES, Kept, Layer
from archlab.model.mlp import Mlp
from archlab.model.norm import Norm
from archlab.model.sight import Reach, Sights

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
class Memory:
    """What an encoder hands to a decoder: see `Architecture.handed`.

    Args:
      state_BMD: what it ends in, for all layers; or what each of its layers read, layers outermost.
      kept: keys and values of each layer in place of it, layers outermost.
    """

    state_BMD: jax.Array | None
    kept: Kept | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Cache:
    """What a decoder keeps of what it has read; each array has the layers outermost.

    Args:
      own: keys and values of its own positions.
      memory: keys and values of the encoded text; None for a decoder alone.
    """

    own: Kept
    memory: Kept | None = None


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
      hands: what it hands to a layer of another stack: "states", "keys", or "" for nothing.
    """

    hands: str = ""

    @nn.compact
    def __call__(self, x_BLD, cache, nature: Nature, memory, sights: Sights, across: Sights | None):
        """Passes the stream through one layer.

        Args:
          x_BLD: the stream.
          cache: this layer's slice of a `Cache`, or None.
          nature: this layer's own.
          memory: the `Memory` that it reads, or None if there is none or `cache` has it.
          sights: what the positions see of each other.
          across: what they see of the memory; None where there is none.

        Returns:
          The stream; and this layer's slice of the new cache and of the `Memory` that the stack
          hands on, each None if there is none.
        """
        sight = sights.of(nature.is_global)
        near_BLD = self._near(x_BLD, "attention", nature.is_first)
        asked = [Asked(near_BLD, sight, cache and cache.own)]
        others = []
        if across is not None:
            kept = cache.memory if cache else memory.kept
            others = [Asked(memory and memory.state_BMD, across.of(nature.is_global), kept)]
        if self.architecture.merged:
            asked, others = asked + others, []
        read_BLD, kept = Attention(**self.parts, name="attention")(near_BLD, asked)
        handed = {"states": Memory(near_BLD), "keys": Memory(None, kept[0])}.get(self.hands)
        x_BLD = self._sum(x_BLD, read_BLD, "attention")
        if others:
            near_BLD = self._near(x_BLD, "cross")
            read_BLD, more = Attention(**self.parts, name="cross")(near_BLD, others)
            x_BLD, kept = self._sum(x_BLD, read_BLD, "cross"), kept + more
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
        return self.place("x_BLD", x_BLD), (cache and Cache(*kept), handed)

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


class Stack(Layer):
    """Layers of one kind, scanned, and a norm after the last unless each ends in one.

    Called twice it passes two texts through the same weights.

    Attributes:
      depth: how many layers.
      remat: what the gradient computes again: "none", "minimal" (all but products with weights),
        "full" (all but the stream between layers), "offload" (as "minimal"; what is kept goes to
        the host's memory).
      unroll: whether the compiled program repeats the layer instead of looping over it.
    """

    depth: int = 1
    remat: str = "none"
    unroll: bool = False

    @nn.compact
    def __call__(
        self,
        x_BLD: jax.Array,
        stream: Stream,
        sees: str,
        memory: Memory | None = None,
        reach: Reach | None = None,
        cache: Cache | None = None,
        offset: jax.Array | int = 0,
        hands: str = "",
    ) -> tuple[jax.Array, Cache | None, Memory | None]:
        """Passes the stream through all layers.

        Args:
          x_BLD: embedded tokens.
          stream: where their segments lie.
          sees: "causal", "prefix" or "full".
          memory: what the other stack hands; None if there is none, or if `cache` has it.
          reach: where each position finds its inputs in the memory; None if there is none.
          cache: of the positions before `offset`; None where all are read at once.
          offset: place of the first position in its row.
          hands: see `Block`.

        Returns:
          The normalised stream, the cache with these positions in it, and what is handed on.
        """
        if cache is not None and memory is not None and memory.kept is not None:
            memory, cache = None, dataclasses.replace(cache, memory=memory.kept)
        is_after = self.architecture.norm_place == "post"
        x_BLD = self._placed(x_BLD, stream)
        if is_after or self.architecture.embedding_norm:
            x_BLD = Norm(**self.parts, name="embedding_norm")(x_BLD)
        x_BLD = self.dropped(x_BLD)
        block, policy = Block, REMAT[self.remat]
        if policy is not None:
            # Unrolled, the compiler would find what is computed again and keep it instead.
            block = nn.remat(Block, policy=policy, prevent_cse=self.unroll)
        # Checking traces the layer once more, for nothing; but what it draws follows from how often
        # it was traced: the first weights of a seed are to stay what they are, and a run that goes
        # on is to drop what it would have dropped.
        is_drawing = self.has_rng("params") or self.has_rng("dropout")
        layers = nn.scan(
            block,
            variable_axes={"params": 0, SEEN: 0, STATES: 0},
            split_rngs={"params": True, "dropout": True},
            in_axes=(
                *(0, 0, 0 if self.architecture.aligned else nn.broadcast),
                *(nn.broadcast, nn.broadcast),
            ),
            length=self.depth,
            unroll=self.depth if self.unroll else 1,
            check_constancy_invariants=is_drawing,
        )(**self.parts, hands=hands, name="layers")
        bias_HP = self._bias(sees, x_BLD.shape[1], cache, offset)
        given = (self.size, self.architecture, stream)
        sights = sight.own(*given, sees, offset, bias_HP)
        across = None if reach is None else sight.across(*given, reach)
        x_BLD, (cache, handed) = layers(x_BLD, cache, self._natures(), memory, sights, across)
        x_BLD = x_BLD if is_after else Norm(**self.parts, name="norm")(x_BLD)
        return self.dropped(x_BLD), cache, handed

    def _placed(self, x_BLD: jax.Array, stream: Stream) -> jax.Array:
        """The stream with the vectors of its places, where they are learnt."""
        if self.architecture.position != "learned":
            return x_BLD
        place_BLD = jnp.take(self.stored("place_UD", fan_in="D"), stream.position_BL, axis=0)
        return x_BLD + self.enlarged(place_BLD).astype(self.dtype)

    def _natures(self) -> Nature:
        """What tells the layers apart, outermost."""
        numbers = range(self.depth)
        is_global = [self.architecture.is_global(number) for number in numbers]
        is_first = [number == 0 for number in numbers]
        return Nature(
            jnp.asarray(is_global) if self.architecture.is_mixed else None,
            jnp.asarray(is_first) if self.architecture.embedding_norm else None,
        )

    def _bias(
        self, sees: str, length: int, cache: Cache | None, offset: jax.Array | int
    ) -> jax.Array | None:
        """What is added to the attention logits of each distance, where distances are learnt."""
        if self.architecture.position != "relative":
            return None
        memory = length if cache is None else cache.own[0].shape[2]
        distance_P = jnp.arange(length + memory - 1) - (length - 1) - offset
        # One table for both stacks sorts distances as that of them does which looks ahead.
        can_look_ahead = sees in visibility.AHEAD or self.architecture.tied_stacks
        bucket_P = position.bucket(distance_P, self.size.buckets, can_look_ahead)
        table_RH = self.stored("bias_RH", fan_in="D")
        if self.size.ratio != 1:  # else ever less would be known of distances, the wider it is
            table_RH *= self.size.ratio**-0.5
        return table_RH[bucket_P].T
