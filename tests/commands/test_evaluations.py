"""What is handed on, and what comes back."""

import dataclasses
from pathlib import Path

import pytest

from archlab import commands, compiled, config
from archlab.evaluation import runs as subjects
from archlab.evaluation.estimate import Estimate
from archlab.evaluation.lines import Line


@dataclasses.dataclass(frozen=True)
class Asked:
    """A suite whose numbers are its folders' names."""

    measures: tuple = ("one",)

    def check(self):
        pass

    def taken(self, subject, folder, begin):
        begin("one")
        subject.passed(3)
        return [Line("one", "accuracy", Estimate(float(folder.name), 0.0, 1.0, 9), 0.5, "causal")]


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(compiled, "keep", lambda note: None)


def test_each_run_once_in_one_table(monkeypatch, capsys):
    said = []

    def suite(name, overrides):
        said.append((name, overrides))
        return Asked()

    def read(folder, name, step, form, passed):
        said.append((folder, name, step, form))
        return dataclasses.make_dataclass("Subject", [("passed", object)])(passed)

    monkeypatch.setattr(config, "suite", suite)
    monkeypatch.setattr(subjects, "read", read)
    given = ["evaluate", "a/1", "a/2", "a/1", "--suite", "mine", "--data", "d", "--step", "7"]
    assert commands.main([*given, "--format", "prefix", "--set", "Pairs.items=3"]) == 0
    assert said == [
        ("mine", ["Pairs.items=3", "Suite.data='d'"]),
        (Path("a/1"), "1", 7, "prefix"),
        (Path("a/2"), "2", 7, "prefix"),
    ]
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    interval = ["0.000", "to", "1.000", "0.500", "9", "causal"]
    assert [row for row in rows if "causal" in row] == [
        ["one,", "accuracy", "1", "1.000", *interval],
        ["2", "2.000", *interval],
    ]
