import dataclasses
import itertools
import os
from pathlib import Path

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
from archlab.refusal import Refusal
from archlab.size import Size
from archlab.train.optimizer import Optimizer

SIZE = Size(layers=3, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2, positions=12)
ROWS, FSDP = ("slice", "data", "expert"), ("data", "expert", "context")
MOMENTS = ("adamw", "adafactor")
GOLDEN = Path(__file__).parent / "golden" / "sharding"


def brute_force(words: tuple[str, ...]) -> list:
    """The rules, one mesh axis at a time: the first rule whose word is there takes the axis."""
    chosen: list[tuple] = [()] * len(words)
    for axis in mesh.AXES:
        first = next((word for word, to in mesh.RULES if to == axis and word in words), None)
        if first:
            chosen[words.index(first)] += (axis,)
    return [taken if len(taken) > 1 else taken[0] if taken else None for taken in chosen]


def test_a_mesh_axis_goes_to_the_earliest_rule_that_fits_and_only_once():
    for many in (1, 2, 3, 4):
        for words in itertools.permutations(WORDS.values(), many):
            assert list(mesh.spec(words)) == brute_force(words)


def test_rows_come_before_widths_so_activations_stay_whole_where_weights_are_split():
    assert mesh.spec(("batch", "length", "embed")) == PartitionSpec(ROWS, "context", None)
    assert mesh.spec(("embed", "mlp")) == PartitionSpec(FSDP, "model")
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
    assert layers["attention"]["query_DHK"].spec == PartitionSpec(None, FSDP, "model", None)
    assert layers["mlp"]["down_FD"].spec == PartitionSpec(None, "model", FSDP)
    assert placed["embedding"]["table_VD"].spec == PartitionSpec("model", FSDP)
    # Two key heads over four devices: they stay whole.
    assert layers["attention"]["key_DGK"].spec == PartitionSpec(None, FSDP, None, None)
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
    "ways, right",
    [
        (Mesh(3, 2), "^Mesh.data=3 × Mesh.model=2 is not the 8 .* data=4 would be$"),
        (Mesh(8, 2), "data=4 would be"),
        (Mesh(4), "^Mesh.data=4 is not the 8 devices; data=8 would be$"),
        (Mesh(model=3), "^Mesh.model=3 does not divide the 8 devices; 2 or 4 would$"),
        (Mesh(context=3, model=2), "^Mesh.context=3 × Mesh.model=2 = 6 does not .*; 4 or 8 would$"),
        (Mesh(slice=16), "^Mesh.slice=16 does not divide the 8 devices; 8 would$"),
    ],
)
def test_a_mesh_that_does_not_fit_the_devices_is_refused(ways, right):
    with pytest.raises(ValueError, match=right):
        ways.build()


@pytest.mark.parametrize("name, ways", [("data", 0), ("data", -2), ("context", 0), ("slice", -1)])
def test_numbers_below_one_are_refused(name, ways):
    with pytest.raises(Refusal, match=f"^Mesh.{name}={ways}; it is 1 or more") as caught:
        Mesh(**{name: ways})
    assert caught.value.about == f"Mesh.{name}"


def test_what_is_left_goes_to_data():
    found = dict(Mesh(-1, 2, slice=2).build().shape)
    assert found == {"slice": 2, "data": 2, "expert": 1, "context": 1, "model": 2}


@dataclasses.dataclass(frozen=True)
class Chip:
    """A device as JAX describes one of a TPU, where what is told apart is its slice and place."""

    id: int
    slice_index: int
    platform: str = "gpu"
    device_kind: str = "chip"
    process_index: int = 0


def layout(ways: Mesh, chips: list, monkeypatch) -> np.ndarray:
    """Numbers of the chips, where the mesh puts them."""
    monkeypatch.setattr(jax.sharding, "Mesh", lambda chips, *_, **__: chips)
    return np.vectorize(lambda chip: chip.id)(ways.build(chips))


def test_a_slice_s_chips_stay_together_whatever_order_they_are_told_in(monkeypatch):
    chips = [Chip(number, slice_index=number % 2) for number in range(8)]
    found = layout(Mesh(slice=2, data=2, model=2), chips, monkeypatch)
    assert found.shape == (2, 2, 1, 1, 2)
    assert [sorted(part.ravel()) for part in found] == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_where_there_are_no_slices_neighbours_stand_for_one(monkeypatch):
    chips = [Chip(number, slice_index=0, platform="cpu") for number in range(8)]
    found = layout(Mesh(slice=2, context=2), chips, monkeypatch)
    assert found.ravel().tolist() == [*range(8)]


def test_slices_that_are_there_are_to_be_said():
    chips = [Chip(number, slice_index=number % 2, platform="tpu") for number in range(8)]
    with pytest.raises(Refusal, match="Mesh.slice=1, and the 8 devices form 2 slices; slice=2"):
        Mesh().build(chips)


@pytest.mark.parametrize(
    "name, shape, said",
    [
        ("up_DF", (17, 24), "embed=17 does not divide over data=2 × context=2; .* is 16"),
        ("up_DF", (16, 23), "mlp=23 does not divide over model=2; .* is 24"),
        ("x_BLD", (9, 4, 16), "rows=9 does not divide over data=2; .* is 10"),
        ("x_BLD", (8, 1, 16), "length=1 does not divide over context=2; .* is 2"),
    ],
)
def test_a_dimension_that_does_not_divide_is_refused_with_the_nearest_that_does(name, shape, said):
    with pytest.raises(ValueError, match=said):
        mesh.sharding(Mesh(2, 2, context=2).build(), name, shape)


def test_a_batch_is_split_over_its_rows_and_its_length():
    devices = Mesh(2, context=2, slice=2).build()
    batch = abstract("encoder_decoder", 8, 6, 4)
    placed = mesh.rows(devices, batch)
    assert placed.target_BL.spec == placed.encoder.tokens_BL.spec == PartitionSpec(ROWS, "context")
    assert placed.objective_B.spec == PartitionSpec(ROWS)
    for lengths, about in (((5, 4), "Stage.inputs"), ((6, 5), "Stage.targets")):
        with pytest.raises(Refusal, match="length=5 does not divide over context=2") as caught:
            mesh.rows(devices, abstract("encoder_decoder", 8, *lengths))
        assert caught.value.about == about
    with pytest.raises(Refusal, match="rows=6 does not divide over slice=2 × data=2; .* is 8"):
        mesh.rows(devices, abstract("encoder_decoder", 6, 6, 4))


RICH = {
    "position": "learned",
    "activation": "gelu",
    "norm": "layer",
    "norm_place": "both",
    "bias": True,
    "embedding_norm": True,
    "qk_norm": True,
    "shared": False,
    "head": "transformed",
}
TABLES = {name: Architecture(name, "relative", tied=False) for name in VISIBILITY}
TABLES["every_ingredient"] = Architecture("encoder_decoder", tied=False, **RICH)
TABLES["ladder"] = Architecture("encoder_decoder", tied_stacks=True, merged=True, aligned=True)
TABLES["experts"] = Architecture("causal_decoder")


def table(name: str) -> str:
    """Which weight, moment and activation of an architecture is split over which axes."""
    devices = Mesh(2, context=2, model=2).build()
    architecture, size = TABLES[name], SIZE
    if name == "experts":
        size = dataclasses.replace(SIZE, experts=8, choices=2)
    seen: dict[str, tuple] = {}

    def note(name: str, array: jax.Array) -> jax.Array:
        seen[f"activation {name}"] = mesh.sharding(devices, name, array.shape).spec
        return array

    batch = abstract(architecture.kind, 8, 8, 4)
    model = Transformer(size, architecture, place=note)
    weights = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]
    for kind, tree in [
        ("batch", batch),
        ("weight", weights),
        *((one, jax.eval_shape(Optimizer(one).transform().init, weights)) for one in MOMENTS),
    ]:
        placed = (
            mesh.rows(devices, tree) if kind == "batch" else mesh.shardings(devices, tree, weights)
        )
        for keys, leaf in jax.tree_util.tree_flatten_with_path(placed)[0]:
            seen[f"{kind} {mesh.path(keys)}"] = leaf.spec
    width = max(map(len, seen))
    lines = [f"{what:{width}}  {shown(spec)}".rstrip() for what, spec in sorted(seen.items())]
    return "\n".join([f"# {name}: slice=1 data=2 context=2 model=2; · is whole", *lines, ""])


def shown(spec: PartitionSpec) -> str:
    """A sharding in words.

    Example:
      data+context model ·
    """
    axes = (axis if isinstance(axis, tuple) else (axis or "·",) for axis in spec)
    return " ".join("+".join(axis) for axis in axes) or "·"


@pytest.mark.parametrize("name", TABLES)
def test_what_is_split_over_what_equals_its_golden(name):
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("ARCHLAB_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(table(name))
    assert table(name) == path.read_text(), "read the diff of `make golden`"
