import dataclasses
import json
import os
import shutil
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
from archlab.data.recipes import Data, Recipe
from archlab.evaluation.validation import validate
from archlab.mesh import Mesh
from archlab.program import Program
from archlab.record import Record
from archlab.show import examples
from archlab.train import state as states
from archlab.train.checkpoint import Checkpoints
from archlab.train.optimizer import Optimizer
from tests import corpus, shared

FLEETING = ("time", "seconds", "tokens_per_second", "waiting", "memory")
PAUSE = 0.5  # seconds
TWO = [
    corpus.stage("causal_lm", steps=7, architecture="causal_decoder"),
    corpus.stage("prefix_lm", steps=6, moments="reset", accumulate=2, dropout=0.1),
]


@pytest.fixture(scope="module", autouse=True)
def programs_are_shared():
    with shared.programs():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return corpus.written(tmp_path_factory.mktemp("texts"))


def final(run, out: Path):
    """Every array of the last checkpoint, and every record, without what depends on the clock."""
    checkpoints = Checkpoints(out / "checkpoints")
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


def test_programs_are_shared_by_those_that_have_the_same(straight):
    run, _, _ = straight
    program = Program(run, 1, run.mesh.build())
    assert program.lowered.as_text() == shared.bare(program).lowered.as_text()


class Killed(BaseException):
    """What a test raises where a machine would fail."""


def killed_at(monkeypatch, run, out: Path, total_step: int, modules: tuple[str, ...] = ()):
    write = Record.write

    def fatal(self, kind, **fields):
        if kind == "train" and fields["total_step"] >= total_step:
            raise Killed
        write(self, kind, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(Record, "write", fatal)
        with pytest.raises(Killed):
            runs.train(run, out, "test", modules=modules)


def without_end(out: Path):
    """What a run leaves that is killed after its last checkpoint and before its last word."""
    path = out / "metrics.jsonl"
    *lines, end = path.read_text().splitlines(keepends=True)
    assert json.loads(end)["kind"] == "end"
    path.write_text("".join(lines))


@pytest.fixture(scope="module")
def straight(folder, tmp_path_factory):
    """A run of two stages that nothing interrupted, with a pause between the two."""
    out = tmp_path_factory.mktemp("runs") / "straight"
    run = corpus.run(folder, "prefix_decoder", TWO)
    anew = states.anew

    def slowly(*given):
        time.sleep(PAUSE)
        return anew(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states, "anew", slowly)
        end = runs.train(run, out, "test")
    return run, out, end


@pytest.mark.parametrize("kills", [(8, 13), (2, 6, 10)])
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


def test_a_run_on_another_mesh_is_the_same_to_1e_5(straight, tmp_path, monkeypatch):
    (run, out, _), (data, model) = straight, (2, 4)
    assert run.mesh.build().shape["data"] == 8
    other, build = dataclasses.replace(run, mesh=Mesh(data, model)), Mesh.build
    monkeypatch.setattr(Mesh, "build", lambda mesh: build(mesh, jax.devices()[: data * model]))
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
    assert all(line["memory"]["resident"] > 0 for line in lines if line["kind"] == "train")
    shown = [(one.stage, one.objective, list(one.stacks)) for one in examples.read(out)]
    assert shown == [(0, "folder_causal_lm", ["decoder"]), (1, "folder_prefix_lm", ["decoder"])]
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
    # Its clock does not stop between two stages.
    trains = [line for line in lines if line["kind"] == "train"]
    last, first = (line for line in trains if (line["stage"], line["step"]) in [(0, 7), (1, 2)])
    assert first["seconds"] - last["seconds"] > PAUSE
    assert all(line["learning_rate"] >= 0 for line in trains)
    # Causal rows are all text and all loss; in prefix rows, inputs are not learnt from.
    assert 7 * 16 * 32 < end["ledger"]["loss_tokens"] < tokens
    assert end["ledger"]["padding"] == 0.0


def test_what_is_trained_in_bfloat16_is_read_back(folder, tmp_path):
    """The systems people know train so in every architecture (`test_experiments_named.py`)."""
    name, stages = "encoder_decoder", [corpus.stage("prefix_lm", steps=3)]
    run = corpus.run(folder, name, stages, precision="bfloat16", remat="minimal", tensorboard=True)
    with shared.one_device():  # others train on several
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


def test_what_was_not_measured_is_neither_met_nor_not(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Recipe, "has", lambda self, split: split == "train")
    stages = [corpus.stage("causal_lm", 2)]
    run = corpus.run(folder, "causal_decoder", stages, expect=(0.0, 9.0))
    end = runs.train(run, tmp_path / "run", "test")
    assert end["met"] is None and np.isnan(end["loss"])
    said = capsys.readouterr().out
    assert "last validation loss not measured, expected 0.0 to 9.0\n" in said


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
    assert "already finished: trained" in capsys.readouterr().out and end["kind"] == "end"
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    without_end(tmp_path / "run")
    runs.train(may, tmp_path / "run", "test")
    assert "changed run.record_every: 2 → 1" in capsys.readouterr().out
    with pytest.raises(ValueError, match="holds another run, of test; .* for other with --out"):
        runs.train(run, tmp_path / "run", "other")


def test_a_module_is_told_by_what_it_holds(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text("x = 1\n")
    run = corpus.run(folder, "causal_decoder", [corpus.stage("causal_lm", 2)])
    runs.train(run, tmp_path / "run", "test", modules=("own.py",))
    for spelled in ("./own.py", str(tmp_path / "own.py"), "own"):
        runs.train(run, tmp_path / "run", "test", modules=(spelled,))
    (tmp_path / "own.py").write_text("x = 2\n")
    with pytest.raises(ValueError, match=r"cannot change .*modules\.0: own \w+ → own \w+;"):
        runs.train(run, tmp_path / "run", "test", modules=("own.py",))


def test_changed_text_is_refused(monkeypatch, tmp_path):
    texts = corpus.written(tmp_path / "texts", 30)
    run = corpus.run(texts, "causal_decoder", [corpus.stage("causal_lm", 2)])
    killed_at(monkeypatch, run, tmp_path / "run", 2)
    (texts / "000.txt").write_text("something else entirely")
    with pytest.raises(ValueError, match="the text of folder_causal_lm has changed"):
        runs.train(run, tmp_path / "run", "test")


def test_what_is_refused_before_the_first_step_may_be_put_right_in_the_same_directory(
    folder, tmp_path
):
    run = corpus.run(folder, "causal_decoder", [corpus.stage("causal_lm", 2)])
    small = dataclasses.replace(run, size=dataclasses.replace(run.size, vocab=256))
    with pytest.raises(ValueError, match="Size.vocab=256 is too small .* Size.vocab=384 would do"):
        runs.train(small, tmp_path / "run", "test")
    with pytest.raises(ValueError, match="masked_lm"):
        runs.train(
            dataclasses.replace(run, stages=(corpus.stage("masked_lm", 2),)),
            tmp_path / "run",
            "test",
        )
    with pytest.raises(ValueError, match="nowhere"):
        runs.train(
            dataclasses.replace(run, data=Data(folder=str(tmp_path / "nowhere"))),
            tmp_path / "run",
            "test",
        )
    assert not (tmp_path / "run").exists()
    assert runs.train(run, tmp_path / "run", "test")["ledger"]["tokens"] == 2 * 16 * 32


def test_a_resume_that_is_refused_says_and_records_and_deletes_nothing(straight, tmp_path, capsys):
    run, out, _ = straight
    shutil.copytree(out, tmp_path / "run")
    without_end(tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "13"
    for path in (last / "moments").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    before = {
        path: path.read_bytes()
        for path in (tmp_path / "run").rglob("*")
        if path.is_file() and path.suffix != ".json"
    }
    with pytest.raises(ValueError, match="13 is damaged: .*; --resume-from 11 goes back"):
        runs.train(run, tmp_path / "run", "test")
    assert "resumed" not in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in before}
    runs.train(run, tmp_path / "run", "test", resume_from=11)
    assert_same(run, out, tmp_path / "run")


def test_a_run_that_goes_on_with_other_versions_says_so_and_records_them(
    straight, tmp_path, capsys
):
    run, out, _ = straight
    shutil.copytree(out, tmp_path / "run")
    without_end(tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    path.write_text(path.read_text().replace(f'"jax": "{jax.__version__}"', '"jax": "0.0.1"'))
    runs.train(run, tmp_path / "run", "test")
    said = capsys.readouterr().out
    assert f"note: jax: 0.0.1 → {jax.__version__}, since it began" in said
    starts = [
        line for line in record.read(tmp_path / "run" / "metrics.jsonl") if line["kind"] == "start"
    ]
    assert [start["made_with"]["versions"]["jax"] for start in starts] == [jax.__version__] * 2
    assert starts[0]["made_with"]["devices"] == ["cpu cpu"] * 8
    assert '"jax": "0.0.1"' in path.read_text()


def test_adafactor_in_bfloat16_goes_on_to_the_same_bits_even_if_killed_while_it_validates(
    folder, tmp_path, monkeypatch
):
    stages = [
        corpus.stage("causal_lm", steps=4, architecture="causal_decoder"),
        corpus.stage("prefix_lm", steps=3, accumulate=2),
    ]
    run = corpus.run(
        folder,
        "prefix_decoder",
        stages,
        optimizer=Optimizer("adafactor"),
        precision="bfloat16",
        save_every=3,
        evaluate_every=2,
    )
    runs.train(run, tmp_path / "straight", "test")
    measured = []

    def fatal(*given):
        measured.append(validate(*given))
        if len(measured) == 3:  # at step 2 of the second stage; step 4 of the first was saved
            raise Killed
        return measured[-1]

    with monkeypatch.context() as patch:
        patch.setattr(runs, "validate", fatal)
        with pytest.raises(Killed):
            runs.train(run, tmp_path / "run", "test")
    runs.train(run, tmp_path / "run", "test")
    assert_same(run, tmp_path / "straight", tmp_path / "run")


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from archlab import run
from archlab.record import Record
from tests import corpus
from tests.test_run import TWO

texts, out, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
write = Record.write

def fatal(self, kind, **fields):
    if kind == "train" and fields["total_step"] > last:
        while not (out / "checkpoints" / str(last)).exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, kind, **fields)

Record.write = fatal
run.train(corpus.run(texts, "prefix_decoder", TWO), out, "test")
"""


def test_a_process_killed_outright_goes_on_to_the_same_bits(straight, folder, tmp_path):
    run, out, _ = straight
    command = [sys.executable, "-c", SCRIPT, str(folder), str(tmp_path / "run")]
    root = Path(__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": str(root)}
    ends = [subprocess.run([*command, last], env=env, cwd=root) for last in ("4", "11", "13")]
    assert [end.returncode for end in ends] == [-signal.SIGKILL, -signal.SIGKILL, 0]
    starts = [one for one in record.read(tmp_path / "run/metrics.jsonl") if one["kind"] == "start"]
    assert [one["resumed_from"] for one in starts] == [None, 4, 11]  # each within a stage
    assert_same(run, out, tmp_path / "run")
