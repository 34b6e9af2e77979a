"""What is handed on about experiments, and what comes back."""

import math
from pathlib import Path

import pytest

from archlab import commands, config, experiments, run, stages
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.sources import CORPORA, SOURCES
from archlab.refusal import Refusal
from archlab.stop import Stop
from archlab.train import loop


@pytest.fixture
def calls(monkeypatch):
    calls = []
    monkeypatch.setattr(run, "train", lambda *given, **named: calls.append((*given, named)))
    return calls


def test_list_names_everything(capsys):
    assert commands.main(["list"]) == 0
    said = capsys.readouterr().out
    home = experiments.home()
    for path in [*home.glob("experiments/*.gin"), *home.glob("gin/*/*.gin")]:
        assert path.stem in said
    for word in ["SOURCE_OBJECTIVE", *SOURCES, *CORPORA, *OBJECTIVES]:
        assert word in said


def test_train_hands_the_experiment_on(calls):
    said = ["--set", "Size.layers=6", "--set", "Run.seed=3", "--module", "a", "--module", "b.py"]
    assert commands.main(["train", "quickstart", *said, "--resume-from", "40"]) == 0
    (given,) = calls
    settings, out, name, text, modules, step, stop, named = given
    read = config.read("quickstart", ["Size.layers=6", "Run.seed=3"])
    assert (settings, text) == (read.run, read.gin_text)
    assert (settings.size.layers, settings.seed) == (6, 3)
    assert (out, name, modules, step) == (Path("runs/quickstart"), "quickstart", ("a", "b.py"), 40)
    assert (stop(), stop.status, named) == (False, 0, {})


def test_train_writes_where_it_is_told(calls, tmp_path):
    assert commands.main(["train", "quickstart", "--out", str(tmp_path)]) == 0
    assert calls[0][1] == tmp_path


def raising(error):
    def train(*given):
        raise error

    return train


def test_an_error_in_training_is_one_line_with_its_place(monkeypatch, fails):
    late = Refusal("no such task\n  in the registry", "python_stdlib_prefix_lm")
    monkeypatch.setattr(run, "train", raising(late))
    line = fails("train", "quickstart")
    assert "experiments/quickstart.gin:13: no such task in the registry" in line
    late = ValueError("a loss; Optimizer.clip=1.0 may help python_stdlib_prefix_lm")
    monkeypatch.setattr(run, "train", raising(late))
    assert fails("train", "quickstart") == f"archlab: error: {late}"


@pytest.mark.parametrize(
    "setting, said",
    [
        ("span/Stage.tokens=1K", "gin/stage/short.gin:9: stage python_stdlib_span_corruption: a"),
        ("lm/Stage.tokens=1K", "gin/stage/short.gin:9: stage python_stdlib_prefix_lm: a warm-up"),
        (
            "lm/Stage.rows=7",
            "--set lm/Stage.rows=7: stage python_stdlib_prefix_lm: rows=7 does not",
        ),
        ("Mesh.model=3", "--set Mesh.model=3: Mesh.model=3 does not divide"),
        ("Mesh.model=8", "gin/size/small.gin:6: stage python_stdlib_span_corruption: heads=4 does"),
        (
            "Stage.targets=63",  # with 256 inputs, over the context below
            "--set Stage.targets=63: stage python_stdlib_span_corruption: length=319 does not",
        ),
        ("Run.stages=mime", "--set Run.stages=mime: no staged mixture 'mime'"),
    ],
)
def test_what_fits_nothing_is_refused_on_its_own_line(fails, tmp_path, setting, said):
    given = ["--set", setting, "--out", str(tmp_path / "run")]
    given += ["--set", "Mesh.context=4"] if "targets" in setting else []
    assert said in fails("train", "quickstart", *given)


@pytest.mark.parametrize(
    "there, said",
    [
        (["40", "120", "160.orbax-checkpoint-tmp"], "goes on from checkpoint 120 in"),
        (["1.orbax-checkpoint-tmp"], "stopped before the first checkpoint in"),
    ],
)
def test_a_stopped_run_says_how_it_goes_on(monkeypatch, capsys, tmp_path, there, said):
    for name in there:
        (tmp_path / "run" / "checkpoints" / name).mkdir(parents=True)
    monkeypatch.setattr(run, "train", raising(loop.Stopped()))
    monkeypatch.setattr(Stop, "status", 75)
    assert commands.main(["train", "quickstart", "--out", str(tmp_path / "run")]) == 75
    assert f"{said} {tmp_path / 'run'}" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_found_before_anything_is_said(fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {
        "Data.folder=nowhere": "Data.folder='nowhere' is not a directory",
        "Run.start=gone": "Run.start: there is no folder gone",
    }
    for setting, wrong in said.items():
        assert wrong in fails("train", "own_text", "--set", setting)
    assert not list(tmp_path.iterdir())


def test_config_counts(capsys):
    assert commands.main(["config", "flan_t5_xxl"]) == 0
    said = capsys.readouterr().out
    assert "parameters  11,135,332,352" in said
    stages = [line.split() for line in said.splitlines() if line.startswith(("c4_", "folder"))]
    total = next(line.split() for line in said.splitlines() if line.startswith("total"))
    for column in (1, 2):
        numbers = [int(line[column].replace(",", "")) for line in [*stages, total]]
        assert len(numbers) == 4 and sum(numbers[:3]) == numbers[3]
    assert "Size.layers = 24" in said


def test_stages_may_be_registered_in_a_module_of_the_user(tmp_path, capsys, fails, monkeypatch):
    monkeypatch.setattr(stages, "_STAGED", {})
    text = (experiments.home() / "experiments" / "quickstart.gin").read_text()
    kept = [one for one in text.splitlines() if one.startswith(("include", "Run.precision"))]
    path = tmp_path / "mine.gin"
    named = [one for one in kept if "gin/stage" not in one] + ["Run.stages = 'my_two'"]
    path.write_text("\n".join(named))
    module = tmp_path / "my_two_stages.py"
    module.write_text(
        "from archlab import stages\n"
        "both = [stages.Stage(name, steps=3, targets=8) for name in ('one', 'two')]\n"
        "stages.register('my_two', both)\n"
    )
    line = fails("train", str(path), "--out", str(tmp_path / "run"))
    assert f"{path}:6: no staged mixture 'my_two'; none is registered: name your" in line
    assert commands.main(["config", str(path), "--module", str(module)]) == 0
    said = capsys.readouterr().out.splitlines()
    other = ["quickstart", "--set", "Run.stages=my_tow", "--module", str(module)]
    assert "did you mean 'my_two'?" in fails("config", *other)
    assert [line.split()[:2] for line in said[-3:]] == [["one", "3"], ["two", "3"], ["total", "6"]]


def test_inspect_says_how_large_each_layer_is(capsys):
    asked = ["inspect", "smoke_encoder_decoder", "--rows", "1", "--set", "Run.precision=float32"]
    assert commands.main([*asked, "--set", "Size.vocab=400"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith(f"of what knows nothing {math.log(400):.4f}")
    first = float(said[0].split()[2])
    assert math.log(400) < first < math.log(400) + 2
    layers = [line.split() for line in said if line.startswith(("encoder/", "decoder/"))]
    streams = [name for name, *sizes in layers if len(sizes) == 2]
    assert streams == ["encoder/0", "encoder/1", "decoder/0", "decoder/1"]
    assert all(float(size) > 0 for _, *sizes in layers for size in sizes)
