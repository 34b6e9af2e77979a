"""The state: all that training changes, and how each device gets its part of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

from archlab import mesh as meshes
from archlab.batch import Batch
from archlab.model.transformer import Transformer
from archlab.train.optimizer import Optimizer


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """All that training changes.

    Args:
      weights: of the model, float32, by path.
      moments: of the optimizer; None where nothing is trained.
      step: int32 scalar, steps taken in this stage.
    """

    weights: dict
    moments: optax.OptState | None
    step: jax.Array


def shapes(
    model: Transformer, optimizer: Optimizer, mesh: jax.sharding.Mesh, batch: Batch
) -> State:
    """Says what the state looks like, and how it is split, without making it.

    Args:
      model: any.
      optimizer: whose moments are kept.
      mesh: from `Mesh.build`.
      batch: arrays, or shapes from `batch.abstract`.

    Returns:
      A `State` of shapes with shardings.
    """
    # JAX remembers what it traced for one precision: without this, a step would trace it again.
    with jax.default_matmul_precision(model.precision):
        state = _traced.eval_shape(model, optimizer, jax.random.key(0), batch)
    placed = meshes.shardings(mesh, state, state.weights)
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        state,
        placed,
    )


def drawn(model: Transformer, optimizer: Optimizer, key: jax.Array, batch: Batch) -> State:
    """Draws the state that training begins with, wherever the compiler puts it.

    Args:
      model: any.
      optimizer: whose moments are kept.
      key: of the draws.
      batch: arrays, or shapes from `batch.abstract`; only the shapes are read.

    Returns:
      Step 0.
    """
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), batch)
    weights = model.init(key, blank)["params"]
    return State(weights, optimizer.transform().init(weights), jnp.zeros((), jnp.int32))


# Asked again about the same model, JAX knows the answer and does not trace it anew.
_traced = jax.jit(drawn, static_argnums=(0, 1))


def first(
    model: Transformer, optimizer: Optimizer, mesh: jax.sharding.Mesh, batch: Batch, seed: int
) -> State:
    """Makes the state that training begins with, each device its own part.

    Args:
      model: any.
      optimizer: whose moments are kept.
      mesh: from `Mesh.build`.
      batch: arrays, or shapes from `batch.abstract`; only the shapes are read.
      seed: of the first weights; the same on every mesh.

    Returns:
      Step 0.
    """
    placed = jax.tree.map(lambda leaf: leaf.sharding, shapes(model, optimizer, mesh, batch))
    make = jax.jit(lambda key: drawn(model, optimizer, key, batch), out_shardings=placed)
    return make(jax.random.key(seed))


def anew(state: State, optimizer: Optimizer, keep_moments: bool) -> State:
    """Turns the last state of a stage into the first of the next.

    Nothing is copied, since there may be no room for it: the next stage takes the arrays over.

    Args:
      state: at the end of a stage; used up.
      optimizer: the run's.
      keep_moments: whether its moments are carried over.

    Returns:
      Step 0, on the same devices.
    """
    moments = state.moments
    if not keep_moments:
        placed = jax.tree.map(lambda leaf: leaf.sharding, moments)
        jax.tree.map(lambda leaf: leaf.delete(), moments)
        moments = jax.jit(optimizer.transform().init, out_shardings=placed)(state.weights)
    return State(state.weights, moments, jax.device_put(np.int32(0), state.step.sharding))
