from pathlib import Path

import jax
import numpy as np
import pytest

from archlab import run as runs
from archlab import trained
from archlab.architecture import Architecture
from archlab.program import Program
from archlab.train.checkpoint import Checkpoints
from tests import corpus

STAGES = [
    corpus.stage("causal_lm", steps=3, architecture="causal_decoder"),
    corpus.stage("prefix_lm", steps=2),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run of two stages, with checkpoints 2, 3, 4 and 5."""
    root = tmp_path_factory.mktemp("trained")
    texts = corpus.written(root / "texts")
    run = corpus.run(texts, "prefix_decoder", STAGES, save_every=2, evaluate_rows=1)
    runs.train(run, root / "run", "test")
    return root / "run"


@pytest.mark.parametrize(
    "step, stage", [(2, "causal_decoder"), (3, "causal_decoder"), (5, "prefix_decoder")]
)
def test_an_older_checkpoint_is_read_with_the_model_of_its_stage(folder, step, stage):
    read = trained.load(folder, step)
    assert read.step == step and read.model.architecture == Architecture(stage)
    program = Program(read.run, 0, read.run.mesh.build())
    checkpoints = Checkpoints(folder / "checkpoints")
    whole = checkpoints.restore(step, program.shapes)
    checkpoints.close()
    jax.tree.map(np.testing.assert_array_equal, read.weights, jax.device_get(whole.weights))
    assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(read.weights)} == {1}


def test_the_latest_is_read_unless_another_is_asked_for(folder):
    assert trained.load(folder).step == 5
    with pytest.raises(ValueError, match=r"holds no checkpoint 1; it holds \[2, 3, 5\]"):
        trained.load(folder, 1)


def test_a_run_that_is_still_training_is_left_alone(folder):
    half = folder / "checkpoints" / "6.orbax-checkpoint-tmp"
    half.mkdir()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert trained.load(folder).step == 5
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    half.rmdir()


def test_only_weights_are_read(folder):
    whole = trained.load(folder)
    moments = next((folder / "checkpoints/5/moments/d").iterdir())
    kept = moments.read_bytes()
    moments.write_bytes(b"")
    read = trained.load(folder)
    moments.write_bytes(kept)
    jax.tree.map(np.testing.assert_array_equal, read.weights, whole.weights)


def test_damage_is_one_line_that_offers_the_checkpoint_before(folder):
    data = max((folder / "checkpoints/5/weights/d").iterdir(), key=lambda path: path.stat().st_size)
    kept = data.read_bytes()
    data.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(ValueError) as caught:
        trained.load(folder)
    data.write_bytes(kept)
    said = str(caught.value)
    assert "checkpoints/5 is damaged: " in said and "\n" not in said
    assert said.endswith("; --step 3 goes back to the one before")


@pytest.mark.parametrize("name", ["config.json", "manifest.json"])
@pytest.mark.parametrize("content", ["{", "[1]", "{}"])
def test_a_broken_file_is_named(folder, name, content):
    path = folder / name
    kept = path.read_text()
    path.write_text(content)
    with pytest.raises(ValueError, match=name):
        trained.load(folder)
    path.write_text(kept)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="is not a run that has trained: it holds no manifest.json"
    ):
        trained.load(tmp_path)
    with pytest.raises(ValueError, match="there is no run directory .*/none$"):
        trained.load(tmp_path / "none")
