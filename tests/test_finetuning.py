"""Labels that follow from a word of the text are learnt, and the seeds are told."""

import json
import math

import numpy as np
import pytest

from archlab import run as runs
from archlab import trained
from archlab.data.row import Row
from archlab.finetuning import Finetuning, summary
from tests import corpus

LABELS = {"cat": "good", "dog": "bad"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder of labelled texts, and of text."""
    root = tmp_path_factory.mktemp("finetuned")
    rng = np.random.default_rng(0)
    for file, many in (("train.tsv", 160), ("dev.tsv", 20)):
        words = [*LABELS] * (many // 2) + ["cat"] * (many // 4)
        texts = [f"{rng.choice(corpus.WORDS[4:])} {one}" for one in words]
        lines = [f"{text}\t{LABELS[word]}\n" for text, word in zip(texts, words, strict=True)]
        (root / file).write_text("".join(lines))
    corpus.written(root / "texts")
    return root


def begun(home, **words) -> Finetuning:
    """Of a run that has hardly begun."""
    if not (home / "run").exists():
        stages = [corpus.stage("masked_lm", steps=3)]
        runs.train(
            corpus.run(home / "texts", "encoder", stages, evaluate_rows=1), home / "run", "t"
        )
    return Finetuning(home / "run", home / "train.tsv", home / "dev.tsv", **words)


def test_labels_are_learnt_and_the_number_is_kept(home):
    how = begun(home, epochs=12, rows=16, rate=1e-2, dropout=0.0, seeds=1)
    out = home / "out"
    (line,) = how.taken(out).values()
    assert line.chance == 0.6 and line.found.items == 25 and line.notes == ("0.500 at random",)
    assert line.found.value > 0.9
    (kept,) = map(json.loads, (out / "seed_0" / "evaluations.jsonl").read_text().splitlines())
    assert kept["value"] == line.found.value and kept["about"]["seed"] == 0
    start = json.loads((out / "seed_0" / "manifest.json").read_text())["start"]
    assert start["folder"] == str(home / "run")
    again = how.taken(out)["seed_0"]  # nothing is trained and nothing asked
    assert repr(again) == repr(line)
    assert len((out / "seed_0" / "evaluations.jsonl").read_text().splitlines()) == 1


def test_steps_are_as_many_as_the_texts_fill(home):
    how = begun(home, epochs=4, rows=16)
    read = trained.load(home / "run")
    train, _ = how.texts()
    run = how.settings(read, home / "other", train)
    (stage,), texts = run.stages, sum(len(one) + 1 for one in train.texts)
    assert stage.mixture == "folder_label_head" and run.start == str(home / "run")
    assert stage.total_steps == math.ceil(4 * texts / 32 / 16)
    assert (stage.inputs, stage.targets, stage.rows) == (24, 8, 16)
    assert run.data.folder == str(home / "other" / "labels")


def test_an_encoder_decoders_rows_have_room_for_labels_and_no_more(home):
    how = begun(home)
    read, (train, _) = trained.load(home / "run"), how.texts()
    share = sum(len(one) + 1 for one in train.labels) / sum(len(one) + 1 for one in train.texts)
    wide = how._fitted(read, Row(100, 400, "encoder_decoder"), train)
    assert wide == Row(100, math.ceil(150 * share), "encoder_decoder")
    assert how._fitted(read, Row(24, 8, "encoder_decoder"), train).targets == 8
    assert how._fitted(read, Row(9, 2, "encoder_decoder"), train).targets == len("good") + 1


@pytest.mark.parametrize(
    "train, test, said",
    [
        ("", "a\t1\n", "train.tsv holds no line"),
        ("a\t1\nb\t1\n", "a\t1\n", "train.tsv has one label, '1'; two or more can be told"),
        ("a\t1\nb\t0\n", "a\tx\n", "dev.tsv has label 'x', and .*train.tsv teaches '0', '1'"),
        ("a\t1\nb\n", "a\t1\n", "train.tsv:2: 1 columns; a text and its label are two"),
    ],
)
def test_files_that_teach_nothing_are_refused(tmp_path, train, test, said):
    (tmp_path / "train.tsv").write_text(train)
    (tmp_path / "dev.tsv").write_text(test)
    with pytest.raises(ValueError, match=said):
        Finetuning(tmp_path, tmp_path / "train.tsv", tmp_path / "dev.tsv").taken(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_numbers_that_cannot_be_are_refused(tmp_path):
    for name in ("epochs", "rate", "rows", "seeds"):
        with pytest.raises(ValueError, match=f"{name}=0; it is a number above 0"):
            Finetuning(tmp_path, tmp_path, tmp_path, **{name: 0})


def test_seeds_are_told_by_their_median_and_deviation():
    assert summary([0.9, 0.1, 0.2]) == "median 0.200, standard deviation 0.436, of 3 seeds"
    assert summary([0.25]) == "median 0.250, of 1 seed"
