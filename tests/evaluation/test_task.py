"""What a task's metrics are given, and what becomes of their numbers."""

import dataclasses
import json
import math

import pytest

from archlab.data.exam import AUXILIARY, PREDICTION, SCORE, Answers, Mark, Marks, Paper
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation import task as tasks
from archlab.evaluation.formats import Format
from archlab.evaluation.suite import Suite
from archlab.evaluation.task import Task, check
from archlab.generation.generate import Text
from tests.evaluation.test_measures import Known, subject

WORDS = Vocabulary()
END = WORDS.end
INPUTS = ["a question", "another, of more words than there is room for"]
TARGETS = ["yes", "no"]


def paper(*needs: str, **words) -> Paper:
    ids = [[[*WORDS.encode(one), END] for one in side] for side in (INPUTS, TARGETS)]
    made = Paper("mine", frozenset(needs or [PREDICTION]), WORDS, *ids, INPUTS, TARGETS)
    return dataclasses.replace(made, **words)


class Opened:
    """An exam that keeps what it was asked with and what was answered."""

    papers: list
    given: tuple
    answers: Answers

    def __init__(self, *given):
        Opened.given = given

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def marks(self, paper, answers):
        Opened.answers = answers
        said = answers.said and [
            WORDS.decode(token for token in one if token != END) for one in answers.said
        ]
        marks = [Mark("right", 0.5, [1.0, 0.0], 0.5), Mark("bleu", math.nan, None, math.nan)]
        return Marks(marks, said, said and [["made", of] for of in said], TARGETS)


@pytest.fixture(autouse=True)
def exam(monkeypatch):
    read = []

    def generate(model, weights, words, given, manner, *how):
        read.append((given, manner, how))
        return [Text(words.encode(one), -1.5, one == "yes") for one in ("yes", "maybe")]

    monkeypatch.setattr(tasks, "Exam", Opened)
    monkeypatch.setattr(tasks, "generate", generate)
    Opened.papers, Opened.read = [paper()], read
    return Opened


@pytest.mark.parametrize("kind, room", [("decoder", 24), ("encoder_decoder", 20), ("encoder", 24)])
def test_a_model_reads_the_inputs_cut_as_in_training(exam, kind, room):
    asked = dataclasses.replace(
        subject(Format("unmasking", is_shifted=True)), row=Row(20, 12, kind)
    )
    (right, bleu) = Task("mine", tokens=8, rows=3).measure(asked, None)
    ((given, manner, how),) = exam.read
    assert given[0] == [*WORDS.encode(INPUTS[0]), END]
    assert given[1] == [*WORDS.encode(INPUTS[1])[: room - 1], END]
    assert manner.tokens == 8 and manner.temperature == 0 and how == (3, 0, kind == "encoder")
    assert exam.answers.said == [[*WORDS.encode("yes"), END], WORDS.encode("maybe")]
    assert exam.answers.nats == [-1.5, -1.5] and exam.answers.scores is None
    assert right.found.value == 0.5 and right.found.low < 0.5 < right.found.high
    assert (right.measure, right.metric, right.chance, right.asked) == (
        "mine",
        "right",
        0.5,
        "said",
    )
    assert right.notes == (f"50% cut to fit {room} tokens", "50% said no end in 8 tokens")
    assert math.isnan(bleu.found.value) and math.isnan(bleu.found.low) and bleu.found.items == 2


def test_scores_are_of_the_targets_with_their_end(exam):
    exam.papers = [paper(SCORE)]
    cost = lambda token: 5.0 if token == END else 1.0  # noqa: E731
    for kind in ("decoder", "encoder_decoder", "encoder"):
        own = subject(Format("unmasking"), kind=kind, cost=cost)
        (line, _) = Task("mine").measure(own, None)
        assert exam.answers.scores == [-8.0, -7.0] and exam.answers.said is None
        assert line.asked == "scored" and not exam.read


def test_targets_that_are_too_long_are_cut_and_keep_their_end(exam):
    for kind, wanted in (("decoder", 10), ("encoder_decoder", 4)):
        own = subject(kind=kind)
        object.__setattr__(own, "row", Row(6, 4, kind))
        object.__setattr__(own, "scorer", Known(own.row, lambda token: float(token == END) + 1))
        nats_S = tasks.scored(own, [[9, END]], [[*range(9, 29), END]])
        assert nats_S.tolist() == [wanted + 1]


def test_what_was_said_lies_beside_the_run_and_the_task_is_asked_anew(exam, tmp_path):
    exam.papers = [paper(AUXILIARY, SCORE), paper(task="other")]
    own = dataclasses.replace(subject(), step=7, folder=tmp_path, modules=("m.py",))
    object.__setattr__(own, "scorer", Known(own.row, lambda token: 1.0))
    suite = Suite((Task("both", split="test", items=2, seed=3),))
    lines = suite.taken(own, tmp_path)
    assert [one.measure for one in lines][::2] == ["both: mine", "both: other"]
    mixture, row, data, *words = exam.given
    assert (mixture, row, words) == ("both", own.row, [("m.py",), "test", 2, 3])
    assert data["folder"] is None
    there = sorted(one.name for one in (tmp_path / "predictions").iterdir())
    assert there == ["mine-test-7.jsonl", "other-test-7.jsonl"]
    one, two = map(json.loads, (tmp_path / "predictions" / there[0]).read_text().splitlines())
    assert one == {
        "inputs": INPUTS[0],
        "targets": "yes",
        "said": "yes",
        "nats": -1.5,
        "score": -4.0,
        "read": ["made", "yes"],
        "wanted": "yes",
    }
    suite.taken(own, tmp_path)
    assert len(exam.read) == 4  # nothing says that the task's text is as it was


def test_ids_of_another_vocabulary_are_refused():
    other = dataclasses.replace(WORDS, sentinels=200)
    check(subject(), paper(vocabulary=other))  # the same text, whatever stands above it
    for wrong in (WORDS.sentinel(3), other.sentinel(3)):
        with pytest.raises(ValueError, match="task mine is encoded with bytes, and run run reads"):
            check(subject(), paper(vocabulary=other, inputs=[[wrong]]))


@pytest.mark.parametrize(
    "words, said",
    [
        ({"tokens": 0}, "Task.tokens=0; it is 1 or more"),
        ({"items": -1}, "Task.items=-1; it is 0 or more"),
        ({"tokens": 800}, "Task.tokens=800 leave nothing of the 800 tokens"),
    ],
)
def test_what_cannot_be_is_refused(words, said):
    with pytest.raises(ValueError, match=said):
        Task("mine", **words).measure(subject(), None)
