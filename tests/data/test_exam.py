"""The process asks what a user's module registers, marks answers, and says what is wrong."""

import dataclasses

import pytest

from archlab.data.exam import PREDICTION, Answers, Exam
from archlab.data.options import Data
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary

ROW = Row(30, 10, "encoder_decoder")
MODULE = """
import seqio
import tensorflow as tf

print("a module may print")
ASKED = {"one": "eins", "two": "zwei", "three": "drei", "four": "eins"}


def dataset(split, shuffle_files=False, seed=None):
    both = {"inputs": list(ASKED), "targets": list(ASKED.values())}
    return tf.data.Dataset.from_tensor_slices(both)


def right(targets, predictions):
    if "?" in predictions:
        raise KeyError("no such answer")
    same = [one == other for one, other in zip(targets, predictions)]
    return {"right": sum(same) / len(same)}


def add(name, metrics):
    seqio.TaskRegistry.add(
        name,
        seqio.FunctionDataSource(dataset, splits=["validation"]),
        preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
        output_features={
            side: seqio.Feature(seqio.ByteVocabulary()) for side in ("inputs", "targets")
        },
        postprocess_fn=lambda text, **more: text.strip(),
        metric_fns=metrics,
    )


add("numbers", [right])
add("unmeasured", [])
seqio.MixtureRegistry.add("all_numbers", ["numbers", "unmeasured"], default_rate=1)
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    path = tmp_path_factory.mktemp("module") / "numbers.py"
    path.write_text(MODULE)
    return str(path)


def opened(module: str, mixture: str, **words) -> Exam:
    return Exam(mixture, ROW, dataclasses.asdict(Data()), [module], **words)


def test_papers_of_a_mixture_and_their_marks(module):
    words = Vocabulary()
    with opened(module, "all_numbers") as exam:
        (paper,) = exam.papers  # of the two tasks, one has metrics
        assert paper.task == "numbers" and paper.needs == {PREDICTION}
        assert paper.inputs[0] == [*words.encode("one"), words.end]
        assert paper.target_texts == ["eins", "zwei", "drei", "eins"]
        said = [[*words.encode(one), words.end] for one in ("eins", " zwei", "vier", "fuenf")]
        found = exam.marks(paper, Answers(said=said))
        (mark,) = found.marks
        assert dataclasses.astuple(mark) == ("right", 0.5, [1, 1, 0, 0], 0.5)
        assert found.said[1] == " zwei" and found.read[1] == found.wanted[1] == "zwei"
        with pytest.raises(ValueError, match="all_numbers: KeyError: 'no such answer'"):
            exam.marks(paper, Answers(said=[words.encode("?")] * 4))
        (mark,) = exam.marks(paper, Answers(said=said[::-1])).marks  # it goes on
        assert mark.value == 0.25


def test_what_is_wrong_is_said(module):
    with pytest.raises(ValueError, match="no task or mixture 'nombers' .* did you mean 'numbers'"):
        opened(module, "nombers")
