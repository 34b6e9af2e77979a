"""Processes that train together do what one does, lose nothing when one ends, and may change."""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from archlab import commands, record, trained
from tests import corpus, together

STEPS, SAVED = 32, 8  # and steps between two checkpoints
SETTINGS = {
    "Run.data": "@Data()",
    "Run.record_every": "1",
    "Run.save_every": str(SAVED),
    "Run.keep": "20",
    "Schedule.warmup": "4",
    "Mesh.model": "2",
    "Size.layers": "1",
    "Size.embed": "32",
    "Stage.mixture": "folder_causal_lm",
    "Stage.inputs": "24",
    "Stage.targets": "8",
    "Stage.tokens": str(STEPS * 8 * 32),
}
CHANGED = """
include 'gin/architecture/encoder_decoder.gin'
include 'gin/size/tiny.gin'
include 'gin/stage/tiny.gin'
include 'gin/optimizer/adamw.gin'
include 'gin/mesh/all.gin'

Run.stages = [@pair/Stage(), @alone/Stage()]
Run.data = @Data()
Run.precision = "float32"
pair/Stage.mixture = "folder_prefix_lm"
pair/Stage.steps = 3
alone/Stage.mixture = "folder_causal_lm"
alone/Stage.steps = 2
alone/Stage.architecture = "causal_decoder"
alone/Stage.size = @Size()
alone/Size.layers = 2
alone/Size.vocab = 400
alone/Stage.surgery = @Surgery()
Surgery.frozen = 1
"""


def words_of(out: Path, texts: Path) -> list[str]:
    words = ["smoke_causal_decoder", "--out", str(out), f"--set=Data.folder={texts}"]
    return words + [f"--set={name}={value}" for name, value in SETTINGS.items()]


@pytest.fixture(scope="module")
def origin():
    with together.origin() as process:
        yield process


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    return corpus.written(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def start(origin, texts, tmp_path_factory):
    """Starts processes in a run directory; the last has settings of its own."""
    said = tmp_path_factory.mktemp("said")

    def start(out: Path, many: int, *more: str, last: str = "Run.seed=0") -> list[together.Process]:
        words = ["train", *words_of(out, texts)]
        each = [[*words, *more]] * (many - 1) + [[*words, *more, f"--set={last}"]]
        return together.started(origin, said, each)

    return start


@pytest.fixture
def launch(texts, monkeypatch):
    """Trains in a run directory to the end, by two processes that one command starts."""

    def launch(out: Path) -> None:
        monkeypatch.setenv("XLA_FLAGS", together.devices(2))
        monkeypatch.setenv("PYTHONPATH", str(together.HOME))
        monkeypatch.setenv("PYTHONWARNINGS", "ignore")
        asked = ["launch", *words_of(out, texts), "--on", "local", "--set=Run.seed=0"]
        assert commands.main(asked) == 0

    return launch


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


def lines(out: Path, *kinds: str) -> list[dict]:
    return [line for line in record.read(out / "metrics.jsonl") if line["kind"] in kinds]


def wait(is_there: Callable[[], bool], process: together.Process) -> None:
    """Until something is there."""
    until = time.monotonic() + together.LONG
    while not is_there():
        assert time.monotonic() < until, process.errors.read_text()
        time.sleep(0.01)


def assert_near(one: Path, other: Path, after: int = 0) -> None:
    for kind in ("train", "evaluate"):
        first, second = (
            [line for line in lines(out, kind) if line["total_step"] > after]
            for out in (one, other)
        )
        assert [line["total_step"] for line in first] == [line["total_step"] for line in second]
        for name in ("loss", "gradient_norm")[: 1 if kind == "evaluate" else 2]:
            pair = [[line[name] for line in each] for each in (first, second)]
            np.testing.assert_allclose(*pair, rtol=1e-5)
        for name in ("tokens", "loss_tokens", "padding") if kind == "train" else ():
            assert [line[name] for line in first] == [line[name] for line in second]


def assert_done(processes: list[together.Process]) -> None:
    for process in processes:
        assert process.status() == 0, process.errors.read_text()


@pytest.fixture(scope="module")
def both(start, runs):
    """A run by two processes, and one by one."""
    two = start(runs / "two", 2)
    assert_done(two)
    assert_done(start(runs / "one", 1))
    return two


def test_two_do_what_one_does_and_the_first_speaks(both, runs):
    assert_near(runs / "one", runs / "two")
    # Gloo says whom it is connected to, piece by piece, and its threads cut each other short.
    its_own = re.compile(
        r"\[Gloo\] Rank|is connected to|Expected number of connected|peer ranks\.?|is :|[\d\s]"
    )
    said = [
        [line for line in process.out.read_text().splitlines() if its_own.sub("", line)]
        for process in both
    ]
    assert "trained" in said[0][-1] and not said[1]
    assert sum("encoding folder-train" in line for line in said[0]) == 1
    assert len(lines(runs / "two", "start")) == 1


def test_when_one_is_killed_the_other_ends_and_both_go_on_to_the_same_bits(
    both, start, launch, runs
):
    out = runs / "killed"
    first, second = start(out, 2)
    wait(lambda: (out / "checkpoints" / str(SAVED)).exists(), first)
    os.kill(second.number, signal.SIGKILL)
    assert second.status() == -signal.SIGKILL
    # A broken connection is ours to tell; silence is noticed by JAX, which aborts.
    assert first.status() in (75, -signal.SIGABRT)
    said = first.errors.read_text()
    assert "another process of the run is gone" in said or "another task died" in said
    launch(out)
    # The next may have been saved too before it was gone.
    begun, gone_on = (line["resumed_from"] for line in lines(out, "start"))
    assert begun is None and gone_on in (SAVED, 2 * SAVED)
    ends = [trained.load(folder).weights for folder in (runs / "two", out)]
    jax.tree.map(np.testing.assert_array_equal, *ends)
    losses = [[line["loss"] for line in lines(folder, "train")] for folder in (runs / "two", out)]
    assert losses[0] == losses[1]


def test_one_then_two_that_are_stopped_then_four_go_on_with_the_same_rows(both, start, runs):
    out = runs / "more"
    shutil.copytree(runs / "one", out)
    (out / "metrics.jsonl").unlink()
    two = start(out, 2, "--resume-from", str(SAVED))
    wait(lambda: (out / "metrics.jsonl").exists() and len(lines(out, "train")) > 3, two[0])
    os.kill(two[1].number, signal.SIGTERM)  # to one of them
    assert [process.status() for process in two] == [75, 75]
    stood = lines(out, "train")[-1]["step"]
    assert SAVED < stood < STEPS and trained.load(out).step == stood
    said = "".join(process.errors.read_text() for process in two)
    assert re.findall("archlab: .*", said) == [
        f"archlab: stopped; the same command goes on from checkpoint {stood} in {out}"
    ]
    assert_done(start(out, 4))
    assert_near(runs / "one", out, after=SAVED)


def test_what_is_wrong_in_one_process_ends_all(start, runs):
    two = start(runs / "odd", 2, last="Run.seed=1")
    assert [process.status() for process in two] == [2, 2]
    assert "process 1 has other settings than process 0" in two[1].errors.read_text()
    assert "process 1 ended: process 1 has other settings" in two[0].errors.read_text()
    (runs / "file").write_text("")
    two = start(runs / "file", 2)
    assert [process.status() for process in two] == [2, 2]
    for process, said in zip(two, ("error: ", "error: process 0: "), strict=True):
        assert f"{said}{runs / 'file'} is a file" in process.errors.read_text()


def test_two_stopped_before_a_stage_of_another_model_do_what_one_does(origin, texts, tmp_path):
    (tmp_path / "changed.gin").write_text(CHANGED)
    kept = {name: SETTINGS[name] for name in SETTINGS if name not in ("Run.data", "Stage.mixture")}
    del kept["Stage.tokens"]
    settings = {**kept, "Run.save_every": "2", "Schedule.warmup": "1", "Data.folder": str(texts)}
    words = ["train", str(tmp_path / "changed.gin")]
    words += [f"--set={name}={value}" for name, value in settings.items()]
    one, two = tmp_path / "one", tmp_path / "two"
    assert_done(together.started(origin, tmp_path, [[*words, "--out", str(one)]]))
    shutil.copytree(one, two)
    (two / "metrics.jsonl").unlink()
    asked = [*words, "--out", str(two), "--resume-from", "2"]
    assert_done(together.started(origin, tmp_path, [asked] * 2))
    assert [line["total_step"] for line in lines(two, "train")] == [3, 4, 5]
    assert_near(one, two, after=2)
