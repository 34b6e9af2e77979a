"""One step: a batch in, better weights out, on every device of the mesh at once."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

from archlab import mesh as meshes
from archlab.batch import Batch
from archlab.model.transformer import Transformer, table
from archlab.stages import Schedule
from archlab.train import loss
from archlab.train.optimizer import Optimizer, rate


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """All that training changes.

    Args:
      weights: of the model, float32, by path.
      moments: of the optimizer.
      step: int32 scalar, steps taken in this stage.
    """

    weights: dict
    moments: optax.OptState
    step: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a step tells.

    Args:
      sums: loss and its like, row by row, in the order of the batch.
      gradient_norm: float32 scalar, of the whole gradient before it is clipped.
      learning_rate: float32 scalar.
    """

    sums: loss.Sums
    gradient_norm: jax.Array
    learning_rate: jax.Array


def place(mesh: jax.sharding.Mesh, name: str, array: jax.Array) -> jax.Array:
    """Splits an activation over the mesh, by the letters of its name.

    Args:
      mesh: from `Mesh.build`.
      name: of the activation.
      array: the activation.

    Returns:
      The same values, split.
    """
    return jax.lax.with_sharding_constraint(array, meshes.sharding(mesh, name, array.shape))


def on(mesh: jax.sharding.Mesh, model: Transformer) -> Transformer:
    """Binds a model to a mesh, so that its activations are split over it.

    Args:
      mesh: from `Mesh.build`.
      model: any.

    Returns:
      The same model; its weights are the same too.
    """
    attend = dataclasses.replace(model.attend, mesh=mesh)
    return model.clone(place=functools.partial(place, mesh), attend=attend)


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
    state = jax.eval_shape(functools.partial(_first, model, optimizer), jax.random.key(0), batch)
    placed = meshes.shardings(mesh, state, state.weights)
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        state,
        placed,
    )


def _first(model: Transformer, optimizer: Optimizer, key: jax.Array, batch: Batch) -> State:
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), batch)
    weights = model.init(key, blank)["params"]
    return State(weights, optimizer.transform().init(weights), jnp.zeros((), jnp.int32))


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
    make = jax.jit(lambda key: _first(model, optimizer, key, batch), out_shardings=placed)
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


def microbatch(batch: Batch, accumulate: int) -> Batch:
    """Says what a microbatch looks like.

    Args:
      batch: shapes from `batch.abstract`.
      accumulate: microbatches that its rows are cut into.

    Returns:
      Shapes, with fewer rows.
    """
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            (leaf.shape[0] // accumulate, *leaf.shape[1:]), leaf.dtype
        ),
        batch,
    )


def build(
    model: Transformer,
    optimizer: Optimizer,
    schedule: Schedule,
    steps: int,
    mesh: jax.sharding.Mesh,
    batch: Batch,
    accumulate: int,
    z_loss: float,
) -> Callable[[State, Batch], tuple[State, Outcome]]:
    """Compiles the step of a stage.

    Args:
      model: as `on` gives it.
      optimizer: the run's.
      schedule: of the learning rate.
      steps: of the stage.
      mesh: from `Mesh.build`.
      batch: shapes from `batch.abstract`.
      accumulate: microbatches that the rows are cut into; divides them.
      z_loss: see `loss.mean`.

    Returns:
      A compiled function of a state, which it uses up, and a batch, to the next state and an
      `Outcome`.

    Raises:
      ValueError: the rows of a microbatch, or a dimension of a weight, do not divide over the mesh.
    """
    meshes.rows(mesh, microbatch(batch, accumulate))
    state = shapes(model, optimizer, mesh, batch)
    transform, learning_rate = optimizer.transform(), rate(schedule, steps)
    weight_shardings = jax.tree.map(lambda leaf: leaf.sharding, state.weights)
    whole = NamedSharding(mesh, PartitionSpec())

    def objective(weights, batch: Batch, total):
        return _scored(model, mesh, weights, batch, total, z_loss)

    def accumulated(weights, batch: Batch, total):
        # Every accumulate-th row goes into a microbatch, so that each device keeps its own rows.
        cut = jax.tree.map(
            lambda leaf: leaf.reshape(-1, accumulate, *leaf.shape[1:]).swapaxes(0, 1), batch
        )
        # Each layer's gradient is added where the sum is: there is never a second one of all.
        slope = jax.tree.map(lambda leaf: jax.new_ref(jnp.zeros_like(leaf)), weights)

        def add(_, batch):
            along = functools.partial(objective, batch=batch, total=total)
            value, back, sums = jax.vjp(along, weights, has_aux=True)
            back.with_refs(slope)(jnp.ones_like(value))
            return None, sums

        _, sums = jax.lax.scan(add, None, cut)
        sums = jax.tree.map(lambda leaf: leaf.swapaxes(0, 1).reshape(-1), sums)
        return jax.tree.map(jax.freeze, slope), sums

    def step(state: State, batch: Batch) -> tuple[State, Outcome]:
        total = jnp.sum(batch.weight_BL)
        given = (state.weights, batch, jnp.where(total > 0, total, 1.0))
        if accumulate == 1:
            slope, sums = jax.grad(objective, has_aux=True)(*given)
        else:
            slope, sums = accumulated(*given)
        slope = jax.lax.with_sharding_constraint(slope, weight_shardings)
        norm = optax.tree.norm(slope)
        if optimizer.clip:
            shrink = jnp.minimum(1.0, optimizer.clip / jnp.maximum(norm, 1e-30))
            slope = jax.tree.map(lambda leaf: leaf * shrink, slope)
        direction, moments = transform.update(slope, state.moments, state.weights)
        far = jnp.asarray(learning_rate(state.step + 1), jnp.float32)
        weights = jax.tree.map(lambda old, way: old - far * way, state.weights, direction)
        return State(weights, moments, state.step + 1), Outcome(sums, norm, far)

    placed = jax.tree.map(lambda leaf: leaf.sharding, state)
    compiled = jax.jit(
        step,
        in_shardings=(placed, meshes.rows(mesh, batch)),
        out_shardings=(placed, whole),
        donate_argnums=0,
    )
    return compiled.lower(state, batch).compile()


def _scored(
    model: Transformer,
    mesh: jax.sharding.Mesh,
    weights: dict,
    batch: Batch,
    total: jax.Array | float,
    z_loss: float,
) -> tuple[jax.Array, loss.Sums]:
    """The loss of a batch over `total`, and its sums."""
    rows = meshes.rows(mesh, batch.target_BL)
    ways = batch.target_BL.shape[0] // rows.shard_shape(batch.target_BL.shape)[0]
    x_BLD = model.apply({"params": weights}, batch, method=model.read)
    return loss.mean(
        x_BLD,
        table(model.architecture, weights),
        batch.target_BL,
        batch.weight_BL,
        total,
        z_loss,
        ways,
        model.place,
    )


def scorer(
    model: Transformer, mesh: jax.sharding.Mesh, weights: dict, batch: Batch
) -> Callable[[dict, Batch], loss.Sums]:
    """Compiles the loss of a batch, without learning from it.

    Args:
      model: as `on` gives it.
      mesh: from `Mesh.build`.
      weights: shapes with shardings.
      batch: shapes from `batch.abstract`.

    Returns:
      A compiled function of weights and a batch to `loss.Sums`; no z-loss in them.
    """

    def score(weights, batch: Batch) -> loss.Sums:
        return _scored(model, mesh, weights, batch, 1.0, 0.0)[1]

    placed = jax.tree.map(lambda leaf: leaf.sharding, weights)
    compiled = jax.jit(
        score,
        in_shardings=(placed, meshes.rows(mesh, batch)),
        out_shardings=NamedSharding(mesh, PartitionSpec()),
    )
    return compiled.lower(weights, batch).compile()
