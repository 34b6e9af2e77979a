"""Every changed bit is found, in every file of a store, and it is said where."""

import itertools
import os
import uuid

import numpy as np
import pytest

from archlab.data import shards, writer
from archlab.data.cut import Cut
from archlab.data.places import Place
from archlab.data.store import Store, opened


def written(path, documents=((5, 6), (7,), (8, 9, 10), (11,)), cut=2):
    pairs = [(np.asarray(ids, np.int32), len(ids)) for ids in documents]
    return writer.write(path, pairs, Cut(384, 1, 1, cut))


def flipped(content):
    """What is in a file, with each of its bits changed in turn."""
    for at, bit in itertools.product(range(len(content)), range(8)):
        changed = bytearray(content)
        changed[at] ^= 1 << bit
        yield bytes(changed)


FILES = ("00000-00000.bin", "00000-00001.bin", "documents.bin", "manifest.json")


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_found_when_a_store_is_opened(name):
    path = f"memory://{uuid.uuid4()}"
    written(path)
    place, missed = Place(path), 0
    content = place.read(name)
    for changed in flipped(content):
        place.write(name, changed)
        try:
            opened(path)
            missed += 1
        except ValueError as error:
            assert name in str(error) and path in str(error)
    assert not missed
    place.write(name, content)
    assert opened(path).documents == 4


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_although_no_time_tells(tmp_path, name):
    written(tmp_path / "one")
    path = tmp_path / "one" / name
    stat = path.stat()
    for changed in itertools.islice(flipped(path.read_bytes()), 0, None, 37):
        path.write_bytes(changed)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        with pytest.raises(ValueError, match=name):
            opened(tmp_path / "one")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["missing", "cut", "empty", "zeroed", "longer"])
def test_what_is_cut_zeroed_or_missing_is_named(tmp_path, name, change):
    path = tmp_path / "one"
    written(path)
    content = (path / name).read_bytes()
    changed = {
        "cut": content[:-1],
        "empty": b"",
        "zeroed": bytes(len(content)),
        "longer": content + b"\0",
    }
    (path / name).unlink() if change == "missing" else (path / name).write_bytes(changed[change])
    with pytest.raises(ValueError, match=f"{path}.*{name}.*delete"):
        opened(path)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b'{"tokens": 5}', b"\xff", b""])
def test_a_manifest_that_says_too_little_is_refused(tmp_path, content):
    written(tmp_path / "one")
    (tmp_path / "one" / "manifest.json").write_bytes(content)
    with pytest.raises(ValueError, match="is no token store .*delete it"):
        opened(tmp_path / "one")


def test_a_manifest_of_another_form_is_refused(tmp_path):
    said = written(tmp_path / "one").manifest
    for content, match in [
        ({**said, "format": 0}, "is of another form"),
        ({"tokens": 5}, "does not say documents, format, index"),
    ]:
        (tmp_path / "one" / "manifest.json").write_bytes(shards.sealed(content))
        with pytest.raises(ValueError, match=match):
            opened(tmp_path / "one")


def test_what_is_sealed_is_unsealed():
    for content in ({}, {"a": [1, {"é": None}], "b": 2.5}):
        assert shards.unsealed(shards.sealed(content)) == content
    with pytest.raises(ValueError):
        shards.unsealed(shards.sealed({"a": 1}).replace(b" ", b"  ", 1))


@pytest.fixture
def reads(monkeypatch):
    """The files that are read for their digest."""
    found = []
    digest = Place.digest
    monkeypatch.setattr(
        Place, "digest", lambda self, name: found.append(name) or digest(self, name)
    )
    return found


def test_a_small_store_is_read_each_time(tmp_path, reads):
    written(tmp_path / "one")
    for _ in range(2):
        opened(tmp_path / "one")
        assert sorted(reads) == sorted(FILES[:3])
        reads.clear()


def test_a_large_store_is_read_once_and_again_where_it_was_written(tmp_path, reads, monkeypatch):
    monkeypatch.setattr(shards, "LARGE", 10)
    path = tmp_path / "one"
    written(path)
    opened(path)
    assert sorted(reads) == sorted(FILES[:3])
    reads.clear()
    opened(path)
    assert reads == []
    Store(path).verify()
    assert sorted(reads) == sorted(FILES[:3])
    reads.clear()
    content = (path / FILES[1]).read_bytes()
    (path / FILES[1]).write_bytes(content[:-1] + b"\x05")
    with pytest.raises(ValueError, match=FILES[1]):
        opened(path)
    with pytest.raises(ValueError, match=FILES[1]):
        opened(path)
    assert reads == [FILES[1], FILES[1]]
    (path / FILES[1]).write_bytes(content)
    reads.clear()
    for changed in itertools.islice(flipped((path / "verified.json").read_bytes()), 0, None, 97):
        (path / "verified.json").write_bytes(changed)
        opened(path)
        assert sorted(reads) == sorted(FILES[:3])
        reads.clear()


def test_a_large_store_that_one_may_not_write_to_is_read_each_time(tmp_path, reads, monkeypatch):
    monkeypatch.setattr(shards, "LARGE", 10)
    written(tmp_path / "one")

    def refuse(self, name, content):
        raise PermissionError(name)

    monkeypatch.setattr(Place, "write", refuse)
    for _ in range(2):
        opened(tmp_path / "one")
    assert len(reads) == 6
