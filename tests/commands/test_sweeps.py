"""A sweep trains each cell by the command that trains one, and says what came of all."""

import sys

import pytest

from archlab import commands, experiments, record
from archlab.launch.call import Call
from archlab.sweep.course import Course
from tests import corpus
from tests.runs_written import whole, write


def test_cells_are_trained_and_one_that_fails_leaves_the_others(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", str(experiments.home()))
    texts, out = corpus.encoded(tmp_path / "texts"), tmp_path / "sweep"
    settings = {
        "Data.folder": texts,
        "Stage.mixture": "folder_causal_lm",
        "Stage.tokens": 2 * 8 * 128,
        "Schedule.kind": "flat",
        "Schedule.warmup": 0,
        "Size.layers": 1,
    }
    words = ["sweep", "smoke_causal_decoder", "--grid", "Run.z_loss=0.0,1e38", "--out", str(out)]
    words += [f"--set={name}={value}" for name, value in settings.items()]
    assert commands.main(words) == 1
    said = capfd.readouterr()
    assert "z_loss=1e38 ended with status 2; the others go on" in said.err
    kinds = [line["kind"] for line in record.read(out / "z_loss=0.0" / "metrics.jsonl")]
    assert kinds == ["start", "train", "evaluate", "end"]
    loss = record.read(out / "z_loss=0.0" / "metrics.jsonl")[-1]["loss"]
    assert f"{loss:.4f}" in said.out and "failed (2)" in said.out
    assert "The runs are equal in parameters, steps, tokens and FLOPs." in said.out
    assert said.out.endswith(f"{out}/report/index.html\n") and (out / "report/index.html").exists()


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Nothing is checked, and a cell is trained by writing its record."""
    asked = []
    monkeypatch.setattr(Call, "status", lambda call: asked.append(call.words) or 0)

    def command(self, cell):
        asked.append(cell.name)
        write(self.out / cell.name, whole(shift=len(asked) / 10))
        return (sys.executable, "-c", "pass")

    monkeypatch.setattr(Course, "command", command)
    return asked


def test_what_is_finished_is_skipped_and_a_larger_grid_trains_what_is_new(quick, tmp_path, capsys):
    words = ["sweep", "quickstart", "--out", str(tmp_path / "out"), "--set", "Size.layers=2"]
    assert commands.main([*words, "--grid", "Run.seed=0:2"]) == 0
    check, *trained = quick
    assert trained == ["seed=0", "seed=1"]
    assert check[1:5] == ("-m", "archlab", "sweep", "quickstart") and check[-1] == "--dry-run"
    assert {"--grid=Run.seed=0:2", "--set=Size.layers=2"} <= set(check)
    said = capsys.readouterr()
    assert "deviation" in said.out
    quick.clear()
    assert commands.main([*words, "--grid", "Run.seed=0:3"]) == 0
    assert quick[1:] == ["seed=2"]
    assert "1 of 3: seed=0 is finished" in capsys.readouterr().err


def test_what_cannot_be_trains_nothing(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Call, "status", lambda call: 2)
    words = ["sweep", "quickstart", "--out", str(tmp_path / "out"), "--grid", "Run.seed=0:2"]
    assert commands.main(words) == 2
    assert not quick and not (tmp_path / "out").exists()


def test_a_grid_of_another_form_is_told(fails):
    assert "write it as Key=value,value" in fails("sweep", "quickstart", "--grid", "layers=2")
    wrong = fails("sweep", "quickstart", "--grid", "Size.layer=2")
    assert "did you mean 'layers'" in wrong
