"""Labelled texts as SeqIO tasks: what `labelling` lays out, on the roads that hold it."""

import numpy as np
import pytest
import seqio

from archlab.data import labelling, labels, roads
from archlab.data.labelling import Labelled
from archlab.data.options import EXAMPLES, STREAMING
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary

WORDS = Vocabulary()
TRAIN = Labelled(["good", 'a "bad"\tone', ""], ["pos", "neg", "pos"])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    labelling.write(tmp_path, TRAIN, TRAIN)
    for name in (labelling.SAID, labelling.HEAD):
        seqio.TaskRegistry.remove(name)
    labels.register(WORDS, str(tmp_path))
    yield tmp_path
    for name in (labelling.SAID, labelling.HEAD):
        seqio.TaskRegistry.remove(name)


@pytest.mark.parametrize("name, road", [(labelling.SAID, EXAMPLES), (labelling.HEAD, STREAMING)])
def test_examples_are_as_they_are_laid_out(name, road):
    (part,) = roads.resolve(name)
    assert part.road == road and part.vocabulary == WORDS
    row = Row(60, 20, "encoder" if name == labelling.HEAD else "encoder_decoder")
    found = [*roads.stream(name, "validation", row, seed=0, epochs=1)]
    assert len(found) == len(TRAIN.texts)
    for one, text, label in zip(found, TRAIN.texts, TRAIN.labels, strict=True):
        if name == labelling.SAID:
            wanted = labelling.said(WORDS, text, label)
        else:
            wanted = labelling.headed(WORDS, text, ["neg", "pos"].index(label))
            np.testing.assert_array_equal(one["targets_weights"], wanted[2])
        np.testing.assert_array_equal(one["inputs"], wanted[0])
        np.testing.assert_array_equal(one["targets"], wanted[1])


def test_there_are_none_without_a_folder_and_those_that_are_there_stay():
    before = seqio.TaskRegistry.get(labelling.SAID)
    labels.register(Vocabulary(sentinels=200), "elsewhere")
    assert seqio.TaskRegistry.get(labelling.SAID) is before
    seqio.TaskRegistry.remove(labelling.SAID)
    labels.register(WORDS, None)
    assert labelling.SAID not in seqio.TaskRegistry.names()
