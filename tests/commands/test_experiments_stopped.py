"""A run that is stopped saves where it stands, and the same command goes on as if it never was."""

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

from archlab import commands, experiments, record, trained
from tests import corpus

STEPS = 24  # of each of two stages
SETTINGS = {
    "Run.data": "@Data()",
    "Run.record_every": "1",
    "Schedule.warmup": "4",
    "Run.save_every": "1000",  # but for the ends of stages, only a stop saves
    "causal/Stage.mixture": "folder_causal_lm",
    "prefix/Stage.mixture": "folder_prefix_lm",
    "causal/Stage.tokens": str(STEPS * 8 * 128),
    "prefix/Stage.tokens": str(STEPS * 8 * 128),
}
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 75}


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    return corpus.encoded(tmp_path_factory.mktemp("texts"))


def words(texts: Path, out: Path) -> list[str]:
    said = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    said += [f"--set=Data.folder={texts}"]
    return ["train", "smoke_prefix_decoder", "--out", str(out), *said]


def started(texts: Path, out: Path) -> subprocess.Popen:
    """Trains as its users do, with what the compiler makes of it by itself."""
    env = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return subprocess.Popen(
        [sys.executable, "-m", "archlab", *words(texts, out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**env, "PYTHONPATH": str(experiments.home())},
        cwd=out.parent,
    )


def finished(texts: Path, out: Path) -> None:
    """Trains to the end in a process of its own, as whoever is stopped does."""
    process = started(texts, out)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors


def lines(out: Path) -> list[dict]:
    """Every line of the record, repeated ones too."""
    path = out / "metrics.jsonl"
    whole = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in whole]


def steps(out: Path) -> list[int]:
    return [line["total_step"] for line in lines(out) if line["kind"] == "train"]


def test_stopped_anywhere_it_goes_on_without_losing_a_step(texts, tmp_path, capsys):
    finished(texts, tmp_path / "straight")
    out, stood = tmp_path / "run", 0
    for number, after in [(signal.SIGTERM, 3), (signal.SIGINT, STEPS + 2)]:
        process = started(texts, out)
        while process.poll() is None and len(steps(out)) < after:
            time.sleep(0.01)
        process.send_signal(number)
        said, errors = process.communicate(timeout=600)
        assert process.returncode == STATUS[number], errors
        assert "Traceback" not in errors
        if stood:
            assert f"at checkpoint {stood}:" in said
        stood = steps(out)[-1]
        assert stood >= after
        assert f"the same command goes on from checkpoint {stood} in {out}" in errors
        assert trained.load(out).step == stood
    finished(texts, out)
    assert steps(out) == list(range(1, 2 * STEPS + 1))  # none is taken twice
    ends = [trained.load(folder).weights for folder in (tmp_path / "straight", out)]
    jax.tree.map(np.testing.assert_array_equal, *ends)
    losses = [
        [line["loss"] for line in record.read(folder / "metrics.jsonl") if "loss" in line]
        for folder in (tmp_path / "straight", out)
    ]
    assert losses[0] == losses[1]

    before = (out / "metrics.jsonl").read_bytes()
    capsys.readouterr()
    assert commands.main(words(texts, out)) == 0
    assert capsys.readouterr().out.startswith(f"already finished: trained {out} in ")
    assert (out / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("number", STATUS)
@pytest.mark.parametrize("sign", [".lock", "checkpoints"])
def test_stopped_before_its_first_step_it_begins_again(texts, tmp_path, number, sign):
    out = tmp_path / "run"
    process = started(texts, out)
    while process.poll() is None and not (out / sign).exists():
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == STATUS[number], errors
    assert errors.endswith(
        f"stopped before the first checkpoint in {out}; the same command begins again\n"
    )
    assert "Traceback" not in errors and not steps(out)
