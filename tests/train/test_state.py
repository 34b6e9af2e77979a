"""A state is made in its place, the same on every mesh, and handed from stage to stage uncopied."""

import jax
import numpy as np
import pytest

from archlab.architecture import VISIBILITY, Architecture
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.train import state as states
from archlab.train import step
from archlab.train.optimizer import Optimizer

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2)


def made(name="causal_decoder", ways=Mesh(2, 2), seed=0):  # noqa: B008 - it is frozen
    """A state, and its shapes."""
    mesh = ways.build(jax.devices()[: ways.data * ways.model])
    network = step.on(mesh, Transformer(SIZE, Architecture(name)))
    given = (network, Optimizer(), mesh)
    return states.first(*given, seed), states.shapes(*given)


@pytest.mark.parametrize("name", VISIBILITY)
def test_the_first_state_is_as_its_shapes_say_and_the_same_on_every_mesh(name):
    state, shapes = made(name)
    for leaf, shape in zip(jax.tree.leaves(state), jax.tree.leaves(shapes), strict=True):
        assert (leaf.shape, leaf.dtype, leaf.sharding) == (shape.shape, shape.dtype, shape.sharding)
    alone, _ = made(name, Mesh(1))
    jax.tree.map(np.testing.assert_array_equal, *map(jax.device_get, (state, alone)))
    other, _ = made(name, Mesh(1), seed=1)
    assert not np.array_equal(*(one.weights["embedding"]["table_VD"] for one in (alone, other)))
    assert int(state.step) == 0 and not any(np.any(leaf) for leaf in jax.tree.leaves(state.moments))


def where(state) -> tuple:
    """Addresses of the weights and of the moments in memory."""
    return tuple(
        [part.data.unsafe_buffer_pointer() for leaf in leaves for part in leaf.addressable_shards]
        for leaves in map(jax.tree.leaves, (state.weights, state.moments))
    )


def test_a_new_stage_keeps_or_resets_the_moments_and_copies_nothing():
    state, placed = made()
    used = jax.tree.map(lambda leaf: leaf + 1, (state.moments, state.step))
    state = states.State(state.weights, *used)
    before = where(state)
    kept = states.anew(state, Optimizer(), keep_moments=True)
    assert int(kept.step) == 0 and kept.step.sharding == state.step.sharding
    assert where(kept) == before
    old = jax.tree.leaves(kept.moments)
    fresh = states.anew(kept, Optimizer(), keep_moments=False)
    assert where(fresh)[0] == before[0] and all(leaf.is_deleted() for leaf in old)
    for leaf, shape in zip(jax.tree.leaves(fresh), jax.tree.leaves(placed), strict=True):
        assert leaf.sharding == shape.sharding
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(fresh.moments))
