"""Inspection: how large the activations and gradients of each layer are, before anything is learnt.

Tokens are drawn evenly and targets apart from them, so no text is needed, and a model that knows
nothing loses the logarithm of the vocabulary. A layer is dead where its gradient is far below its
neighbours', and explodes where its stream is far above.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from archlab import mesh
from archlab.batch import Batch, Stream
from archlab.model import transformer
from archlab.model.layers import SEEN
from archlab.model.transformer import Transformer
from archlab.train import loss


@dataclasses.dataclass(frozen=True)
class Part:
    """A layer, or a weight that belongs to none.

    Args:
      name: "decoder/0" for the first layer of the decoder; the weight's path.
      stream: root mean square of the stream after it; None for a weight alone.
      gradient: root mean square of the gradient of its weights, which are those of two layers where
        both stacks have the same.
    """

    name: str
    stream: float | None
    gradient: float


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was seen of a model.

    Args:
      loss: nats per token.
      chance: nats per token of what knows nothing: the logarithm of the vocabulary.
      parts: layers first, in the order that text passes them.
    """

    loss: float
    chance: float
    parts: list[Part]


def inspect(model: Transformer, rows: int, inputs: int, targets: int, seed: int = 0) -> Inspection:
    """Passes random tokens through a model's first weights, forward and back.

    Args:
      model: on no mesh.
      rows: how many to draw.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      seed: of the weights and the tokens.

    Returns:
      The loss, and each layer's size.
    """
    batch = drawn(model.architecture.kind, rows, inputs, targets, model.size.vocab, seed)
    with jax.default_matmul_precision(model.precision):
        value, squares, slopes = jax.jit(_seen, static_argnums=0)(model, seed, batch)
    parts = []
    for stack, squares_N in zip(model.architecture.stacks, squares, strict=True):
        layers = slopes.get(stack, slopes[model.architecture.stacks[-1]])["layers"]
        each = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(layers)]
        for number, square in enumerate(squares_N):
            own = np.concatenate([leaf[number].ravel() for leaf in each])
            parts.append(Part(f"{stack}/{number}", math.sqrt(square), _size(own)))
    for keys, leaf in jax.tree_util.tree_flatten_with_path(slopes)[0]:
        if "/layers/" not in mesh.path(keys):
            parts.append(Part(mesh.path(keys), None, _size(np.asarray(leaf, np.float64))))
    return Inspection(float(value), math.log(model.size.vocab), parts)


def _size(values: np.ndarray) -> float:
    return math.sqrt(np.mean(values**2))


def _seen(model: Transformer, seed: int, batch: Batch):
    """The loss, the mean square of each layer's stream, and the gradient."""
    weights = model.init(jax.random.key(seed), batch)["params"]

    def mean(weights):
        x_BLD, left = model.apply({"params": weights}, batch, method=model.read, mutable=[SEEN])
        architecture = model.architecture
        value, _ = loss.mean(
            x_BLD,
            transformer.table(architecture, weights),
            batch.target_BL,
            batch.weight_BL,
            jnp.sum(batch.weight_BL),
            0.0,
            bias_V=transformer.bias(architecture, weights),
            cap=architecture.logit_cap,
        )
        seen = [left[SEEN][stack] for stack in architecture.stacks if stack in left[SEEN]]
        return value, [square_N for own in seen for square_N in own["layers"]["stream"]]

    (value, squares), slopes = jax.value_and_grad(mean, has_aux=True)(weights)
    return value, squares, slopes


def drawn(kind: str, rows: int, inputs: int, targets: int, vocab: int, seed: int) -> Batch:
    """Draws rows of one segment each, all of whose targets are learnt.

    Args:
      kind: "decoder", "encoder_decoder" or "encoder".
      rows: how many.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      vocab: ids to draw from.
      seed: of the draws.

    Returns:
      NumPy arrays.
    """
    random = np.random.default_rng(seed)
    is_pair = kind == "encoder_decoder"
    last = targets if is_pair else inputs + targets

    def stream(length: int, given: int) -> Stream:
        tokens_BL = random.integers(0, vocab, (rows, length)).astype(np.int32)
        place_BL = np.broadcast_to(np.arange(length, dtype=np.int32), (rows, length))
        edges = (np.full((rows, length), edge, np.int32) for edge in (0, given, length))
        return Stream(tokens_BL, place_BL, *edges)

    is_learnt_BL = np.broadcast_to(np.arange(last) >= last - targets, (rows, last))
    return Batch(
        encoder=None if kind == "decoder" else stream(inputs if is_pair else last, last),
        decoder=None if kind == "encoder" else stream(last, last - targets),
        memory_start_BL=np.zeros((rows, last), np.int32) if is_pair else None,
        memory_end_BL=np.full((rows, last), inputs, np.int32) if is_pair else None,
        target_BL=random.integers(0, vocab, (rows, last)).astype(np.int32),
        weight_BL=is_learnt_BL.astype(np.float32),
        objective_B=np.zeros(rows, np.int32),
    )
