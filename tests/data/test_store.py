"""A store gives back what was written, read in a circle; what is broken is refused."""

import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data import store
from archlab.data.store import Store

END = 1
DOCUMENTS = st.lists(st.lists(st.integers(2, 383), max_size=9), min_size=1, max_size=6).filter(any)


def written(path, documents, size=384, **settings):
    arrays = [np.asarray(ids, np.int32) for ids in documents]
    return store.write(path, iter(arrays), size, END, **settings)


def laid(documents):
    """The tokens one after another, and where documents end in them."""
    tokens = [token for ids in documents if ids for token in [*ids, END]]
    return tokens, np.flatnonzero(np.asarray(tokens) == END) + 1


@given(documents=DOCUMENTS, start=st.integers(0, 200), length=st.integers(1, 120))
def test_a_chunk_is_cut_from_the_text_repeated(documents, start, length):
    tokens, _ = laid(documents)
    tiled = np.tile(tokens, (start + length) // len(tokens) + 1)[start : start + length]
    with tempfile.TemporaryDirectory() as folder:
        found, ends = written(Path(folder, "one"), documents).chunk(start, length)
    assert found.dtype == np.int32
    assert found.tolist() == tiled.tolist()
    assert ends.tolist() == (np.flatnonzero(tiled == END) + 1).tolist()


@given(documents=DOCUMENTS)
def test_the_manifest_counts(documents):
    tokens, ends = laid(documents)
    with tempfile.TemporaryDirectory() as folder:
        again = Store(
            written(Path(folder, "one"), documents, facts=lambda: {"source": "mine"}).path
        )
        again.verify()
    manifest = again.manifest
    assert again.tokens == manifest["tokens"] == len(tokens)
    assert manifest["documents"] == len(ends)
    assert manifest["empty"] == len(documents) - len(ends)
    lengths = np.diff(ends, prepend=0)
    for length in range(12):
        assert again.longer(length) == sum(many > length for many in lengths)
    assert manifest["source"] == "mine"


@pytest.mark.parametrize(("size", "width"), [(2**16, 2), (2**16 + 1, 4), (250_112, 4)])
def test_the_width_of_a_token_follows_the_vocabulary(tmp_path, size, width):
    ids = [2, 2**15, size - 1]
    one = written(tmp_path / "one", [ids], size)
    assert (one.path / "tokens.bin").stat().st_size == 4 * width
    assert one.chunk(0, 4)[0].tolist() == [*ids, END]


def test_facts_are_asked_when_all_is_read(tmp_path):
    read = []

    def documents():
        for number in range(3):
            read.append(number)
            yield np.asarray([5 + number])

    one = store.write(tmp_path / "one", documents(), 384, END, lambda: {"read": len(read)})
    assert one.manifest["read"] == 3


@pytest.mark.parametrize("wrong", [-1, 384])
def test_an_id_of_no_vocabulary_is_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="document 2 has ids outside 0 to 383"):
        written(tmp_path / "one", [[5], [], [6, wrong]])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("documents", [[], [[], []]])
def test_no_text_is_told_apart(tmp_path, documents):
    with pytest.raises(store.Empty):
        written(tmp_path / "one", documents)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def documents():
        yield np.asarray([5, 6])
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        store.write(tmp_path / "one", documents(), 384, END)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_there_before_all_is_written(tmp_path):
    path = tmp_path / "one"

    def documents():
        for number in range(3):
            assert not path.exists()
            yield np.asarray([5 + number])

    store.write(path, documents(), 384, END)
    assert [one.name for one in tmp_path.iterdir()] == ["one"]


def test_of_two_writers_the_first_wins_and_both_read_it(tmp_path):
    path, inner = tmp_path / "one", []

    def documents():
        yield np.asarray([5, 6])
        inner.append(written(path, [[5, 6]], facts=lambda: {"who": "first"}))

    outer = store.write(path, documents(), 384, END, lambda: {"who": "second"})
    assert outer.manifest == inner[0].manifest and outer.manifest["who"] == "first"
    assert [one.name for one in tmp_path.iterdir()] == ["one"]
    outer.verify()


def test_what_stands_in_the_way_is_not_taken_for_a_store(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mine.txt").write_text("mine")
    with pytest.raises(OSError):
        written(tmp_path / "one", [[5]])
    assert (tmp_path / "one" / "mine.txt").read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir()] == ["one"]


FILES = ("tokens.bin", "offsets.npy", "manifest.json")


def use(path):
    one = Store(path)
    one.verify()
    return one.chunk(0, 3)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_cut_file_is_refused(tmp_path, name):
    for number, keep in enumerate((None, 0, 1, 5)):
        path = written(tmp_path / f"{number}", [[5, 6, 7], [8, 9]]).path
        content = (path / name).read_bytes()
        (path / name).unlink() if keep is None else (path / name).write_bytes(content[:keep])
        with pytest.raises(ValueError, match=f"{path}.*delete"):
            use(path)
    path = written(tmp_path / "last", [[5, 6, 7], [8, 9]]).path
    (path / name).write_bytes((path / name).read_bytes()[:-3])
    with pytest.raises(ValueError, match=f"{path}.*delete"):
        use(path)


def test_every_changed_byte_of_the_text_is_noticed(tmp_path):
    path = written(tmp_path / "one", [[5, 6], [7]]).path
    content = (path / "tokens.bin").read_bytes()
    for at, bit in itertools.product(range(len(content)), (1, 128)):
        changed = bytearray(content)
        changed[at] ^= bit
        (path / "tokens.bin").write_bytes(changed)
        with pytest.raises(ValueError, match="has changed since it was written"):
            Store(path).verify()
    (path / "tokens.bin").write_bytes(content)
    Store(path).verify()


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"tokens": 5}'])
def test_a_manifest_that_says_too_little_is_refused(tmp_path, content):
    path = written(tmp_path / "one", [[5, 6], [7]]).path
    (path / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="is no token store .*delete it"):
        Store(path)


def test_documents_and_offsets_must_agree(tmp_path):
    path = written(tmp_path / "one", [[5, 6], [7]]).path
    np.save(path / "offsets.npy", np.asarray([2, 3, 5]))
    with pytest.raises(ValueError, match="has changed since it was written"):
        use(path)
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["documents"] == 2


def test_the_place_of_the_stores(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHLAB_CACHE", str(tmp_path))
    assert store.root() == tmp_path
    monkeypatch.setenv("ARCHLAB_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.root() == tmp_path / ".cache" / "archlab"
