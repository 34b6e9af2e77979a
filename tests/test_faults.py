"""What training would refuse, hours later, is found before anything is encoded."""

import dataclasses

import pytest

from archlab import config, faults, plan
from archlab.chips import CHIPS
from archlab.refusal import Refusal

WORDS = ["Stage.mixture=python_stdlib_span_corruption", "Size.vocab=384"]


@pytest.fixture
def look(tmp_path):
    """Takes one look at an experiment, with settings of its own."""

    def look(name, *more, chips=8, chip="v5e", out="run"):
        run = config.read("smoke_encoder_decoder", [*WORDS, *more]).run
        return dict(faults.looks(run, chip, chips, tmp_path / out))[name]()

    return look


def test_paths_are_there_and_can_be_written(look, tmp_path):
    assert look("paths", out="a/b/c")[0].startswith(str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is a file; --out names a directory"):
        look("paths", out="file/run")
    with pytest.raises(ValueError, match="Run.start: there is no folder nowhere"):
        look("paths", "Run.start=nowhere")


def test_a_schedule_is_no_longer_than_its_stage(look):
    (said,) = look("schedules")
    assert said.startswith("python_stdlib_span_corruption: ") and said.endswith(" steps")
    with pytest.raises(ValueError, match="stage python_stdlib_span_corruption: "):
        look("schedules", "Schedule.warmup=1000000")


def test_rows_and_weights_divide_over_the_devices(look):
    assert look("mesh")[0].startswith("data 8, ")
    with pytest.raises(ValueError, match="rows"):
        look("mesh", chips=7)
    with pytest.raises(ValueError, match="Mesh.model=3 does not divide the 8 devices"):
        look("mesh", "Mesh.model=3")


def test_a_chip_has_room(look, monkeypatch):
    assert look("memory")[0].endswith(" on a v5e")
    small = {**CHIPS, "v5e": dataclasses.replace(CHIPS["v5e"], bytes=2**10)}
    monkeypatch.setattr(plan, "CHIPS", small)
    with pytest.raises(ValueError, match="GiB at least, of .* more chips, Run.remat"):
        look("memory")


def test_a_chip_has_room_for_old_weights_and_new(tmp_path, monkeypatch):
    deep = ["Size.layers=8", "pair/Size.layers=9", "pair/Stage.architecture='causal_decoder'"]
    short = ["Stage.rows=4", "Stage.inputs=12", "Stage.targets=4", "Run.remat=full"]
    run = config.read("smoke_surgery", deep + short).run

    def memory() -> list[str]:
        return dict(faults.looks(run, "v5e", 4, tmp_path / "run"))["memory"]()

    step, boundary = memory()
    assert boundary.endswith(" GiB as stage python_stdlib_prefix_lm begins")
    room = int(1.1 * sum(plan.Plan(run, "v5e", 4).held.values()))  # for the greatest step
    small = dataclasses.replace(CHIPS["v5e"], bytes=room)
    monkeypatch.setattr(plan, "CHIPS", {**CHIPS, "v5e": small})
    with pytest.raises(Refusal, match="begins, of .* more chips, or Stage.moments='reset'") as one:
        memory()
    assert (one.value.about, one.value.stage) == ("Stage.surgery", 1)


def test_text_is_looked_at_and_not_encoded(look, tmp_path):
    own = f"Data.cache={tmp_path / 'cache'}"
    with pytest.raises(ValueError, match="sentinels, and the vocabulary has"):
        look("text", own, "Stage.inputs=4096", "Stage.targets=2048")
    with pytest.raises(ValueError, match="Size.vocab=300 is too small"):
        look("text", own, "Size.vocab=300")
    assert look("text", own) == ["python_stdlib_span_corruption: 1 task, 384 ids"]
    assert look("text", own, "Size.vocab=32128") == [
        "python_stdlib_span_corruption: 1 task, 384 ids of a table of 32,128"
    ]
    absent = ("Stage.mixture=wikipedia_span_corruption", f"Data.tfds={tmp_path}")
    with pytest.raises(
        ValueError, match=f"is not in {tmp_path}; .*: tfds build --data_dir="
    ) as said:
        look("text", own, *absent)
    assert said.value.about == "wikipedia_span_corruption"
    assert not list(tmp_path.glob("cache/stores/*")) and list(
        tmp_path.glob("cache/recipes/found/*")
    )
