"""The transformer: one or two stacks of the same blocks, as the architecture declares.

The causal and the prefix decoder have the same weights, so a run may pass from one to the other.
"""

import functools
import math

import jax
import jax.numpy as jnp

from archlab import batch as rows
from archlab import mesh
from archlab.architecture import Architecture
from archlab.batch import Batch, Stream
from archlab.model.embedding import Embedding, Head
from archlab.model.layers import Layer
from archlab.model.sight import Reach, reach
from archlab.model.stack import Cache, Memory, Stack
from archlab.size import Size


class Transformer(Layer):
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
        depth, stacks = self.size.depth, self.architecture.stacks
        self.embedding = Embedding(**self.parts)
        self.head = Head(**self.parts)
        if "encoder" in stacks and not self.architecture.tied_stacks:
            self.encoder = Stack(**stack, depth=depth("encoder") - self.architecture.unread)
        if not self.architecture.shared:
            self.encoder_embedding = Embedding(**self.parts)
        if "decoder" in stacks:
            self.decoder = Stack(**stack, depth=depth("decoder"))

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
        memory = self.encode(batch.encoder)
        if "decoder" not in self.architecture.stacks:
            return self.head.transform(memory.state_BMD)
        return self.decode(batch.decoder, memory, reach(batch))[0]

    def encode(self, stream: Stream) -> Memory:
        """Reads a text in full view.

        Args:
          stream: what the encoder reads.

        Returns:
          What it hands to a decoder.
        """
        architecture = self.architecture
        table = self.embedding if architecture.shared else self.encoder_embedding
        stack = self.decoder if architecture.tied_stacks else self.encoder
        x_BMD = table.read(stream.tokens_BL)
        if not architecture.aligned:
            return Memory(stack(x_BMD, stream, "full")[0])
        x_BMD, _, memory = stack(x_BMD, stream, "full", hands=architecture.handed)
        if not architecture.unread:
            return memory
        # What it ends in stands for what the layer that it is less deep by would read.
        return Memory(jnp.concatenate([memory.state_BMD, x_BMD[None]]))

    def decode(
        self,
        stream: Stream,
        memory: Memory | None = None,
        reach: Reach | None = None,
        cache: Cache | None = None,
        offset: jax.Array | int = 0,
    ) -> tuple[jax.Array, Cache | None]:
        """Reads a text from its beginning on.

        Args:
          stream: what the decoder reads.
          memory: from `encode`; None for a decoder alone, or when `cache` has it.
          reach: where each position finds its inputs in the memory; None for a decoder alone.
          cache: of the positions before `offset`, to read a row piece by piece.
          offset: place of the stream's first position in its row.

        Returns:
          x_BLD, of which `score` makes logits, and the cache with these positions in it.
        """
        if self.architecture.merged:
            stream = reach.after(stream)
        x_BLD = self.embedding.read(stream.tokens_BL)
        sees = self.architecture.visibility
        x_BLD, cache, _ = self.decoder(x_BLD, stream, sees, memory, reach, cache, offset)
        return self.head.transform(x_BLD), cache

    def score(self, x_BLD: jax.Array) -> jax.Array:
        """Scores every token of the vocabulary.

        Args:
          x_BLD: from `read` or `decode`.

        Returns:
          logits_BLV, float32.
        """
        logits_BLV = (self.embedding if self.architecture.tied else self.head).score(x_BLD)
        return self.place("logits_BLV", self.head.finish(logits_BLV))


def table(architecture: Architecture, weights: dict) -> jax.Array:
    """Args: architecture, weights: of a model. Returns: table_VD, for its logits."""
    if architecture.tied:
        return weights["embedding"]["table_VD"]
    return weights["head"]["head_DV"].T


def bias(architecture: Architecture, weights: dict) -> jax.Array | None:
    """Args: architecture, weights: of a model. Returns: bias_V of its logits, or None."""
    return weights["head"]["bias_V"] if architecture.head == "transformed" else None


def balance(seen: dict) -> jax.Array:
    """Args: seen: what layers left in `SEEN`. Returns: balance_B, the mean over them."""
    each = [one for own in seen.values() for one in own["layers"]["experts"]["balance_B"]]
    return jnp.mean(jnp.concatenate(each), axis=0)


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
    return {name: math.prod(shape) for name, shape in shapes(size, architecture).items()}


@functools.cache
def shapes(size: Size, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Says which weights a model has, without making them.

    Args:
      size: extents of every dimension.
      architecture: which stacks and ingredients there are.

    Returns:
      The shape of each weight, by its path.
    """
    model = Transformer(size, architecture)
    blank = rows.abstract(architecture.kind, 1, 1, 1)
    made = jax.eval_shape(model.init, jax.random.key(0), blank)["params"]
    leaves = jax.tree_util.tree_flatten_with_path(made)[0]
    return {mesh.path(keys): leaf.shape for keys, leaf in leaves}
