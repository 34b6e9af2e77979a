import dataclasses
import json
import math

import pytest

from archlab.evaluation.estimate import Estimate
from archlab.evaluation.formats import Format
from archlab.evaluation.lines import Line
from archlab.evaluation.measures import Pairs
from archlab.evaluation.suite import Suite, digest
from tests.evaluation.test_measures import subject

LINE = {"good": "aaa", "bad": "aab", "paradigm": "p"}


@pytest.fixture
def data(tmp_path):
    (tmp_path / "blimp.jsonl.gz").write_bytes(b"")
    (tmp_path / "p.jsonl").write_text(json.dumps(LINE))
    return tmp_path


def asked(digest: str = "w", form: str = "causal"):
    return dataclasses.replace(subject(), formats=(Format(form),), digest=digest)


@dataclasses.dataclass(frozen=True)
class Counted(Pairs):
    """Counts how often it is taken."""

    def measure(self, subject, data):
        self.taken.append(self.name)
        found = Estimate(0.5, math.nan, 0.75, 3)
        return [Line(self.name, "accuracy", found, math.nan, "causal", ("a note",))]

    taken = []


def test_what_was_measured_is_found_again_until_something_changes(data, tmp_path):
    Counted.taken.clear()
    suite, begun = Suite((Counted("p.jsonl"),), str(data)), []
    first = suite.taken(asked(), tmp_path, begun.append)
    assert repr(suite.taken(asked(), tmp_path)) == repr(first)
    assert len(Counted.taken) == 1 and begun == ["minimal pairs"]
    suite.taken(asked("other weights"), tmp_path)
    suite.taken(asked(form="prefix"), tmp_path)
    Suite((Counted("p.jsonl", items=1),), str(data)).taken(asked(), tmp_path)
    assert len(Counted.taken) == 4
    (data / "p.jsonl").write_text(json.dumps(LINE) * 2)
    suite.taken(asked(), tmp_path)
    assert len(Counted.taken) == 5


def test_a_measure_is_told_by_its_class_its_settings_and_its_file(data):
    found = {
        digest(one, data)
        for one in (Pairs("p.jsonl"), Pairs("p.jsonl", name="b"), Counted("p.jsonl"), Pairs())
    }
    assert len(found) == 4


def test_two_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two measures are called 'minimal pairs'"):
        Suite((Pairs(), Pairs(items=3)))
