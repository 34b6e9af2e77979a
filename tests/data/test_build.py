"""What the build process writes, and what it says of what it cannot build."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
import seqio

from archlab.data import build, reports, roads, store
from archlab.data.recipes import Data
from archlab.data.vocabulary import Vocabulary
from tests.data.conftest import MIXTURE, written


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """As in a process of its own: nothing is registered, nothing is stored."""
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    monkeypatch.setattr(seqio.MixtureRegistry, "_REGISTRY", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("ARCHLAB_CACHE", str(tmp_path / "cache"))


def said(tmp_path, monkeypatch, capsys, mixture, folder, vocabulary="", **settings):
    """The exit status, what was printed, and the recipe."""
    recipe = tmp_path / "recipes" / "one.json"
    data = Data(folder=str(folder), vocabulary=vocabulary, cache=settings.pop("cache", None))
    request = {
        "data": dataclasses.asdict(data),
        "modules": [],
        "encoding": "0",
        "recipes": {mixture: str(recipe)},
        **settings,
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    monkeypatch.setattr(sys, "argv", ["build", str(tmp_path / "request.json")])
    status = build.main()
    found = json.loads(recipe.read_text()) if recipe.exists() else None
    assert found is None or [one.name for one in recipe.parent.iterdir()] == ["one.json"]
    return status, capsys.readouterr().out, found


def test_a_store_for_each_split(tmp_path, monkeypatch, capsys):
    folder = written(tmp_path / "text", 60)
    (folder / "empty.txt").write_text(" ")
    (folder / "bad.txt").write_bytes(b"caf\xe9")
    status, out, recipe = said(tmp_path, monkeypatch, capsys, "folder_masked_lm", folder)
    assert (status, out) == (0, "")
    (task,) = recipe["tasks"]
    assert (task["name"], task["objective"], task["rate"]) == ("folder_masked_lm", "masked_lm", 1)
    texts, counts = {}, {}
    for split, path in task["stores"].items():
        one = store.Store(path)
        one.verify()
        assert (one.manifest["source"], one.manifest["split"]) == ("folder", split)
        texts[split] = Vocabulary().decode(one.chunk(0, one.tokens)[0]).split("<end>")[:-1]
        for key, many in one.manifest["counts"].items():
            counts[key] = counts.get(key, 0) + many
    both = texts["train"] + texts["validation"]
    files = sorted(folder.glob("*.txt"))
    wanted = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    assert sorted(both) == sorted(text for text in wanted if text.strip())
    assert counts == {"kept": 60, "invalid_utf8": 1, "empty": 1}


def test_a_single_document_has_no_validation(tmp_path, monkeypatch, capsys):
    folder = written(tmp_path / "text", 1)
    status, _, recipe = said(tmp_path, monkeypatch, capsys, "folder_causal_lm", folder)
    assert status == 0 and recipe["tasks"][0]["stores"]["validation"] is None
    assert len(list((tmp_path / "cache" / "stores").iterdir())) == 1


def test_two_tasks_of_one_text_without_validation(tmp_path, monkeypatch, capsys):
    folder = written(tmp_path / "text", 1)
    (tmp_path / "both.py").write_text(MIXTURE)
    settings = {"modules": [str(tmp_path / "both.py")]}
    status, _, recipe = said(tmp_path, monkeypatch, capsys, "both", folder, **settings)
    assert status == 0
    assert [task["stores"]["validation"] for task in recipe["tasks"]] == [None, None]
    assert len({task["stores"]["train"] for task in recipe["tasks"]}) == 1


def test_a_bucket_is_written_to_as_a_folder_is(tmp_path, monkeypatch, capsys):
    folder = written(tmp_path / "text", 30)
    here = said(tmp_path, monkeypatch, capsys, "folder_causal_lm", folder)[2]
    seqio.TaskRegistry.reset()
    cache = f"file://{tmp_path}/bucket"
    there = said(tmp_path, monkeypatch, capsys, "folder_causal_lm", folder, cache=cache)[2]
    for split, path in there["tasks"][0]["stores"].items():
        assert path.startswith(f"{cache}/stores/folder-{split}-")
        one, other = store.opened(path), store.opened(here["tasks"][0]["stores"][split])
        assert one.manifest == other.manifest
        starts = np.arange(0, 3 * one.tokens, 17)
        for found, wanted in zip(one.windows(starts, 50), other.windows(starts, 50), strict=True):
            assert np.array_equal(found, wanted)


def test_how_far_it_is_is_said_where_it_is_asked_for(tmp_path, monkeypatch, capsys):
    folder = written(tmp_path / "text", 30)
    status, out, _ = said(tmp_path, monkeypatch, capsys, "folder_causal_lm", folder, every=0)
    assert status == 0
    found = [reports.read(line) for line in out.splitlines()]
    train = [one for one in found if one.name == "folder-train"]
    assert [one.documents for one in train[:3]] == [1, 2, 3]
    last = {one.name: one for one in found}
    assert sum(one.documents for one in last.values()) == 30


def content(cache):
    """Every file below a cache, but for the recipes, which name the place."""
    files = (path for path in (cache / "stores").rglob("*") if path.is_file())
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


def test_workers_write_the_same_bytes_and_what_they_say_is_heard(tmp_path, monkeypatch, capsys):
    folder = written(tmp_path / "text", 40)
    caches = {}
    for workers in (1, 2):
        settings = {"workers": workers, "shards": 5, "every": 0, "options": [], "runner": ""}
        settings["cache"] = str(tmp_path / f"cache{workers}")
        status, out, _ = said(tmp_path, monkeypatch, capsys, "folder_causal_lm", folder, **settings)
        assert status == 0
        last = {one.name: one for one in map(reports.read, out.splitlines())}
        assert sum(one.documents for one in last.values()) == 40
        caches[workers] = content(tmp_path / f"cache{workers}")
        seqio.TaskRegistry.reset()
    assert caches[1] == caches[2] and len(caches[1]) == 2 * 2 + 5 + 1


@pytest.mark.parametrize("status", [build.WRONG, 3])
def test_a_worker_that_fails_is_heard(tmp_path, monkeypatch, capsys, status):
    report = reports.Report("folder-train", 1, 5, 0.1).line()
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\necho '{report}'\necho it is wrong\nexit {status}\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    settings = {"workers": 2, "options": [], "runner": "", "every": 0}
    folder = written(tmp_path / "text", 5)
    how = (tmp_path, monkeypatch, capsys, "folder_causal_lm", folder)
    if status != build.WRONG:
        with pytest.raises(RuntimeError, match="worker 0 ended with status 3: it is wrong"):
            said(*how, **settings)
        return
    found, out, recipe = said(*how, **settings)
    assert (found, recipe) == (build.WRONG, None)
    *told, last = out.splitlines()
    assert last == "it is wrong\t"
    assert [reports.read(line).documents for line in told] == [1, 2]  # of both together


def test_what_the_user_can_put_right_is_one_line(tmp_path, monkeypatch, capsys):
    folder, empty = written(tmp_path / "text", 2), tmp_path / "empty"
    empty.mkdir()
    blank = tmp_path / "blank"
    blank.mkdir()
    (blank / "a.txt").write_text("\n")
    (tmp_path / "bad.py").write_text("raise KeyError('several\\nlines')")
    (tmp_path / "typo.py").write_text(
        "import seqio\n\nseqio.MixtureRegistry.add('both', [('folder_prefix_ml', 1)])\n"
    )
    mine, bad, typo = "folder_causal_lm", str(tmp_path / "bad.py"), str(tmp_path / "typo.py")
    for mixture, where, settings, words, about in [
        ("folder_casual_lm", folder, {}, f"did you mean '{mine}'", "folder_casual_lm"),
        (mine, empty, {}, "holds no .txt", "Data.folder"),
        (mine, tmp_path / "none", {}, "is not a directory", "Data.folder"),
        (mine, blank, {}, "folder_causal_lm has no text to train on", mine),
        (mine, folder, {"modules": [bad]}, f"{bad}:1: KeyError", ""),
        (mine, folder, {"modules": [typo]}, f"{typo}:3: ", ""),
        (mine, folder, {"modules": [typo]}, "did you mean 'folder_prefix_lm'?", ""),
        (mine, folder, {"vocabulary": "none.model"}, "none.model", "Data.vocabulary"),
    ]:
        seqio.TaskRegistry.reset()
        status, out, recipe = said(tmp_path, monkeypatch, capsys, mixture, where, **settings)
        assert (status, recipe) == (build.WRONG, None)
        assert words in out and out.count("\n") == 1
        assert out.endswith(f"\t{about}\n")


def test_tasks_of_two_vocabularies_are_refused(monkeypatch):
    parts = []
    for size in (384, 512):
        vocabulary = types.SimpleNamespace(spec=lambda size=size: {"path": "", "size": size})
        parts.append(roads.Part(None, 1.0, "windows", "causal_lm", {}, vocabulary))
    monkeypatch.setattr(roads, "resolve", lambda name, road: parts)
    with pytest.raises(ValueError, match="the tasks of mine have different vocabularies"):
        build.cook("mine", {"data": {"road": ""}}, {})
