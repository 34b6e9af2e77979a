"""Pairs reach rows as they were written: both sides whole, each with its end."""

import json

import pytest
import seqio

from archlab.data import files, jobs, roads, sources, supervision, tasks
from archlab.data.documents import Made
from archlab.data.options import Data
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
PAIRS = [("what is 2 + 2?", "4"), ("", "to nothing"), ("</s> é 犬", "a \ud800 b")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs")
    lines = [json.dumps({"inputs": asked, "targets": said}) for asked, said in PAIRS]
    (path / "pairs.jsonl").write_text("\n".join([*lines, *["{}"] * 40]))
    return path


@pytest.fixture
def task(folder, monkeypatch):
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    name = supervision.register("folder", folder=str(folder))
    assert supervision.register("folder", folder=str(folder)) == name == "folder_supervised"
    return seqio.TaskRegistry.get(name)


def test_a_pair_is_stored_as_it_was_written(task):
    (part,) = roads.resolve(task.name)
    assert (part.road, part.objective, part.vocabulary) == ("examples", "", V)
    made = Made(task, part.text, "train", V)
    ids = [made.encode(one) for one in made.read()]
    wanted = [
        (V.encode(asked), V.encode(said.encode("utf-8", "replace").decode()))
        for asked, said in PAIRS
    ]
    assert [(both.tolist(), given) for both, given in ids] == [
        ([*asked, V.end, *said, V.end], len(asked) + 1) for asked, said in wanted
    ]
    assert made.counts()["kept"] == 3 and made.counts()["missing_text"] > 30


def test_its_files_are_looked_at_as_those_of_text_are(task, folder):
    (part,), request = roads.resolve(task.name), {"data": {"folder": str(folder)}}
    before = jobs.fingerprints(part, request)
    assert before == {"folder": sources.folder(str(folder)).fingerprint()}
    (folder / "more.jsonl").write_text("{}")
    assert jobs.fingerprints(part, request) != before


def test_pairs_of_any_source_are_registered(task, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"q": "2 + 2?", "a": "4"}')
    source = files.source(str(tmp_path / "a.jsonl"), inputs="q", targets="a")
    name = supervision.register("sums", source)
    (part,) = roads.resolve(name)
    made = Made(seqio.TaskRegistry.get(name), part.text, "train", V)
    assert [made.encode(one)[0].tolist() for one in made.read()] == [
        [*V.encode("2 + 2?"), V.end, *V.encode("4"), V.end]
    ]
    assert supervision.register("sums", source) == name
    with pytest.raises(ValueError, match="'sums_supervised' is registered already"):
        supervision.register("sums", files.source(str(tmp_path), inputs="q", targets="a"))
    with pytest.raises(ValueError, match="no source 'foldr', did you mean 'folder'"):
        supervision.register("foldr")


def test_archlabs_own_are_among_the_tasks():
    tasks.register_all(Data(), V)
    assert {"folder_supervised", "python_stdlib_supervised"} <= tasks.known()
