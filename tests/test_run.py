import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from archlab import mesh, record, trained
from archlab import run as runs
from archlab.architecture import Architecture
from archlab.mesh import Mesh
from archlab.program import Program
from archlab.record import Record
from archlab.train.checkpoint import Checkpoints
from tests import corpus

FLEETING = ("time", "seconds", "tokens_per_second", "waiting")
TWO = [
    corpus.stage("causal_lm", steps=7, architecture="causal_decoder"),
    corpus.stage("prefix_lm", steps=6, moments="reset", accumulate=2),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return corpus.written(tmp_path_factory.mktemp("texts"))


def final(run, out: Path):
    """Every array of the last checkpoint, and every record, without what depends on the clock."""
    checkpoints = Checkpoints(out / "checkpoints", run.keep)
    total = sum(stage.total_steps for stage in run.stages)
    assert checkpoints.steps()[-1] == total
    program = Program(run, len(run.stages) - 1, run.mesh.build())
    state = jax.device_get(checkpoints.restore(total, program.shapes))
    checkpoints.close()
    lines = [line for line in record.read(out / "metrics.jsonl") if line["kind"] != "start"]
    for line in lines:
        for name in FLEETING:
            line.pop(name, None)
            line.get("ledger", {}).pop(name, None)
    return state, lines


def assert_same(run, one: Path, other: Path):
    (first, lines), (second, others) = final(run, one), final(run, other)
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert json.dumps(lines, sort_keys=True) == json.dumps(others, sort_keys=True)


class Killed(BaseException):
    """What a test raises where a machine would fail."""


def killed_at(monkeypatch, run, out: Path, total_step: int):
    write = Record.write

    def fatal(self, kind, **fields):
        if kind == "train" and fields["total_step"] >= total_step:
            raise Killed
        write(self, kind, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(Record, "write", fatal)
        with pytest.raises(Killed):
            runs.train(run, out, "test")


@pytest.fixture(scope="module")
def straight(folder, tmp_path_factory):
    """A run of two stages that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "straight"
    run = corpus.run(folder, "prefix_decoder", TWO)
    end = runs.train(run, out, "test")
    return run, out, end


@pytest.mark.parametrize("kills", [(6,), (8, 13), (2, 6, 10)])
def test_a_killed_run_goes_on_to_the_same_bits(straight, monkeypatch, tmp_path, capsys, kills):
    run, out, _ = straight
    for kill in kills:
        killed_at(monkeypatch, run, tmp_path / "run", kill)
    capsys.readouterr()
    runs.train(run, tmp_path / "run", "test")
    assert "resumed" in capsys.readouterr().out
    assert_same(run, out, tmp_path / "run")


def test_going_back_to_an_earlier_checkpoint_gives_the_same_bits(straight, monkeypatch, tmp_path):
    run, out, _ = straight
    runs.train(run, tmp_path / "run", "test")
    runs.train(run, tmp_path / "run", "test", resume_from=4)
    assert_same(run, out, tmp_path / "run")


def test_a_run_on_another_mesh_is_the_same_to_1e_5(straight, tmp_path):
    run, out, _ = straight
    other = dataclasses.replace(run, mesh=Mesh(2, 4))
    runs.train(other, tmp_path / "run", "test")
    (first, lines), (second, others) = final(run, out), final(other, tmp_path / "run")
    near = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)  # noqa: E731
    jax.tree.map(near, first.weights, second.weights)
    losses = [[line["loss"] for line in one if line["kind"] == "train"] for one in (lines, others)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_it_learns_and_says_so(straight):
    run, out, end = straight
    lines = record.read(out / "metrics.jsonl")
    losses = [line["loss"] for line in lines if line["kind"] == "train"]
    assert losses[-1] < losses[0] - 0.5
    scores = [line for line in lines if line["kind"] == "evaluate"]
    assert [(line["stage"], line["step"]) for line in scores] == [(0, 7), (1, 6)]
    assert end["loss"] == scores[-1]["loss"]
    start = lines[0]
    assert [stage["architecture"] for stage in start["stages"]] == [
        "causal_decoder",
        "prefix_decoder",
    ]
    tokens = sum(stage.total_tokens for stage in run.stages)
    assert end["ledger"]["tokens"] == tokens == 13 * 16 * 32
    steps = [stage["flops_per_step"]["body"] * stage["steps"] for stage in start["stages"]]
    assert end["ledger"]["flops"]["body"] == sum(steps)
    # Causal rows are all text and all loss; in prefix rows, inputs are not learnt from.
    assert 7 * 16 * 32 < end["ledger"]["loss_tokens"] < tokens
    assert end["ledger"]["padding"] == 0.0


@pytest.mark.parametrize(
    "name, objective",
    [
        ("causal_decoder", "causal_lm"),
        ("prefix_decoder", "span_corruption"),
        ("encoder_decoder", "prefix_lm"),
        ("encoder", "masked_lm"),
    ],
)
def test_every_architecture_trains_in_bfloat16_and_is_read_back(folder, tmp_path, name, objective):
    stages = [corpus.stage(objective, steps=3)]
    run = corpus.run(folder, name, stages, precision="bfloat16", remat="minimal", tensorboard=True)
    runs.train(run, tmp_path / "run", "test")
    read = trained.load(tmp_path / "run")
    assert read.run == run and read.step == 3
    assert read.model.architecture == Architecture(name)
    leaves, _ = jax.tree_util.tree_flatten_with_path(read.weights)
    assert {str(leaf.dtype) for _, leaf in leaves} == {"float32"}
    assert any(mesh.path(keys).endswith("query_DHK") for keys, _ in leaves)
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_a_band_is_met_or_not(folder, tmp_path, capsys):
    for low, high, said in [(0.0, 9.0, "met"), (0.0, 0.1, "NOT met")]:
        run = corpus.run(
            folder, "causal_decoder", [corpus.stage("causal_lm", 2)], expect=(low, high)
        )
        end = runs.train(run, tmp_path / said.replace(" ", ""), "test")
        assert end["met"] == (said == "met")
        assert f"expected {low} to {high}: {said}" in capsys.readouterr().out


REFUSED = {
    "seed": 1,
    "architecture": Architecture("causal_decoder", activation="relu"),
    "stages": (corpus.stage("causal_lm", 3),),
    "z_loss": 0.5,
    "precision": "bfloat16",
}


def test_a_changed_setting_is_refused_unless_it_may_change(folder, tmp_path, capsys):
    run = corpus.run(folder, "causal_decoder", [corpus.stage("causal_lm", 2)])
    runs.train(run, tmp_path / "run", "test")
    for name, value in REFUSED.items():
        with pytest.raises(ValueError, match=rf"cannot change once it has begun: run\.{name}.* → "):
            runs.train(dataclasses.replace(run, **{name: value}), tmp_path / "run", "test")
    capsys.readouterr()
    may = dataclasses.replace(run, record_every=1, keep=2, mesh=Mesh(4, 2))
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    end = runs.train(may, tmp_path / "run", "test")
    said = capsys.readouterr().out
    assert "changed run.record_every: 2 → 1" in said
    assert "already finished: trained" in said and end["kind"] == "end"
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    with pytest.raises(ValueError, match="holds another run, of test; .* for other with --out"):
        runs.train(run, tmp_path / "run", "other")


def test_changed_text_is_refused(monkeypatch, tmp_path):
    texts = corpus.written(tmp_path / "texts", 30)
    run = corpus.run(texts, "causal_decoder", [corpus.stage("causal_lm", 2)])
    killed_at(monkeypatch, run, tmp_path / "run", 2)
    (texts / "000.txt").write_text("something else entirely")
    with pytest.raises(ValueError, match="the text of folder_causal_lm has changed"):
        runs.train(run, tmp_path / "run", "test")


def test_a_table_smaller_than_the_vocabulary_is_refused(folder, tmp_path):
    run = corpus.run(folder, "causal_decoder", [corpus.stage("causal_lm", 2)])
    small = dataclasses.replace(run, size=dataclasses.replace(run.size, vocab=256))
    with pytest.raises(ValueError, match="Size.vocab=256 is too small .* Size.vocab=384 would do"):
        runs.train(small, tmp_path / "run", "test")


SCRIPT = """
import sys
from pathlib import Path
from archlab import run
from tests import corpus
from tests.test_run import TWO
settings = corpus.run(Path(sys.argv[1]), "prefix_decoder", TWO, record_every=1, save_every=2)
run.train(settings, Path(sys.argv[2]), "test")
"""


def test_a_process_killed_outright_goes_on_to_the_same_bits(folder, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    root = Path(__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([*command, str(tmp_path / "straight")], env=env, cwd=root, check=True)
    for lines in (4, 12):
        process = subprocess.Popen([*command, str(tmp_path / "run")], env=env, cwd=root)
        path = tmp_path / "run" / "metrics.jsonl"
        while process.poll() is None:
            if path.exists() and path.read_text().count('"train"') >= lines:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        assert process.wait() == -signal.SIGKILL
    subprocess.run([*command, str(tmp_path / "run")], env=env, cwd=root, check=True)
    run = corpus.run(folder, "prefix_decoder", TWO, record_every=1, save_every=2)
    assert_same(run, tmp_path / "straight", tmp_path / "run")
