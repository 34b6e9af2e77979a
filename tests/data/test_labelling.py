"""What is learnt of a text and its label."""

import json

import pytest

from archlab.data import labelling
from archlab.data.labelling import Labelled
from archlab.data.vocabulary import Vocabulary

WORDS = Vocabulary()
TRAIN = Labelled(["good", "bad", "fine"], ["pos", "neg", "pos"])
TEST = Labelled(["ugly"], ["neg"])


def test_what_is_written_is_read_line_by_line(tmp_path):
    labelling.write(tmp_path / "new", TRAIN, TEST)
    lines = (tmp_path / "new" / "train.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"text": "good", "label": "pos", "number": 1}
    assert [json.loads(line)["number"] for line in lines] == [1, 0, 1]
    (one,) = (tmp_path / "new" / "validation.jsonl").read_text().splitlines()
    assert json.loads(one)["number"] == 0  # as those that are learnt from are numbered


def test_what_is_there_already_is_left_alone(tmp_path):
    labelling.write(tmp_path, TRAIN, TEST)
    before = [(tmp_path / file).stat().st_mtime_ns for file in labelling.FILES.values()]
    labelling.write(tmp_path, TRAIN, TEST)
    assert before == [(tmp_path / file).stat().st_mtime_ns for file in labelling.FILES.values()]
    labelling.write(tmp_path, TRAIN, TRAIN)
    assert len((tmp_path / "validation.jsonl").read_text().splitlines()) == 3


def test_a_label_is_said_after_its_text_or_at_a_mask_before_it():
    inputs, targets = labelling.said(WORDS, "héll", "pos")
    assert WORDS.decode(inputs) == "héll<end>" and WORDS.decode(targets) == "pos<end>"
    given, named, counts = labelling.headed(WORDS, "héll", 3)
    assert WORDS.decode(given) == "<mask>héll" and WORDS.decode(named) == "<S3>héll"
    assert counts == [1, *[0] * 5] and len(given) == len(named)
    with pytest.raises(ValueError, match="sentinel 500 of"):
        labelling.headed(WORDS, "a", 500)
