"""Measures of models whose answers are known: a table of nats in place of a network."""

import json

import numpy as np
import pytest

from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation.formats import Format
from archlab.evaluation.measures import (
    BLIND,
    Choices,
    Code,
    Continuation,
    Infill,
    LastWord,
    Pairs,
)
from archlab.evaluation.scorer import Scorer
from archlab.evaluation.subject import Subject
from tests import corpus

WORDS = Vocabulary()


class Known(Scorer):
    """Each token costs what a rule says of it; nothing is computed."""

    def __init__(self, row: Row, cost):
        super().__init__(None, None, WORDS, row)
        self._cost = cost

    def questions(self, questions):
        nats = [np.asarray([self._cost(one) for one in asked.said]) for asked in questions]
        counts = [asked.counts for asked in questions]
        found = [one @ count for one, count in zip(nats, counts, strict=True)]
        best = [
            not np.any((one > 1) & (count > 0)) for one, count in zip(nats, counts, strict=True)
        ]
        return np.asarray(found), np.asarray(best, bool)


def subject(*formats: Format, kind: str = "decoder", cost=lambda token: 1.0) -> Subject:
    made = Subject("run", None, None, WORDS, Row(400, 400, kind), formats)
    object.__setattr__(made, "scorer", Known(made.row, cost))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(corpus.written(tmp_path_factory.mktemp("texts")))


@pytest.mark.parametrize(
    "form, kind", [("causal", "decoder"), ("sentinel", "encoder_decoder"), ("unmasking", "encoder")]
)
def test_a_nat_for_each_byte_is_a_nat_per_byte(folder, tmp_path, form, kind):
    given = {"source": "folder", "folder": folder, "items": 4, "left": 40, "middle": 9}
    asked = subject(Format(form), kind=kind)
    (line,) = Continuation(**given).measure(asked, tmp_path)
    assert line.found.value == 1.0 == line.found.low and line.chance == BLIND
    assert line.asked == form and not line.notes
    (line,) = Infill(**given, right=30).measure(asked, tmp_path)
    assert line.found.value == 1.0
    assert line.notes == (("left side alone",) if form == "causal" else ())


def test_a_mode_is_asked_for_with_it_and_without_it(folder, tmp_path):
    asked = subject(Format("prefix", "S"), Format("sentinel", "R"), Format("sentinel", "X"))
    measure = Infill(source="folder", folder=folder, items=2, left=20, middle=9, right=20)
    assert [one.asked for one in measure.measure(asked, tmp_path)] == ["sentinel <R>", "sentinel"]
    measure = Continuation(source="folder", folder=folder, items=2, left=20, middle=9)
    assert [one.asked for one in measure.measure(asked, tmp_path)] == ["prefix <S>", "prefix"]


def test_a_last_word_counts_if_every_token_of_it_is_the_likeliest(folder, tmp_path):
    measure = LastWord(source="folder", folder=folder, items=16, left=40)
    rare = WORDS.encode("g")[0]  # of "dog" alone

    def found(cost) -> float:
        return measure.measure(subject(Format("causal"), cost=cost), tmp_path)[0].found.value

    assert found(lambda token: 0.5) == 1.0 and found(lambda token: 2.0) == 0.0
    assert 0 < found(lambda token: 2.0 if token == rare else 0.5) < 1


@pytest.mark.parametrize(
    "form, kind", [("causal", "decoder"), ("sentinel", "encoder_decoder"), ("unmasking", "encoder")]
)
def test_a_pair_is_right_where_the_good_one_is_likelier(tmp_path, form, kind):
    pairs = [("aaa", "aab"), ("aba", "aaa"), ("aab", "aba")] * 2
    lines = [
        {"good": good, "bad": bad, "paradigm": str(number // 3)}
        for number, (good, bad) in enumerate(pairs)
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    odd = WORDS.encode("b")[0]
    asked = subject(Format(form), kind=kind, cost=lambda token: 3.0 if token == odd else 1.0)
    (line,) = Pairs("p.jsonl").measure(asked, tmp_path)
    assert line.found.value == 0.5 and line.found.items == 6  # right, wrong, and a tie that is half
    (line,) = Pairs("p.jsonl", items=1).measure(asked, tmp_path)
    assert line.found.value == 1.0 and line.found.items == 2
    assert line.notes == ("2 paradigms",)


def test_longer_answers_are_less_likely_but_not_by_the_byte(tmp_path):
    line = {"context": "a", "choices": [" bb", " b" + "a" * 6], "label": 1}
    (tmp_path / "c.jsonl").write_text(json.dumps(line))
    odd = WORDS.encode("b")[0]
    asked = subject(Format("prefix"), cost=lambda token: 3.0 if token == odd else 1.0)
    whole, by_byte = Choices("c.jsonl").measure(asked, tmp_path)
    assert (whole.found.value, by_byte.found.value) == (0.0, 1.0)
    assert whole.chance == 0.5


def test_code_is_asked_for_with_both_of_its_sides(tmp_path):
    line = {"prompt": "def f():\n", "suffix": "\n", "canonical_solution": "    return 1"}
    (tmp_path / "code.jsonl").write_text(json.dumps(line))
    nats, exact = Code("code.jsonl").measure(subject(Format("infilling")), tmp_path)
    assert nats.found.value == 1.0 and exact.found.value == 1.0
    assert nats.asked == "infilling" and not nats.notes
