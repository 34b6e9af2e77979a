"""A run that was trained says how it is asked, and one command asks it."""

import dataclasses
import json

import numpy as np
import pytest

from archlab import commands, trained
from archlab import run as runs
from archlab.architecture import Architecture
from archlab.data.row import Row
from archlab.evaluation import runs as subjects
from archlab.model.transformer import Transformer
from tests import corpus

STAGES = [
    corpus.stage("span_corruption", steps=2),
    corpus.stage("causal_lm", steps=2, architecture="causal_decoder"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two stages; checkpoint 2 has seen the first alone."""
    root = tmp_path_factory.mktemp("asked")
    corpus.written(root / "texts")
    run = corpus.run(root / "texts", "prefix_decoder", STAGES, save_every=2, evaluate_rows=1)
    runs.train(run, root / "run", "test")
    return root / "run"


@pytest.mark.parametrize("step, wanted", [(2, ["sentinel"]), (None, ["causal", "sentinel"])])
def test_a_run_is_asked_as_it_was_trained_to_be_up_to_its_checkpoint(folder, step, wanted):
    subject = subjects.read(folder, "run", step)
    assert [one.said for one in subject.formats] == wanted
    assert subject.row == Row(24, 8, "decoder") and subject.step == (step or 4)


def test_rows_are_those_of_its_stage_whatever_it_was_trained_on(folder):
    read = dataclasses.replace(trained.load(folder), objectives=())
    assert subjects.of(read, "run").row == Row(24, 8, "decoder")
    pair = Transformer(read.model.size, Architecture("encoder_decoder"))
    assert subjects.of(dataclasses.replace(read, model=pair), "run").row.targets == 8


def test_another_format_may_be_asked_for(folder):
    assert [one.said for one in subjects.read(folder, "run", form="prefix").formats] == ["prefix"]
    with pytest.raises(ValueError, match="format 'plain' is not one of"):
        subjects.read(folder, "run", form="plain")
    with pytest.raises(ValueError, match="--format unmasking no place in them"):
        subjects.read(folder, "run", form="unmasking")


def test_weights_are_told_apart_by_their_digest(folder):
    first, again, other = (trained.load(folder, step).digest for step in (4, None, 2))
    assert first == again != other


def test_one_command_measures_keeps_and_shows(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    texts = str(folder.parent / "texts")
    words = ["Continuation.source='folder'", f"Continuation.folder={texts!r}"]
    words += ["Continuation.items=3", "Continuation.left=30", "Continuation.middle=8"]
    words += ["Suite.measures=[@Continuation()]"]
    given = ["evaluate", str(folder), *(part for word in words for part in ("--set", word))]
    assert commands.main(given) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    (line,) = map(json.loads, (folder / "evaluations.jsonl").read_text().splitlines())
    assert line["asked"] == "causal" and line["items"] == 3 and line["about"]["step"] == 4
    assert f"{line['value']:.3f}" in shown and "continuation, nats per byte" in shown
    assert 0 < line["value"] < 2 * np.log(384)
    assert commands.main(given) == 0
    assert len((folder / "evaluations.jsonl").read_text().splitlines()) == 1
    assert f"{line['value']:.3f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given, said",
    [
        (["--suite", "quik"], "no suite 'quik', did you mean 'quick'?"),
        (["--set", "Continuation.itms=3"], "Continuation has no 'itms', did you mean"),
        (["--set", "Size.layers=3"], "Size.layers has no effect"),
        (["--suite", "standard", "--data", "/nowhere"], "/nowhere/blimp.jsonl.gz is not there"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(folder, capsys, given, said):
    before = [*folder.iterdir()]
    assert commands.main(["evaluate", str(folder), *given]) == 2
    assert said in capsys.readouterr().err
    assert [*folder.iterdir()] == before


@pytest.mark.parametrize("form", ["", "unmasking"])
def test_the_shift_that_a_model_was_trained_with_is_asked_for(form):
    """MNTP names a token one place before it, whether or not its format is asked for by name."""
    architecture = dataclasses.make_dataclass("A", [("kind", str)])("encoder")
    model = dataclasses.make_dataclass("M", [("architecture", object)])(architecture)
    read = trained.Trained(
        corpus.run(None, "encoder", [corpus.stage("mntp")]),
        corpus.stage("mntp"),
        model,
        {},
        None,
        0,
        (("mntp", {}),),
        "",
    )
    (asked,) = subjects.of(read, "run", form).formats
    assert asked.is_shifted and asked.said == "unmasking, shifted"


def test_what_was_made_of_a_model_reads_more_than_a_token():
    """A run of one step and one token, whatever it says that the model was trained on."""
    for kind, row in (("encoder", Row(0, 512, "encoder")), ("decoder", Row(0, 512, "decoder"))):
        architecture = dataclasses.make_dataclass("A", [("kind", str)])(kind)
        model = dataclasses.make_dataclass("M", [("architecture", object)])(architecture)
        stage = corpus.stage("masked_lm", steps=1, rows=1, inputs=0, targets=1)
        run = corpus.run(None, kind.replace("decoder", "causal_decoder"), [stage])
        read = trained.Trained(run, stage, model, {}, None, 0, (("masked_lm", {}),), "")
        assert subjects.of(read, "run").row == row
