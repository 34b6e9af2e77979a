import jax
import numpy as np
import pytest

from archlab import shares
from archlab.mesh import Mesh
from tests import drawn

MESHES = [Mesh(8), Mesh(2, 2, context=2), Mesh(2, 2, slice=2), Mesh(2, 2, expert=2)]


@pytest.mark.parametrize("ways", MESHES)
def test_one_process_holds_all_rows(ways):
    np.testing.assert_array_equal(shares.own(ways.build(), 16), np.arange(16))


@pytest.mark.parametrize(
    "ways, held, rows",
    [
        (Mesh(8), [0, 1, 4], [0, 1, 2, 3, 8, 9]),  # rows that are not neighbours
        (Mesh(2, 2, context=2), [0, 1], [*range(8)]),  # what others hold too
        (Mesh(2, 2, slice=2), [4, 5, 6, 7], [*range(8, 16)]),
    ],
)
def test_a_process_holds_the_rows_of_its_devices(monkeypatch, ways, held, rows):
    mesh = ways.build()
    here = mesh.devices.ravel()[held]

    def some(placed, shape):
        return {device: placed.devices_indices_map(shape)[device] for device in here}

    kind = jax.sharding.NamedSharding
    monkeypatch.setattr(kind, "addressable_devices_indices_map", some)
    shares.own.cache_clear()
    try:
        np.testing.assert_array_equal(shares.own(mesh, 16), rows)
    finally:
        shares.own.cache_clear()


@pytest.mark.parametrize("ways", MESHES)
def test_a_batch_arrives_as_it_was(ways):
    mesh = ways.build()
    batch = drawn.batch("encoder_decoder", 16, 12, 8, 40)
    there = shares.put(mesh, batch)
    jax.tree.map(np.testing.assert_array_equal, batch, there)
    assert there.target_BL.sharding.shard_shape((16, 8)) == (
        16 // (mesh.shape["slice"] * mesh.shape["data"] * mesh.shape["expert"]),
        8 // mesh.shape["context"],
    )


@pytest.mark.parametrize("ways, rows", [*zip(MESHES, (8, 2, 4, 4), strict=True)])
def test_rows_are_split_over_slices_data_and_experts_and_their_length_over_context(ways, rows):
    found = shares.parts(ways.build(), drawn.batch("decoder", 16, 4, 4, 40))
    assert found == (rows, ways.context)
