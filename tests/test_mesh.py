import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from archlab import mesh
from archlab.architecture import VISIBILITY, Architecture
from archlab.axes import WORDS
from archlab.batch import abstract
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.train.optimizer import Optimizer

SIZE = Size(layers=3, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2)


def brute_force(words: tuple[str, ...]) -> list[str | None]:
    """The rules, one mesh axis at a time: the first rule whose word is there takes the axis."""
    chosen: list[str | None] = [None] * len(words)
    for axis in ("data", "model"):
        first = next((word for word, to in mesh.RULES if to == axis and word in words), None)
        if first:
            chosen[words.index(first)] = axis
    return chosen


def test_a_mesh_axis_goes_to_the_earliest_rule_that_fits_and_only_once():
    for many in (1, 2, 3, 4):
        for words in itertools.permutations(WORDS.values(), many):
            assert list(mesh.spec(words)) == brute_force(words)


def test_rows_come_before_widths_so_activations_stay_whole_where_weights_are_split():
    assert mesh.spec(("batch", "length", "embed")) == PartitionSpec("data", None, None)
    assert mesh.spec(("embed", "mlp")) == PartitionSpec("data", "model")
    assert mesh.RULES[0][0] == "batch"


@pytest.mark.parametrize("name", VISIBILITY)
def test_weights_are_split_by_their_letters_and_moments_follow(name):
    devices = Mesh(2, 4).build()
    architecture = Architecture(name, "relative", tied=False)
    model = Transformer(SIZE, architecture)
    batch = abstract(architecture.kind, 8, 4, 4)
    weights = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]
    moments = jax.eval_shape(Optimizer("adamw").transform().init, weights)
    placed = mesh.shardings(devices, weights, weights)
    layers = placed[architecture.stacks[-1]]["layers"]
    assert layers["attention"]["query_DHK"].spec == PartitionSpec(None, "data", "model", None)
    assert layers["mlp"]["down_FD"].spec == PartitionSpec(None, "model", "data")
    assert placed["embedding"]["table_VD"].spec == PartitionSpec("model", "data")
    # Two key heads over four devices: they stay whole.
    assert layers["attention"]["key_DGK"].spec == PartitionSpec(None, "data", None, None)
    adam = mesh.shardings(devices, moments, weights)[0]
    assert adam.mu == placed and adam.nu == placed and adam.count.spec == PartitionSpec()


def test_what_has_the_path_of_a_weight_and_not_its_shape_stays_whole():
    devices = Mesh(2, 4).build()
    weights = {"layers": {"up_DF": jax.ShapeDtypeStruct((3, 16, 24), jnp.float32)}}
    rows = {"v_row": {"layers": {"up_DF": jax.ShapeDtypeStruct((3, 16), jnp.float32)}}}
    assert (
        mesh.shardings(devices, rows, weights)["v_row"]["layers"]["up_DF"].spec == PartitionSpec()
    )


@pytest.mark.parametrize(
    "data, model, right",
    [(3, 2, "data=4 would be"), (-1, 3, "Mesh.model=3 does not divide the 8"), (8, 2, "data=4")],
)
def test_a_mesh_that_does_not_fit_the_devices_is_refused(data, model, right):
    with pytest.raises(ValueError, match=right):
        Mesh(data, model).build()


def test_what_is_left_goes_to_data():
    assert dict(Mesh(-1, 2).build().shape) == {"data": 4, "model": 2}


@pytest.mark.parametrize("name, shape", [("up_DF", (16, 25)), ("x_BLD", (9, 4, 16))])
def test_a_dimension_that_does_not_divide_is_refused_with_the_nearest_that_does(name, shape):
    with pytest.raises(ValueError, match="does not divide over .*; the nearest that does is"):
        mesh.sharding(Mesh(4, 2).build(), name, shape)


def test_rows_are_split_over_data():
    devices = Mesh(4, 2).build()
    batch = {"tokens_BL": np.zeros((8, 5))}
    assert mesh.rows(devices, batch)["tokens_BL"].spec == PartitionSpec("data")
    with pytest.raises(ValueError, match="rows=6 does not divide over data=4; .* is 8"):
        mesh.rows(devices, {"tokens_BL": np.zeros((6, 5))})
