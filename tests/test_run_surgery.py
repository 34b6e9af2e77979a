"""A run changes its model between two stages, and begins with another run's weights."""

import dataclasses
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from archlab import directory, record, trained
from archlab import run as runs
from archlab.architecture import Architecture
from archlab.model.transformer import parameters
from archlab.refusal import Refusal
from archlab.surgery.choices import Surgery
from archlab.train.optimizer import Optimizer
from tests import corpus, shared
from tests.test_run import assert_same, killed_at

DEEP = dataclasses.replace(corpus.SIZE, layers=3)
PAIR = Architecture("encoder_decoder")
SURGERY = Surgery(depth="silent", frozen=2)
TWO = [
    corpus.stage("causal_lm", steps=3),
    corpus.stage("prefix_lm", 4, architecture=PAIR.name, size=DEEP, surgery=SURGERY),
]
SETTINGS = {"save_every": 2}


@pytest.fixture(scope="module", autouse=True)
def one_device():
    """`surgery/test_transplant.py` has several."""
    with shared.one_device():
        yield


@pytest.fixture(scope="module", autouse=True)
def programs_are_shared():
    with shared.programs():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return corpus.written(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def straight(folder, tmp_path_factory):
    """A decoder that becomes an encoder-decoder of another depth, and what it leaves."""
    out = tmp_path_factory.mktemp("runs") / "straight"
    run = corpus.run(folder, "causal_decoder", TWO, **SETTINGS)
    return run, out, runs.train(run, out, "test")


def test_a_run_killed_before_at_and_after_surgery_goes_on_to_the_same_bits(
    straight, monkeypatch, tmp_path, capsys
):
    run, out, _ = straight
    for kill, resumed in ((3, None), (5, 2), (7, 3)):
        killed_at(monkeypatch, run, tmp_path / "run", kill)
        said = capsys.readouterr().out
        assert ("resumed" in said) == (resumed is not None)
        assert resumed is None or f"at checkpoint {resumed}: " in said
    runs.train(run, tmp_path / "run", "test")
    assert "at checkpoint 5: step 2 of 4" in capsys.readouterr().out
    assert_same(run, out, tmp_path / "run")


def test_what_is_not_new_stands_still_at_first_and_then_moves(straight):
    run, out, _ = straight
    before, held, after = (jax.device_get(trained.load(out, step).weights) for step in (3, 5, 7))
    is_old = np.array([True, False, True])  # a layer of three that repeats the first
    for stack in ("encoder", "decoder"):
        old_NDF, held_NDF, after_NDF = (
            one[name]["layers"]["mlp"]["up_DF"]
            for one, name in ((before, "decoder"), (held, stack), (after, stack))
        )
        np.testing.assert_array_equal(held_NDF[is_old], old_NDF)
        assert (held_NDF[1] != old_NDF[0]).any() and (after_NDF[is_old] != old_NDF).any()
        assert held[stack]["layers"]["mlp"]["down_FD"][1].any()  # it has learnt to say something
    old_VD, held_VD, after_VD = (one["embedding"]["table_VD"] for one in (before, held, after))
    np.testing.assert_array_equal(held_VD, old_VD)
    assert (after_VD != old_VD).any()
    own, cross = (
        one["decoder"]["layers"][name]["query_DHK"]
        for one, name in ((before, "attention"), (held, "cross"))
    )
    assert (cross[is_old] != own).any(axis=(1, 2, 3)).all()


def test_the_ledger_and_the_record_follow_the_model(straight):
    run, out, end = straight
    lines = record.read(out / "metrics.jsonl")
    counts = [
        sum(parameters(*model).values())
        for model in ((corpus.SIZE, Architecture("causal_decoder")), (DEEP, PAIR))
    ]
    trains = [line for line in lines if line["kind"] == "train"]
    assert {(line["stage"], line["parameters"]) for line in trains} == {
        (0, counts[0]),
        (1, counts[1]),
    }
    start = lines[0]
    assert start["parameters"] == end["ledger"]["parameters"] == counts[1]
    first, second = start["stages"]
    assert (first["parameters"], second["parameters"]) == (counts[0], counts[1])
    assert (first["surgery"], second["architecture"]) == (None, PAIR.name)
    surgery = second["surgery"]
    assert sum([*surgery["copied"].values(), *surgery["made"].values()]) == counts[1]
    assert surgery["dropped"] == {}
    flops = sum(stage["flops_per_step"]["body"] * stage["steps"] for stage in start["stages"])
    assert end["ledger"]["flops"]["body"] == flops
    assert trained.load(out, 2).model.architecture == Architecture("causal_decoder")
    assert (trained.load(out).model.architecture, trained.load(out).model.size) == (PAIR, DEEP)


@pytest.fixture
def begun(straight, folder):
    """A decoder that begins with the weights of the encoder-decoder."""
    _, source, _ = straight
    stage = corpus.stage("causal_lm", 2, surgery=Surgery(), moments="keep")
    run = corpus.run(folder, "causal_decoder", [stage], start=str(source), **SETTINGS)
    return dataclasses.replace(run, size=DEEP, optimizer=Optimizer(clip=0.0))


def test_a_run_begins_with_the_weights_of_another(begun, straight, tmp_path, capsys):
    _, source, _ = straight
    out = tmp_path / "run"
    runs.train(begun, out, "test")
    said = capsys.readouterr().out
    assert f"begins with the weights of {source} (" in said and "Architecture.name: enc" in said
    start, kept = (
        record.read(out / "metrics.jsonl")[0],
        directory.read(out / "manifest.json")["start"],
    )
    assert kept == start["start"] and kept["step"] == 7 and len(kept["digest"]) == 64
    assert start["stages"][0]["surgery"]["dropped"]["encoder/norm/scale_D"] == 32
    ends = [trained.load(folder, moments=True).moments[0].count for folder in (source, out)]
    assert [int(count) for count in ends] == [7, 9]  # steps that the optimizer has known
    # The same text in the same order as the first stage of the other, which knew nothing.
    losses = [
        next(line["loss"] for line in record.read(one / "metrics.jsonl") if "loss" in line)
        for one in (out, source)
    ]
    assert losses[0] < losses[1] - 0.5
    # It goes on without the run that it began with, and not with another in its place.
    lines = (out / "metrics.jsonl").read_text().splitlines(keepends=True)
    (out / "metrics.jsonl").write_text("".join(lines[:-1]))
    moved = dataclasses.replace(begun, start=str(tmp_path / "gone"))
    config = directory.read(out / "config.json")
    config["run"]["start"] = moved.start
    directory.write(out / "config.json", config)
    runs.train(moved, out, "test")
    assert "resumed" in capsys.readouterr().out
    shutil.copytree(source, tmp_path / "gone")
    shutil.rmtree(out / "checkpoints")
    shutil.rmtree(tmp_path / "gone" / "checkpoints" / "7")
    with pytest.raises(Refusal, match="the weights in .*gone have changed since .*run began: "):
        runs.train(moved, out, "test")


def test_what_a_run_starts_from_has_to_fit(begun, tmp_path):
    wide = dataclasses.replace(begun, size=dataclasses.replace(DEEP, mlp=64))
    with pytest.raises(Refusal, match="Size.mlp=64, .* made for 48; surgery changes") as caught:
        runs.train(wide, tmp_path / "run", "test")
    assert (caught.value.about, caught.value.stage) == ("Size.mlp", 0)
    bare = dataclasses.replace(begun, stages=(corpus.stage("causal_lm", 2),))
    with pytest.raises(Refusal, match="has other weights than encoder_decoder; Stage.surgery"):
        runs.train(bare, tmp_path / "run", "test")
    frozen = corpus.stage("causal_lm", 2, surgery=Surgery(frozen=1))
    with pytest.raises(Refusal, match="frozen=1, and no weight is new") as caught:
        runs.train(dataclasses.replace(begun, stages=(frozen,)), tmp_path / "run", "test")
    assert caught.value.about == "Surgery.frozen"
    assert not (tmp_path / "run").exists()
