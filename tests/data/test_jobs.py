"""A store is known by its text, its vocabulary and its code; a job goes on with what was begun."""

import dataclasses
import json

import pytest
import seqio

from archlab.data import jobs, roads, tasks
from archlab.data.cut import Cut, Share
from archlab.data.options import Data
from archlab.data.store import opened
from tests.data.conftest import written


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    monkeypatch.setattr(seqio.MixtureRegistry, "_REGISTRY", {})
    monkeypatch.setenv("ARCHLAB_CACHE", str(tmp_path / "cache"))


def asked(folder, **settings):
    data = dataclasses.asdict(Data(folder=str(folder), cache=settings.pop("cache", None)))
    return {"data": data, "modules": [], "encoding": "0", **settings}


def job(request, name="folder_causal_lm", split="train"):
    jobs.register(request)
    (part,) = roads.resolve(name)
    return jobs.of(part, request)[split]


def test_tasks_of_one_text_have_one_store(tmp_path):
    request = asked(written(tmp_path / "text", 5))
    first = job(request)
    assert first.name == "folder-train"
    assert first.path.startswith(f"{tmp_path}/cache/stores/folder-train-")
    assert job(request, "folder_prefix_lm").path == first.path
    others = [
        job(request, split="validation"),
        job({**request, "encoding": "1"}),
        job(asked(tmp_path / "text", cache=str(tmp_path / "other"))),
    ]
    (tmp_path / "text" / "more.txt").write_text("more")
    others.append(job(request))
    assert len({first.path, *(one.path for one in others)}) == 5
    assert others[2].path == first.path.replace("/cache/", "/other/")


def test_what_is_encoded_need_not_be_there_any_more(tmp_path, monkeypatch):
    request = asked(written(tmp_path / "text", 60))
    jobs.register(request)
    (part,) = roads.resolve("folder_causal_lm")
    assert jobs.absent(part, request) is None
    for said in ("gone", ""):
        monkeypatch.setattr(type(part.task.source), "absent", said, raising=False)
        assert jobs.absent(part, request) == said
    for one in jobs.of(part, request).values():
        one.writer.begin()
        one.write(Share(0), lambda *done: None)
        one.finish()
    assert jobs.absent(part, request) is None


@pytest.mark.parametrize("shards, documents", [(None, 2**16), (1, 20), (4, 5), (50, 1)])
def test_as_many_shards_as_are_wanted(tmp_path, shards, documents):
    one = job(asked(written(tmp_path / "text", 20), shards=shards))
    assert one.documents.count() == 20
    assert one.writer.cut == Cut(384, 1, 1, documents, shards)
    one.writer.begin()
    one.write(Share(0), lambda *done: None)
    many = len(opened(one.finish()).manifest["shards"])
    assert many == {None: 1, 1: 1, 4: 4, 50: 20}[shards]


def test_files_are_parts_where_there_are_enough(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text(f"{number}\n" * 4)
    source = seqio.TextLineDataSource({"train": f"{tmp_path}/*.txt"})
    tasks.register("mine", source)
    one = job(asked(tmp_path, shards=3), "mine_causal_lm")
    assert one.writer.cut == Cut(384, 1, 3, jobs.WHOLE, 3)
    for part in range(3):
        one.write(Share(part), lambda *done: None)
    found = opened(one.finish())
    assert [shard["documents"] for shard in found.manifest["shards"]] == [8, 8, 8]


def test_it_goes_on_with_the_cut_that_was_begun(tmp_path):
    folder = written(tmp_path / "text", 20)
    job(asked(folder, shards=4)).writer.begin()
    for shards in (None, 4):
        assert job(asked(folder, shards=shards)).writer.cut.documents == 5
    with pytest.raises(ValueError, match="was begun with shards=4, not 3; leave --shards out"):
        job(asked(folder, shards=3)).writer  # noqa: B018


def test_what_is_told_is_what_is_there(tmp_path):
    told = []
    one = job(asked(written(tmp_path / "text", 9)))
    one.write(Share(0), lambda *done: told.append(done))
    found = opened(one.finish())
    assert {name for name, _, _ in told} == {"folder-train"}
    assert sum(documents for _, documents, _ in told) == found.documents
    assert sum(tokens for _, _, tokens in told) == found.tokens


def test_no_text_to_validate_on_is_none_and_to_train_on_an_error(tmp_path):
    blank = tmp_path / "text"
    blank.mkdir()
    (blank / "a.txt").write_text(" ")
    for split in ("train", "validation"):
        one = job(asked(blank), split=split)
        one.writer.begin()
        one.write(Share(0), lambda *done: None)
        if split == "validation":
            assert one.finish() is None
            continue
        with pytest.raises(ValueError, match="folder_causal_lm has no text to train on"):
            one.finish()


def test_a_model_is_known_by_what_is_in_it(tmp_path, monkeypatch):
    request = asked(written(tmp_path / "text", 2))
    first = job(request).path
    spec = tasks.Vocabulary.spec
    monkeypatch.setattr(tasks.Vocabulary, "spec", lambda self: spec(self) | {"path": "elsewhere"})
    assert job(request).path == first
    monkeypatch.setattr(tasks.Vocabulary, "spec", lambda self: spec(self) | {"sha256": "other"})
    assert job(request).path != first
    assert json.dumps(request)
