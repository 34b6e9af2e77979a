"""What the build process writes, and what it says of what it cannot build."""

import json
import sys
import types

import pytest
import seqio

from archlab.data import build, store, tasks
from archlab.data.vocabulary import Vocabulary
from tests.data.conftest import written


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """As in a process of its own: nothing is registered, nothing is stored."""
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    monkeypatch.setattr(seqio.MixtureRegistry, "_REGISTRY", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("ARCHLAB_CACHE", str(tmp_path / "cache"))


def said(tmp_path, monkeypatch, capsys, mixture, folder, **settings):
    """The exit status, what was printed, and the recipe."""
    recipe = tmp_path / "recipes" / "one.json"
    request = {
        "folder": str(folder),
        "vocabulary": "",
        "tfds": None,
        "modules": [],
        "code": "0",
        "recipes": {mixture: str(recipe)},
        **settings,
    }
    status = build.main(json.dumps(request))
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
        one = store.Store(store.Path(path))
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
        parts.append(tasks.Part(None, 1.0, tasks.Corrupt("causal_lm", vocabulary)))
    monkeypatch.setattr(tasks, "resolve", lambda name: parts)
    with pytest.raises(ValueError, match="the tasks of mine have different vocabularies"):
        build.cook("mine", {})
