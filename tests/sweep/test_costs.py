"""Every cell is read, checked and counted before the first one trains."""

import re

import pytest

from archlab import config, directory, faults, plain
from archlab.model.transformer import parameters
from archlab.sweep import costs, grid
from tests.runs_written import whole, write

EXPERIMENT = "smoke_causal_decoder"


@pytest.fixture(autouse=True)
def looked(monkeypatch):
    """Which runs' text was looked at, in place of the look, which takes long."""
    found = []
    looks = faults.looks

    def few(run, *rest):
        every = dict(looks(run, *rest))
        every["text"] = lambda: found.append(run)
        return every.items()

    monkeypatch.setattr(faults, "looks", few)
    return found


def test_cells_are_counted(tmp_path, looked):
    cells = grid.cells(["Size.layers=2,3", "Run.seed=0:2"])
    found = costs.counted(EXPERIMENT, tmp_path, cells, ["Stage.tokens=40960"])
    assert list(found) == [cell.name for cell in cells]
    for cell in cells:
        run = config.read(EXPERIMENT, ["Stage.tokens=40960", *cell.overrides]).run
        own = found[cell.name].ledgers
        assert own["steps"] == 40 and own["tokens"] == 40960
        assert own["parameters"] == sum(parameters(run.size, run.architecture).values())
        assert own["FLOPs"] == 40 * run.flops(run.stages[0]).total
        assert found[cell.name].stands == "new"
    assert len(looked) == 1  # one look at the text is enough for all


def test_a_look_is_taken_at_every_text(tmp_path, looked):
    mixtures = "python_stdlib_causal_lm,python_stdlib_prefix_lm"
    costs.counted(EXPERIMENT, tmp_path, grid.cells([f"Stage.mixture={mixtures}"]))
    assert [run.stages[0].mixture for run in looked] == mixtures.split(",")


@pytest.mark.parametrize(
    "text, words",
    [
        ("Size.layer=2,4", "layer=2: --set Size.layer=2: Size has no 'layer', did you mean"),
        ("Size.layers=2,four", "layers=four: --set Size.layers=four: Size.layers='four'"),
        ("Mesh.data=1,7", "data=1: "),
        ("Stage.rows=8,3", "rows=3: "),
        ("Schedule.warmup=2,9999", "warmup=9999: "),
    ],
)
def test_what_cannot_be_is_refused_with_its_cell(tmp_path, text, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        costs.counted(EXPERIMENT, tmp_path, grid.cells([text]))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_another_run_is_refused(tmp_path):
    cells = grid.cells(["Run.seed=0:2"])
    folder = write(tmp_path / "seed=0", whole())
    read = config.read(EXPERIMENT, cells[0].overrides)
    directory.write(folder / "config.json", plain.kept(read.name, read.run, ()))
    found = costs.counted(EXPERIMENT, tmp_path, cells)
    assert [one.stands for one in found.values()] == ["finished", "new"]
    with pytest.raises(ValueError, match=r"^seed=0: .* holds a run with other settings"):
        costs.counted(EXPERIMENT, tmp_path, cells, ["Size.layers=3"])


def test_each_cell_has_a_directory_to_be_written(tmp_path):
    (tmp_path / "seed=1").write_text("")
    with pytest.raises(ValueError, match="^seed=1: .* is a file; --out names a directory"):
        costs.counted(EXPERIMENT, tmp_path, grid.cells(["Run.seed=0:2"]))
