"""Runs are called by as much of their path as tells them apart."""

from pathlib import Path

from archlab.report import names


def test_a_name_is_as_long_as_it_has_to_be(tmp_path, monkeypatch):
    found = names.given([Path("/a/small"), Path("/b/small"), Path("/b/large")])
    assert list(found.values()) == ["a/small", "b/small", "large"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "other").symlink_to("one")
    assert list(names.given([Path("one"), tmp_path / "one", Path("other")]).values()) == ["one"]
