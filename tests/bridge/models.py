"""Small models with drawn weights, one for each family, all of whose extents differ."""

import dataclasses
import functools

import jax
import numpy as np

from archlab import batch
from archlab.architecture import Architecture
from archlab.batch import Batch, Stream
from archlab.bridge.model import Model
from archlab.data.vocabulary import Vocabulary
from archlab.model.transformer import Transformer
from archlab.size import Size

SIZE = Size(layers=2, embed=24, mlp=40, heads=3, kv=10, vocab=60, buckets=8)
NUMBERS = Vocabulary("ids:60,0,1,60")


def of(architecture: Architecture, size: Size = SIZE, vocabulary: Vocabulary = NUMBERS) -> Model:
    """A model of any architecture; its weights are large enough to be told apart."""
    rng = np.random.default_rng(7)

    def draw(keys, one) -> np.ndarray:
        mean = float("scale" in keys[-1].key)
        return rng.normal(mean, 0.2, one.shape).astype(np.float32)

    weights = jax.tree_util.tree_map_with_path(draw, shapes(architecture, size))
    return Model(size, architecture, weights, vocabulary)


@functools.cache
def shapes(architecture: Architecture, size: Size = SIZE) -> dict:
    """What the model itself says of its weights."""
    blank = batch.abstract(architecture.kind, 1, 1, 1)
    model = Transformer(size, architecture)
    return jax.eval_shape(model.init, jax.random.key(0), blank)["params"]


def stream(ids_BL: np.ndarray) -> Stream:
    """Rows of one segment each."""
    rows, length = ids_BL.shape
    position_BL = np.broadcast_to(np.arange(length, dtype=np.int32), (rows, length))
    start_BL = np.zeros((rows, length), np.int32)
    return Stream(ids_BL, position_BL, start_BL, start_BL, start_BL + length)


def logits(
    model: Model,
    read_BL: np.ndarray,
    written_BL: np.ndarray | None = None,
    is_fused: bool = True,
) -> np.ndarray:
    """What a model makes of rows of ids: of what it reads, and what it has written of an answer.

    Where operations are not fused, those that two models share are rounded alike.
    """
    kind = model.architecture.kind
    last_BL = read_BL if written_BL is None else written_BL
    edge_BL = np.zeros(last_BL.shape, np.int32)
    is_pair = kind == "encoder_decoder"
    rows = Batch(
        encoder=None if kind == "decoder" else stream(read_BL),
        decoder=None if kind == "encoder" else stream(last_BL),
        memory_start_BL=edge_BL if is_pair else None,
        memory_end_BL=edge_BL + read_BL.shape[1] if is_pair else None,
        target_BL=edge_BL,
        weight_BL=edge_BL.astype(np.float32),
        objective_B=edge_BL[:, 0],
    )
    run = _compiled(model.size, model.architecture, is_fused)
    return np.asarray(run({"params": model.weights}, rows))


@functools.cache
def _compiled(size: Size, architecture: Architecture, is_fused: bool):
    options = {} if is_fused else {"xla_disable_hlo_passes": "fusion"}
    return jax.jit(Transformer(size, architecture).apply, compiler_options=options)


def largest_difference(one: Model, other: Model) -> float:
    """Between any two of their weights."""
    found = jax.tree.map(lambda a, b: np.abs(a - b).max(), one.weights, other.weights)
    return float(max(jax.tree.leaves(found)))


def assert_equal(one: Model, other: Model) -> None:
    """Two models are the same one, to the last bit."""
    assert dataclasses.replace(one, weights={}) == dataclasses.replace(other, weights={})
    jax.tree.map(np.testing.assert_array_equal, one.weights, other.weights)
