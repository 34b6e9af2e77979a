"""What is handed on, and what comes back."""

import dataclasses
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from archlab import commands, compiled, config, evaluation
from archlab.evaluation import harness, representations
from archlab.evaluation import runs as subjects
from archlab.evaluation.estimate import Estimate
from archlab.evaluation.lines import Line
from archlab.evaluation.suite import Suite
from archlab.evaluation.task import Task


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

    def read(folder, name, step, form, passed, modules):
        said.append((folder, name, step, form, modules))
        return types.SimpleNamespace(passed=passed, seed=int(name) + 4)

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(config, "suite", suite)
    monkeypatch.setattr(subjects, "read", read)
    given = ["evaluate", "a/1", "a/2", "a/1", "--suite", "mine", "--data", "d", "--step", "7"]
    assert (
        commands.main(
            [*given, "--format", "prefix", "--module", "mine.py", "--set", "Pairs.items=3"]
        )
        == 0
    )
    assert said == [
        ("mine", ["Pairs.items=3", "Suite.data='d'"]),
        (Path("a/1"), "1", 7, "prefix", ("mine.py",)),
        (Path("a/2"), "2", 7, "prefix", ("mine.py",)),
    ]
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    interval = ["0.000", "to", "1.000", "0.500", "9", "causal"]
    assert [row for row in rows if "causal" in row] == [
        ["one,", "accuracy", "1", "5", "1.000", *interval],
        ["2", "6", "2.000", *interval],
    ]


def test_layers_of_runs_are_compared_in_pairs(monkeypatch, capsys, tmp_path):
    """One run is the other turned: alike where they are, layer by layer."""
    random = np.random.default_rng(0)
    first = random.normal(size=(9, 2, 3, 4)).astype(np.float32)
    turn, _ = np.linalg.qr(random.normal(size=(4, 4)))
    made = {"a": first, "b": (first[:, ::-1] @ turn).astype(np.float32)}
    monkeypatch.setattr(subjects, "read", lambda folder, name: name)
    asked = []
    monkeypatch.setattr(
        representations, "pooled", lambda subject, texts: asked.append(texts) or made[subject]
    )
    (tmp_path / "t.jsonl").write_text('{"text": "x"}\n{"text": "y"}\n{"text": "z"}\n')
    given = ["likeness", "a", "b", "--texts", str(tmp_path / "t.jsonl")]
    out = tmp_path / "new" / "a.png"
    assert commands.main([*given, "--out", str(out), "--pooling", "last"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "a by a: of the last layers 1.000, at most 1.000"
    assert said[1].startswith("a by b: of the last layers 0.") and said[1].endswith("most 1.000")
    assert out.read_bytes().startswith(b"\x89PNG") and asked == [["x", "y", "z"]] * 2
    assert commands.main([*given, "--pooling", "middle"]) == 2
    assert "--pooling 'middle' is not one of mean, first, last" in capsys.readouterr().err


def test_the_harness_is_told_what_was_asked(monkeypatch, capsys, tmp_path):
    read = dataclasses.make_dataclass("Subject", [("name", str)])("a")
    monkeypatch.setattr(subjects, "read", lambda *run: {(Path("a"), "a", 7, ""): read}[run])
    monkeypatch.setattr(harness, "form", lambda subject: (subject, "form"))
    monkeypatch.setattr(harness, "Harness", lambda *given: given)
    monkeypatch.setattr(harness, "results", lambda *given: {"given": given})
    monkeypatch.setattr(harness, "table", lambda found: "a table")
    given = ["harness", "a", "--tasks", "one,two", "--include", "b", "--shots", "2", "--limit", "9"]
    out = tmp_path / "found.json"
    assert commands.main([*given, "--rows", "3", "--step", "7", "--out", str(out)]) == 0
    assert capsys.readouterr().out == "a table\n"
    (model, *rest) = json.loads(out.read_text())["given"]
    assert model[1:] == [[str(read), "form"], 3] and rest == [["one", "two"], "b", 2, 9]


def test_the_harness_asks_in_the_format_as_the_run_was_trained_in_it(monkeypatch):
    """With its mode or its shift, which a name alone does not say."""
    trained, asked = ["prefix with its mode"], []
    monkeypatch.setattr(
        subjects, "read", lambda folder, name, step, form: types.SimpleNamespace(formats=trained)
    )
    monkeypatch.setattr(harness, "Harness", lambda subject, form, rows: asked.append(form))
    monkeypatch.setattr(harness, "results", lambda *given: {})
    monkeypatch.setattr(harness, "table", lambda found: "a table")
    assert commands.main(["harness", "a", "--tasks", "one", "--format", "prefix"]) == 0
    assert asked == trained


def test_a_harness_that_is_not_there_is_named(monkeypatch, fails):
    monkeypatch.setitem(sys.modules, "archlab.evaluation.harness", None)
    monkeypatch.delattr(evaluation, "harness", raising=False)
    said = fails("harness", "a", "--tasks", "one")
    assert "is not installed; pip install -c .ci/constraints.txt -e '.[eval]'" in said


def test_a_task_takes_the_place_of_a_suites_measures(monkeypatch, capsys):
    asked, read = [], config.suite

    def suite(name, overrides):
        asked.append(read(name, overrides))
        raise ValueError("enough")

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(config, "suite", suite)
    given = ["evaluate", "a/1", "--task", "it's mine", "--set", "Task.items=3"]
    assert commands.main(given) == 2 and "enough" in capsys.readouterr().err
    assert asked == [Suite((Task("it's mine", items=3),))]
