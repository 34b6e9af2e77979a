"""The cache says how far it is, and what there is when it is done."""

import io

import numpy as np
import pytest
from rich.console import Console

from archlab import cache as module
from archlab import commands
from archlab.data import reports, writer
from archlab.data.cut import Cut
from archlab.data.recipes import Data, Work
from archlab.data.reports import Report


class Prepared:
    """In place of a preparation: reports, and then recipes or an error."""

    def __init__(self, path, error=None, road="windows"):
        self.path, self.error, self.is_closed = path, error, False
        self.roads = [road]

    def wait(self, tell):
        for documents in (1, 2):
            tell(Report("mine-train", documents, 10 * documents, 2.0, 4))
        if self.error:
            raise self.error
        return {"mine": self, "other": self}

    def stores(self, split):
        return [module.Store(self.path) if split == "train" else None]

    def close(self):
        self.is_closed = True


@pytest.fixture
def path(tmp_path):
    pairs = [(np.asarray([number] * 600), 1200) for number in (5, 6, 7)]
    counts = {"kept": 3, "broken_json": 1234, "empty": 0}
    facts = {"source": "mine", "split": "train", "counts": counts}
    return writer.write(tmp_path / "one", pairs, Cut(384, 1, 1, 2), facts).path


def run(monkeypatch, prepared, is_terminal=False):
    """What is said, and what was asked for."""
    asked, out = [], io.StringIO()

    def prepare(*given):
        asked.append(given)
        return prepared

    monkeypatch.setattr(module, "prepare", prepare)
    console = Console(file=out, force_terminal=is_terminal, width=200, soft_wrap=True)
    try:
        module.cache(["mine"], Data(cache="there"), ("a.py",), Work(workers=3, shards=2), console)
    finally:
        assert prepared.is_closed
    return out.getvalue(), asked[0]


def test_lines_where_there_is_no_terminal(monkeypatch, path):
    said, (tasks, data, modules, work) = run(monkeypatch, Prepared(path))
    assert said.splitlines() == [
        "encoding mine-train: 1 of 4 documents, 10 tokens; 0 documents/s, 5 tokens/s",
        "encoding mine-train: 2 of 4 documents, 20 tokens; 1 documents/s, 10 tokens/s",
        "mine-train: 3 documents, 1,803 tokens, 3,600 bytes of text, 2 shards, 1,234 broken json; "
        f"{path}",
    ]
    assert (tasks, data.cache, modules) == (["mine"], "there", ("a.py",))
    assert work == Work(workers=3, shards=2, every=reports.SELDOM)


def test_of_examples_it_says_how_much_is_given(monkeypatch, path):
    said, _ = run(monkeypatch, Prepared(path, road="examples"))
    assert "3 documents, 1,803 tokens, 3,600 of them given, 2 shards" in said


def test_a_bar_on_a_terminal(monkeypatch, path):
    said, (*_, work) = run(monkeypatch, Prepared(path), is_terminal=True)
    assert work.every == reports.OFTEN
    assert "2 of 4 documents" in said and "tokens/s" in said and "━" in said


def test_an_error_and_an_interrupt_stop_the_process(monkeypatch, path, capsys):
    with pytest.raises(ValueError, match="wrong"):
        run(monkeypatch, Prepared(path, ValueError("wrong")))
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, Prepared(path, KeyboardInterrupt()))
    assert stopped.value.code == 130


def test_the_command_hands_everything_on(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "cache", lambda *given: asked.append(given))
    said = (
        "cache one two --out gs://mine --workers 3 --runner DirectRunner --shards 5 --module a.py"
    )
    options = ["--beam-options", "--region=here", "--beam-options", "--project=mine"]
    named = ("folder=texts", "vocabulary=a.model", "tfds=there")
    own = [word for one in named for word in ("--set", f"Data.{one}")]
    assert commands.main([*said.split(), *options, *own]) == 0
    ((tasks, data, modules, work, _),) = asked
    assert (tasks, modules) == (["one", "two"], ("a.py",))
    assert data == Data(folder="texts", vocabulary="a.model", tfds="there", cache="gs://mine")
    assert work == Work(3, "DirectRunner", ("--region=here", "--project=mine"), 5)
