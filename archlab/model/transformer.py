"""The transformer: one or two stacks of the same blocks, as the architecture declares.

The causal and the prefix decoder have the same weights, so a run may pass from one to the other.
Weights are stacked over the layers of a stack and scanned, so that compiling takes the same time
at any depth; `unroll` changes the program and not the checkpoint.
"""

import dataclasses
import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from archlab import batch as rows
from archlab import mesh
from archlab.architecture import Architecture
from archlab.batch import Batch, Stream
from archlab.model import layers, position, visibility
from archlab.model.layers import Kept, Sight
from archlab.size import Size

HOST = "pinned_host"  # the memory of a host that its accelerators write to
REMAT = {
    "none": None,
    "minimal": jax.checkpoint_policies.checkpoint_dots_with_no_batch_dims,
    "full": jax.checkpoint_policies.nothing_saveable,
    "offload": jax.checkpoint_policies.offload_dot_with_no_batch_dims("device", HOST),
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


class Block(layers.Layer):
    """One layer of a stack: attention, attention to another stack, mlp.

    Attributes:
      crosses: whether it reads the other stack's memory.
    """

    crosses: bool = False

    @nn.compact
    def __call__(self, x_BLD, cache, memory_BMD, sight: Sight, cross: Sight | None):
        """Passes the stream through one layer.

        Args:
          x_BLD: the stream.
          cache: this layer's slice of a `Cache`, or None.
          memory_BMD: what the other stack made, or None.
          sight: what the positions see of each other.
          cross: what they see of the memory.

        Returns:
          The stream, and this layer's slice of the new cache, None if there was none.
        """
        near_BLD = layers.Norm(**self.parts, name="attention_norm")(x_BLD)
        read_BLD, own = layers.Attention(**self.parts, name="attention")(
            near_BLD, near_BLD, sight, cache and cache.own
        )
        x_BLD += read_BLD
        memory = None
        if self.crosses:
            near_BLD = layers.Norm(**self.parts, name="cross_norm")(x_BLD)
            read_BLD, memory = layers.Attention(**self.parts, name="cross")(
                near_BLD, memory_BMD, cross, cache and cache.memory
            )
            x_BLD += read_BLD
        near_BLD = layers.Norm(**self.parts, name="mlp_norm")(x_BLD)
        x_BLD += layers.Mlp(**self.parts, name="mlp")(near_BLD)
        return self.place("x_BLD", x_BLD), cache and Cache(own, memory)


class Stack(layers.Layer):
    """Layers of one kind, scanned, and a norm after the last.

    Attributes:
      visibility: "causal", "prefix" or "full".
      crosses: whether its layers read the other stack's memory.
      remat: what the gradient computes again: "none", "minimal" (all but products with weights),
        "full" (all but the stream between layers), "offload" (as "minimal"; what is kept goes to
        the host's memory).
      unroll: whether the compiled program repeats the layer instead of looping over it.
    """

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
        sight = self._sight(stream, memory, offset)
        block, policy = Block, REMAT[self.remat]
        if policy is not None:
            # Unrolled, the compiler would find what is computed again and keep it instead.
            block = nn.remat(Block, policy=policy, prevent_cse=self.unroll)
        x_BLD, cache = nn.scan(
            block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=(0, nn.broadcast, nn.broadcast, nn.broadcast),
            length=self.size.layers,
            unroll=self.size.layers if self.unroll else 1,
        )(**self.parts, crosses=self.crosses, name="layers")(x_BLD, cache, memory_BMD, sight, cross)
        return layers.Norm(**self.parts, name="norm")(x_BLD), cache

    def _sight(self, stream: Stream, memory: int, offset: jax.Array | int) -> Sight:
        """What the positions of a stream see of their own stack."""
        start_BL, end_BL = visibility.interval(stream, self.visibility, offset)
        bias_HP = None
        if self.architecture.position == "relative":
            length = stream.tokens_BL.shape[1]
            distance_P = jnp.arange(length + memory - 1) - (length - 1) - offset
            can_look_ahead = self.visibility in visibility.AHEAD
            bucket_P = position.bucket(distance_P, self.size.buckets, can_look_ahead)
            bias_HP = self.stored("bias_RH", fan_in="D")[bucket_P].T
        is_turned = self.architecture.position == "rope"
        return Sight(stream.position_BL if is_turned else None, start_BL, end_BL, bias_HP, offset)


class Transformer(layers.Layer):
    """`Batch` to logits, for every architecture.

    Example, a batch of two rows through a decoder:
      model = Transformer(size, architecture)
      weights = model.init(key, batch)["params"]
      logits_BLV = model.apply({"params": weights}, batch)

    Attributes:
      remat: see `Stack`.
      unroll: see `Stack`.
    """

    remat: str = "none"
    unroll: bool = False

    @property
    def precision(self) -> str:
        """How exactly products are to be computed, for `jax.default_matmul_precision`.

        Accelerators multiply float32 in fewer bits unless they are told not to.
        """
        return "highest" if self.dtype == jnp.float32 else "default"

    def setup(self):
        """Declares the stacks that the architecture names."""
        stack = {**self.parts, "remat": self.remat, "unroll": self.unroll}
        crosses = len(self.architecture.stacks) == 2
        self.embedding = layers.Embedding(**self.parts)
        if "encoder" in self.architecture.stacks:
            self.encoder = Stack(**stack, visibility="full")
        if "decoder" in self.architecture.stacks:
            self.decoder = Stack(**stack, visibility=self.architecture.visibility, crosses=crosses)
        if not self.architecture.tied:
            self.head = layers.Head(**self.parts)

    def __call__(self, batch: Batch) -> jax.Array:
        """Scores every token of the vocabulary at every position.

        Args:
          batch: rows, with the streams that the architecture reads.

        Returns:
          logits_BLV, float32, for `batch.target_BL`.
        """
        return self.score(self.read(batch))

    def read(self, batch: Batch) -> jax.Array:
        """Passes the rows through all stacks.

        Args:
          batch: rows, with the streams that the architecture reads.

        Returns:
          x_BLD, of which `score` makes logits for `batch.target_BL`.
        """
        if "encoder" not in self.architecture.stacks:
            return self.decode(batch.decoder)[0]
        memory_BMD = self.encode(batch.encoder)
        if "decoder" not in self.architecture.stacks:
            return memory_BMD
        edges = (batch.memory_start_BL, batch.memory_end_BL)
        return self.decode(batch.decoder, memory_BMD, edges)[0]

    def encode(self, stream: Stream) -> jax.Array:
        """Reads a text in full view.

        Args:
          stream: what the encoder reads.

        Returns:
          memory_BMD, normalised.
        """
        return self.encoder(self.embedding.read(stream.tokens_BL), stream)[0]

    def decode(
        self,
        stream: Stream,
        memory_BMD: jax.Array | None = None,
        edges: tuple[jax.Array, jax.Array] | None = None,
        cache: Cache | None = None,
        offset: jax.Array | int = 0,
    ) -> tuple[jax.Array, Cache | None]:
        """Reads a text from its beginning on.

        Args:
          stream: what the decoder reads.
          memory_BMD: from `encode`; None for a decoder alone, or when `cache` has it.
          edges: for each position, the first memory position it sees and one past the last.
          cache: of the positions before `offset`, to read a row piece by piece.
          offset: place of the stream's first position in its row.

        Returns:
          x_BLD, of which `score` makes logits, and the cache with these positions in it.
        """
        cross = None if edges is None else Sight(None, *edges, None, 0)
        x_BLD = self.embedding.read(stream.tokens_BL)
        return self.decoder(x_BLD, stream, memory_BMD, cross, cache, offset)

    def score(self, x_BLD: jax.Array) -> jax.Array:
        """Scores every token of the vocabulary.

        Args:
          x_BLD: the last stack's output.

        Returns:
          logits_BLV, float32.
        """
        logits_BLV = self.embedding.score(x_BLD) if self.architecture.tied else self.head(x_BLD)
        return self.place("logits_BLV", logits_BLV)


def table(architecture: Architecture, weights: dict) -> jax.Array:
    """Args: architecture, weights: of a model. Returns: table_VD, for its logits."""
    if architecture.tied:
        return weights["embedding"]["table_VD"]
    return weights["head"]["head_DV"].T


@functools.cache
def parameters(size: Size, architecture: Architecture) -> dict[str, int]:
    """Counts the weights, array by array, without making them.

    Example:
      >>> tiny = Size(layers=1, embed=8, mlp=16, heads=2, kv=4, vocab=32)
      >>> parameters(tiny, Architecture("encoder"))["embedding/table_VD"]
      256

    Args:
      size: extents of every dimension.
      architecture: which stacks and ingredients there are.

    Returns:
      The number of values of each weight, by its path.
    """
    model = Transformer(size, architecture)
    shapes = jax.eval_shape(
        model.init, jax.random.key(0), rows.abstract(architecture.kind, 1, 1, 1)
    )
    leaves = jax.tree_util.tree_flatten_with_path(shapes["params"])[0]
    return {mesh.path(keys): math.prod(leaf.shape) for keys, leaf in leaves}
