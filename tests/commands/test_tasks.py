"""What is done with a task: its rows are drawn, or written on a page; or it is made of files."""

import json
import re
import sys
from pathlib import Path

import pytest

from archlab import cache, commands, experiments
from archlab.data import recipes
from archlab.data.options import Data, Work
from archlab.show import sample
from tests.show import by_hand


@pytest.fixture
def taken(monkeypatch):
    """What `show` asks for; it is given a row drawn by hand."""
    asked = []

    def take(task, architecture="prefix_decoder", inputs=64, targets=32, *more, **named):
        asked.append((task, architecture, inputs, targets, *more, *named.values()))
        row = by_hand.read(by_hand.DECODER, "prefix_decoder")
        return sample.Sample(task, architecture, inputs, targets, [row], [], ["odd"])

    monkeypatch.setattr(sample, "take", take)
    return asked


def test_show_draws_what_it_is_asked_for(taken, capsys):
    said = ["--inputs", "5", "--targets", "2", "--count", "3", "--statistics", "9"]
    said += ["--set", "Data.folder=texts", "--module", "a", "--architecture", "causal_decoder"]
    assert commands.main(["show", "x", *said]) == 0
    assert taken == [("x", "causal_decoder", 5, 2, 3, 9, Data("texts"), ("a",))]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("row 0: second") and lines[-1] == "note: odd"


def test_show_writes_a_page_in_place_of_it(taken, tmp_path, capsys):
    path = tmp_path / "rows.html"
    assert commands.main(["show", "x", "--html", str(path)]) == 0
    assert taken == [("x", "prefix_decoder", 64, 32, 1, 256, Data(), ())]
    assert capsys.readouterr().out.splitlines() == [str(path)]
    assert path.read_text().startswith("<!doctype html>")


def test_no_example_doubles_the_name_of_a_folder():
    """What is encoded lies in `stores/` of the folder that is named, beside `recipes/`."""
    home = experiments.home()
    pages = [*home.glob("*.md"), *home.glob("docs/**/*.md"), Path(commands.tasks.__file__)]
    given = [
        out
        for page in pages
        for out in re.findall(r"archlab cache .*?--out (\S+)", page.read_text())
    ]
    assert given and not [out for out in given if out.rpartition("/")[2] in ("stores", "recipes")]


DEFAULT = ("mine_prefix_lm", "prefix_decoder", 64, 32)


@pytest.fixture
def text(tmp_path, monkeypatch):
    """Lines with two fields; nothing is encoded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cache, "cache", lambda *given: asked.append(given[:4]))
    (tmp_path / "some.jsonl").write_text(json.dumps({"title": "t", "body": "b"}))
    asked = []
    return asked


def test_new_task_writes_encodes_and_shows(text, taken, tmp_path, capsys):
    for said in ("wrote", "there already:"):
        assert commands.main(["new-task", "mine", "some.jsonl", "--field", "body"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:2] == ["1 file of JSON lines", f"{said} mine_tasks.py"]
        assert lines[2].startswith("row 0") and lines[-4] == "next:"
        assert text.pop() == (["mine_prefix_lm"], Data(), ("mine_tasks.py",), Work())
        assert taken.pop() == (*DEFAULT, Data(), ("mine_tasks.py",))
    assert 'text="body"' in (tmp_path / "mine_tasks.py").read_text()


def test_new_task_may_encode_nothing(text, taken, tmp_path, monkeypatch, capsys):
    prepared = []
    monkeypatch.setattr(recipes, "prepare", lambda *given: prepared.append(given) or Waited())
    said = [
        "--inputs-field",
        "title",
        "--targets-field",
        "body",
        "--no-encode",
        "--out",
        "other.py",
    ]
    assert commands.main(["new-task", "mine", "some.jsonl", *said]) == 0
    assert prepared == [(["mine_supervised"], Data(), ("other.py",), Work(encode=False))]
    assert "wrote other.py" in capsys.readouterr().out and not text and not taken


class Waited:
    """A preparation that is done."""

    def wait(self):
        return {}

    def close(self):
        pass


def test_which_field_is_asked_at_a_terminal_and_refused_elsewhere(text, taken, monkeypatch, fails):
    line = fails("new-task", "mine", "some.jsonl")
    assert line.endswith("title ('t'…), body ('b'…); say which, as --field title")
    line = fails("new-task", "mine", "some.jsonl", "--inputs-field", "title")
    assert line.endswith("a pair has --inputs-field and --targets-field, and a text --field")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda question: "body")
    assert commands.main(["new-task", "mine", "some.jsonl"]) == 0
    assert taken


def test_a_field_called_text_is_it(text, taken, tmp_path, capsys):
    (tmp_path / "some.jsonl").write_text(json.dumps({"title": "t", "text": "b"}))
    assert commands.main(["new-task", "mine", "some.jsonl"]) == 0
    assert 'text="text"' in (tmp_path / "mine_tasks.py").read_text()
