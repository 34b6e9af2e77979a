"""One step: a batch in, better weights out, on every device of the mesh at once."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

from archlab import batch as batches
from archlab import mesh as meshes
from archlab import shares
from archlab.batch import Array, Batch
from archlab.model import transformer
from archlab.model.layers import SEEN
from archlab.model.transformer import Transformer
from archlab.stages import Schedule
from archlab.train import loss
from archlab.train.optimizer import Optimizer, rate
from archlab.train.state import State, shapes


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a step tells.

    Args:
      sums: loss and its like, row by row, in the order of the batch.
      objective_B: int32, which objective each row is from.
      padding: int32 scalar, positions that hold no text, of all streams.
      scored: int32 scalar, positions that carry loss.
      gradient_norm: float32 scalar, of the whole gradient before it is clipped.
      learning_rate: float32 scalar.
    """

    sums: loss.Sums
    objective_B: Array
    padding: jax.Array
    scored: jax.Array
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


def lower(
    model: Transformer,
    optimizer: Optimizer,
    schedule: Schedule,
    steps: int,
    mesh: jax.sharding.Mesh,
    batch: Batch,
    accumulate: int,
    z_loss: float,
    seeds: tuple[int, ...] = (0,),
    balance: float = 0.0,
    frozen: int = 0,
    moves: dict[str, np.ndarray] | None = None,
) -> jax.stages.Lowered:
    """Writes the step of a stage down, ready to be compiled.

    Args:
      model: as `on` gives it.
      optimizer: the run's.
      schedule: of the learning rate.
      steps: of the stage.
      mesh: from `Mesh.build`.
      batch: shapes from `batch.abstract`.
      accumulate: microbatches that the rows are cut into; divides them.
      z_loss: see `loss.mean`.
      seeds: numbers, each in [0, 2**32), that dropout's draws follow from, with the step and the
        microbatch; so they are the same on every mesh and after any stop.
      balance: weight of the loss that evens out what experts are sent, 0 or more.
      frozen: steps of the stage in which some values stay. Their moments do not: when the values
        move, what they move by is known.
      moves: which values move in those, by the weight's path; bool, broadcastable to the weight.

    Returns:
      The program of a function of a state, which it uses up, and a batch, to the next state and an
      `Outcome`.

    Raises:
      ValueError: the rows of a microbatch, or a dimension of a weight, do not divide over the mesh.
    """
    meshes.rows(mesh, microbatch(batch, accumulate))
    state = shapes(model, optimizer, mesh)
    transform = optimizer.transform(model.size.ratio)
    learning_rate = rate(schedule, steps)
    weight_shardings = jax.tree.map(lambda leaf: leaf.sharding, state.weights)
    whole = NamedSharding(mesh, PartitionSpec())

    def objective(weights, batch: Batch, key, total):
        return _scored(model, mesh, weights, batch, total, z_loss, balance, key)

    def accumulated(weights, batch: Batch, keys, total):
        # Every accumulate-th row goes into a microbatch, so that each device keeps its own rows.
        cut = jax.tree.map(
            lambda leaf: leaf.reshape(-1, accumulate, *leaf.shape[1:]).swapaxes(0, 1), batch
        )
        # Each layer's gradient is added where the sum is: there is never a second one of all.
        slope = jax.tree.map(lambda leaf: jax.new_ref(jnp.zeros_like(leaf)), weights)

        def add(_, given):
            along = functools.partial(objective, batch=given[0], key=given[1], total=total)
            value, back, sums = jax.vjp(along, weights, has_aux=True)
            back.with_refs(slope)(jnp.ones_like(value))
            return None, sums

        _, sums = jax.lax.scan(add, None, (cut, keys))
        sums = jax.tree.map(lambda leaf: leaf.swapaxes(0, 1).reshape(-1), sums)
        return jax.tree.map(jax.freeze, slope), sums

    def step(state: State, batch: Batch) -> tuple[State, Outcome]:
        total = jnp.sum(batch.weight_BL)
        total = jnp.where(total > 0, total, 1.0)
        keys = _keys((*seeds, state.step), accumulate) if model.dropout else None
        if accumulate == 1:
            key = None if keys is None else keys[0]
            slope, sums = jax.grad(objective, has_aux=True)(state.weights, batch, key, total)
        else:
            slope, sums = accumulated(state.weights, batch, keys, total)
        slope = jax.lax.with_sharding_constraint(slope, weight_shardings)
        norm = optax.tree.norm(slope)
        if optimizer.clip:
            shrink = jnp.minimum(1.0, optimizer.clip / jnp.maximum(norm, 1e-30))
            slope = jax.tree.map(lambda leaf: leaf * shrink, slope)
        direction, moments = transform.update(slope, state.moments, state.weights)
        if frozen:
            direction = jax.tree_util.tree_map_with_path(
                lambda keys, way: jnp.where(
                    moves[meshes.path(keys)] | (state.step >= frozen), way, 0.0
                ),
                direction,
            )
        far = jnp.asarray(learning_rate(state.step + 1), jnp.float32)
        weights = jax.tree.map(lambda old, way: old - far * way, state.weights, direction)
        scored = jnp.count_nonzero(batch.weight_BL)
        outcome = Outcome(sums, batch.objective_B, batches.padding(batch), scored, norm, far)
        return State(weights, moments, state.step + 1), outcome

    placed = jax.tree.map(lambda leaf: leaf.sharding, state)
    jitted = jax.jit(
        step,
        in_shardings=(placed, meshes.rows(mesh, batch)),
        out_shardings=(placed, whole),
        donate_argnums=0,
    )
    return jitted.lower(state, batch)


def _keys(seeds: tuple[int | jax.Array, ...], accumulate: int) -> jax.Array:
    """Randomness of each microbatch of a step."""
    key = functools.reduce(jax.random.fold_in, seeds, jax.random.key(0))
    return jax.random.split(key, accumulate)


def _scored(
    model: Transformer,
    mesh: jax.sharding.Mesh,
    weights: dict,
    batch: Batch,
    total: jax.Array | float,
    z_loss: float,
    balance: float = 0.0,
    key: jax.Array | None = None,
) -> tuple[jax.Array, loss.Sums]:
    """The loss of a batch over `total`, and its sums."""
    parts = shares.parts(mesh, batch)
    random = {} if key is None else {"dropout": key}
    reads = functools.partial(model.apply, {"params": weights}, batch, method=model.read)
    left = {}
    if model.size.experts:
        x_BLD, left = reads(rngs=random, mutable=[SEEN])
    else:
        x_BLD = reads(rngs=random)
    value, sums = loss.mean(
        x_BLD,
        transformer.table(model.architecture, weights),
        batch.target_BL,
        batch.weight_BL,
        total,
        z_loss,
        parts,
        model.place,
        transformer.bias(model.architecture, weights),
        model.architecture.logit_cap,
    )
    if not left:
        return value, sums
    sums = dataclasses.replace(sums, balance_B=transformer.balance(left[SEEN]) * sums.weight_B)
    return value + balance * jnp.sum(sums.balance_B) / total, sums


def scorer(
    model: Transformer, mesh: jax.sharding.Mesh, weights: dict, batch: Batch
) -> jax.stages.Lowered:
    """Writes the loss of a batch down, without learning from it, ready to be compiled.

    Args:
      model: as `on` gives it.
      mesh: from `Mesh.build`.
      weights: shapes with shardings.
      batch: shapes from `batch.abstract`.

    Returns:
      The program of a function of weights and a batch to `loss.Sums`, with no z-loss in them, and
      to the objective of each row.
    """

    def score(weights, batch: Batch) -> tuple[loss.Sums, jax.Array]:
        return _scored(model, mesh, weights, batch, 1.0, 0.0)[1], batch.objective_B

    placed = jax.tree.map(lambda leaf: leaf.sharding, weights)
    jitted = jax.jit(
        score,
        in_shardings=(placed, meshes.rows(mesh, batch)),
        out_shardings=NamedSharding(mesh, PartitionSpec()),
    )
    return jitted.lower(weights, batch)
