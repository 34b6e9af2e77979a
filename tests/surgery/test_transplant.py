"""States change their model in place: moments go with their weights, on every mesh."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab import mesh as meshes
from archlab.architecture import Architecture
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.surgery.choices import Surgery
from archlab.surgery.origins import origins
from archlab.surgery.transplant import made, transplant
from archlab.train import state as states
from archlab.train import step
from archlab.train.optimizer import Optimizer
from archlab.train.state import State

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2)
WIDE, ALONE = Mesh(2, 4), Mesh(1)
FACTORS = {"mu": 2.0, "nu": 3.0, "v": 5.0}  # of each moment here, to its weight


def leaves(tree) -> dict[str, np.ndarray]:
    return {meshes.path(keys): leaf for keys, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def given(model: Transformer, optimizer: Optimizer, ways: Mesh = ALONE) -> tuple:
    mesh = ways.build(jax.devices()[: ways.data * ways.model])
    return step.on(mesh, model), optimizer, mesh


def numbered(model: Transformer, optimizer: Optimizer, ways: Mesh = ALONE) -> State:
    """A state whose weights are all different whole numbers, and whose moments tell theirs."""
    shapes, weights, count = states.shapes(*given(model, optimizer, ways)), {}, 1000
    for name, leaf in leaves(shapes.weights).items():
        size = int(np.prod(leaf.shape))
        weights[name] = np.arange(count, count + size, dtype=np.float32).reshape(leaf.shape)
        count += size

    def fill(keys, leaf):
        path = meshes.path(keys)
        name = next((name for name in weights if path.endswith(f"/{name}")), None)
        if name is None:
            value = np.full(leaf.shape, 7)
        elif path.startswith("weights/"):
            value = weights[name]
        else:
            kind = next(part for part in path.split("/") if part in (*FACTORS, "v_row", "v_col"))
            is_whole = leaf.size == weights[name].size
            value = FACTORS[kind] * weights[name] if is_whole else np.zeros(leaf.shape)
            value = value.reshape(leaf.shape)
        return jax.device_put(jnp.asarray(value, leaf.dtype), leaf.sharding)

    return jax.tree_util.tree_map_with_path(fill, shapes)


def moved(
    old: Transformer, new: Transformer, optimizer: Optimizer, surgery: Surgery, ways: Mesh = ALONE
):
    state = numbered(old, optimizer, ways)
    network, *_ = own = given(new, optimizer, ways)
    shapes = states.shapes(*own)
    draw = functools.partial(states.drawn, network, optimizer, jax.random.key(3))
    return shapes, transplant(state, shapes, origins(old, new, surgery), draw), draw


def model(name: str, **extents) -> Transformer:
    return Transformer(dataclasses.replace(SIZE, **extents), Architecture(name))


@pytest.mark.parametrize("name, ways", [("adamw", WIDE), ("adafactor", ALONE)])
def test_moments_go_where_their_weights_do_and_begin_anew_elsewhere(name, ways):
    surgery = Surgery(depth="silent", cross="fresh", rows="fresh")
    apart = Architecture("encoder_decoder", tied=False)
    new = Transformer(dataclasses.replace(SIZE, layers=3), apart)
    shapes, state, draw = moved(model("causal_decoder"), new, Optimizer(name), surgery, ways)
    weights, found = leaves(state.weights), 0
    for path, leaf in leaves(state.moments).items():
        owner = next((one for one in weights if path.endswith(f"/{one}")), None)
        if owner is None:
            assert np.all(np.asarray(leaf) == 7)  # the steps that there were
            continue
        weight = np.asarray(weights[owner])
        if leaf.size != weight.size:
            continue
        factor = next(FACTORS[part] for part in path.split("/") if part in FACTORS)
        is_copied = weight >= 1000
        expected = np.where(is_copied, factor * weight, 0.0)
        np.testing.assert_array_equal(np.asarray(leaf).reshape(weight.shape), expected)
        found += is_copied.any() + (not is_copied.all())
    assert found > 20
    for leaf, shape in zip(jax.tree.leaves(state), jax.tree.leaves(shapes), strict=True):
        assert (leaf.shape, leaf.dtype, leaf.sharding) == (shape.shape, shape.dtype, shape.sharding)
    assert int(state.step) == 0
    np.testing.assert_array_equal(
        np.asarray(weights["head/head_DV"]), np.asarray(weights["embedding/table_VD"]).T
    )
    assert not np.asarray(weights["decoder/layers/attention/out_HKD"])[1].any()
    if ways == ALONE:  # what is made is what a first step would begin with
        drawn = leaves(jax.jit(lambda: draw().weights["decoder"]["layers"]["cross"])())
        for name, leaf in drawn.items():
            np.testing.assert_array_equal(weights[f"decoder/layers/cross/{name}"], leaf)


def where(leaf) -> list[int]:
    return [part.data.unsafe_buffer_pointer() for part in leaf.addressable_shards]


def test_what_stays_is_handed_over_and_what_is_dropped_is_let_go():
    old, new = model("encoder_decoder"), model("causal_decoder", vocab=48)
    state = numbered(old, Optimizer())
    before = leaves(state)
    addresses = {name: where(leaf) for name, leaf in before.items()}
    network, *_ = own = given(new, Optimizer())
    draw = functools.partial(states.drawn, network, Optimizer(), jax.random.key(3))
    found, shapes = origins(old, new, Surgery()), states.shapes(*own)
    beside = set(made(states.shapes(*given(old, Optimizer())), shapes, found))
    after = leaves(transplant(state, shapes, found, draw))
    assert beside == {name for name in after if name.endswith("table_VD") or name == "step"}
    for name, leaf in after.items():
        if name != "step" and not name.endswith("table_VD"):
            assert where(leaf) == addresses[name]
    gone = set(before) - {name for name in after if name in before}
    assert gone and all(before[name].is_deleted() for name in gone)
    table_VD, mean_VD = np.split(np.asarray(after["weights/embedding/table_VD"]), [40])
    np.testing.assert_allclose(mean_VD, np.broadcast_to(table_VD.mean(0), (8, 16)))
    mu_VD = np.asarray(after["moments/0/mu/embedding/table_VD"])
    np.testing.assert_array_equal(mu_VD, np.concatenate([2 * table_VD, np.zeros((8, 16))]))


def test_what_two_stacks_begin_as_is_two_arrays():
    _, state, _ = moved(
        model("encoder"), model("encoder_decoder"), Optimizer(), Surgery(cross="self")
    )
    for part in ("mlp", "attention"):
        one, other = (state.weights[stack]["layers"][part] for stack in ("encoder", "decoder"))
        jax.tree.map(np.testing.assert_array_equal, one, other)
    pointers = [tuple(where(leaf)) for leaf in jax.tree.leaves((state.weights, state.moments))]
    assert len(pointers) == len(set(pointers))
