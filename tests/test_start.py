"""What a run begins with is the same from a run directory and from a folder of weights."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from archlab import directory, start
from archlab.architecture import Architecture
from archlab.bridge import folders, runs
from archlab.ledger import Ledger
from archlab.mesh import Mesh
from archlab.refusal import Refusal
from archlab.train.checkpoint import Checkpoints
from archlab.train.meter import Meter
from archlab.train.optimizer import Optimizer
from archlab.train.position import Position
from archlab.train.state import State
from tests.bridge import models

SIZE = dataclasses.replace(models.SIZE, heads=4, kv_heads=0)  # which divide over a mesh
MODEL = models.of(Architecture("causal_decoder"), SIZE)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """One model in three forms."""
    home = tmp_path_factory.mktemp("start")
    runs.make(MODEL, home / "run", "mine")
    folders.write(MODEL, home / "own", "archlab")
    folders.write(MODEL, home / "theirs")
    return home


@pytest.fixture(scope="module")
def mesh() -> jax.sharding.Mesh:
    return Mesh(2, 2).build(jax.devices()[:4])


def test_every_form_gives_its_weights_in_their_places_and_ours_the_same_digest(home, mesh):
    found = {name: start.read(str(home / name), mesh) for name in ("run", "own", "theirs")}
    theirs = folders.read(home / "theirs")  # a table that is read as it is, and norms to suit it
    for name, one in found.items():
        expected = theirs if name == "theirs" else MODEL
        jax.tree.map(np.testing.assert_array_equal, jax.device_get(one.weights), expected.weights)
        up_NDF = one.weights["decoder"]["layers"]["mlp"]["up_DF"]
        assert len(up_NDF.addressable_shards[0].data) == 2  # layers are whole
        assert up_NDF.addressable_shards[0].data.size == up_NDF.size // 4
        assert (one.folder, one.step) == (str(home / name), 0 if name == "run" else None)
        assert one.model.architecture == expected.architecture
        assert one.model.size == expected.size
    assert found["run"].digest == found["own"].digest != found["theirs"].digest
    other = models.of(Architecture("prefix_decoder"), SIZE)
    folders.write(other, home / "other", "archlab")
    assert start.read(str(home / "other"), mesh).digest == found["own"].digest  # the same weights
    other.weights["embedding"]["table_VD"][3, 4] += 1e-6
    folders.write(other, home / "changed", "archlab")
    assert start.read(str(home / "changed"), mesh).digest != found["own"].digest


def test_what_a_manifest_keeps_is_read_back_without_the_weights(home, mesh, tmp_path):
    own, folder = start.read(str(home / "own"), mesh), str(home / "own")
    kept = json.loads(json.dumps(own.as_dict()))
    assert start.restored(kept) == own and start.restored(kept).weights is None
    assert start.found(None, tmp_path, mesh, False) is None
    assert start.found(folder, tmp_path, mesh, False).weights is not None
    directory.write(tmp_path / "manifest.json", {"start": kept})
    assert start.found(folder, tmp_path, mesh, False).weights is not None
    assert start.found("nowhere", tmp_path, mesh, True) == own
    changed = {"start": kept | {"digest": "0" * 64}}
    directory.write(tmp_path / "manifest.json", changed)
    with pytest.raises(Refusal, match=f"have changed since .*: 000000000000 → {own.digest[:12]}; "):
        start.found(folder, tmp_path, mesh, False)


def test_moments_are_read_where_they_are_asked_for_and_there(home, mesh):
    runs.make(MODEL, home / "trained", "mine")
    moments = jax.tree.map(lambda leaf: leaf + 3, Optimizer().transform().init(MODEL.weights))
    with Checkpoints(home / "trained" / "checkpoints", keep=1) as checkpoints:
        state = State(MODEL.weights, moments, np.int32(1))
        checkpoints.save(state, Position(1, 0, 1, Meter(Ledger())))
    trained = str(home / "trained")
    assert start.read(trained, mesh).moments is None
    found = start.read(trained, mesh, Optimizer(b2=0.9))
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(found.moments), moments)
    up_NDF = found.moments[0].mu["decoder"]["layers"]["mlp"]["up_DF"]
    assert up_NDF.sharding == found.weights["decoder"]["layers"]["mlp"]["up_DF"].sharding
    assert "moments" not in found.as_dict()
    for name in ("run", "own", "theirs"):
        said = f"keep', and .*{name} holds weights and no moments; 'reset' begins anew"
        with pytest.raises(Refusal, match=said) as caught:
            start.read(str(home / name), mesh, Optimizer())
        assert (caught.value.about, caught.value.stage) == ("Stage.moments", 0)
    for other in (Optimizer("adafactor"), Optimizer(precision="bfloat16")):
        with pytest.raises(Refusal, match=r"another optimizer's \(Optimizer.[a-z]+: .* → .*reset"):
            start.read(trained, mesh, other)


def test_what_is_no_start_is_refused(mesh, tmp_path):
    for folder, said in ((tmp_path / "none", "there is no folder"), (tmp_path, "archlab.json")):
        with pytest.raises(Refusal, match=f"Run.start: .*{said}") as caught:
            start.read(str(folder), mesh)
        assert caught.value.about == "Run.start"
