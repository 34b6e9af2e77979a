"""The state: all that training changes, and how each device gets its part of it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from archlab import batch as batches
from archlab import mesh as meshes
from archlab.model.attention import Attend
from archlab.model.layers import anywhere
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


def shapes(model: Transformer, optimizer: Optimizer, mesh: jax.sharding.Mesh) -> State:
    """Says what the state looks like, and how it is split, without making it.

    Args:
      model: any.
      optimizer: whose moments are kept.
      mesh: from `Mesh.build`.

    Returns:
      A `State` of shapes with shardings.
    """
    state = jax.eval_shape(functools.partial(drawn, model, optimizer), jax.random.key(0))
    placed = meshes.shardings(mesh, state, state.weights)
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        state,
        placed,
    )


def drawn(model: Transformer, optimizer: Optimizer, key: jax.Array) -> State:
    """Draws the state that training begins with, wherever the compiler puts it.

    Args:
      model: any; where its activations are, and what reads them, makes no difference.
      optimizer: whose moments are kept.
      key: of the draws.

    Returns:
      Step 0.
    """
    alone = model.clone(place=anywhere, attend=Attend("dense"))
    # JAX remembers what it traced for one precision: without this, a step would trace it again.
    with jax.default_matmul_precision(model.precision):
        return _drawn(alone, optimizer, key)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _drawn(model: Transformer, optimizer: Optimizer, key: jax.Array) -> State:
    """The same: asked again about the same model, JAX does not trace it anew."""
    # Weights are as large whatever is read, so it is one token.
    blank = batches.abstract(model.architecture.kind, 1, 1, 1)
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), blank)
    weights = model.init(key, blank)["params"]
    return State(weights, optimizer.transform().init(weights), jnp.zeros((), jnp.int32))


def first(model: Transformer, optimizer: Optimizer, mesh: jax.sharding.Mesh, seed: int) -> State:
    """Makes the state that training begins with, each device its own part.

    Args:
      model: any.
      optimizer: whose moments are kept.
      mesh: from `Mesh.build`.
      seed: of the first weights; the same on every mesh.

    Returns:
      Step 0.
    """
    placed = jax.tree.map(lambda leaf: leaf.sharding, shapes(model, optimizer, mesh))
    make = jax.jit(functools.partial(drawn, model, optimizer), out_shardings=placed)
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
