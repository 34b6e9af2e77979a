"""A store gives back what was written, read in a circle, here and in a bucket."""

import itertools
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data import store, writer
from archlab.data.cut import Cut
from archlab.data.places import Place
from archlab.data.store import Store, opened

END = 1
DOCUMENTS = st.lists(st.lists(st.integers(2, 383), max_size=9), min_size=1, max_size=6).filter(any)


def written(path, documents, size=384, cut=2, **facts):
    pairs = [(np.asarray(ids, np.int32), 3 * len(ids) + 1) for ids in documents]
    return writer.write(path, pairs, Cut(size, END, 1, cut), facts)


def laid(documents):
    """The tokens one after another, and where documents end in them."""
    tokens = [token for ids in documents if ids for token in [*ids, END]]
    return tokens, np.flatnonzero(np.asarray(tokens) == END) + 1


@pytest.fixture(params=["here", "file", "memory"])
def place(request, tmp_path):
    name = {"here": f"{tmp_path}/a", "file": f"file://{tmp_path}/a"}
    return name.get(request.param, f"memory://{uuid.uuid4()}/a")


@given(
    documents=DOCUMENTS,
    start=st.integers(0, 200),
    length=st.integers(1, 120),
    cut=st.integers(1, 7),
)
def test_a_chunk_is_cut_from_the_text_repeated(documents, start, length, cut):
    tokens, _ = laid(documents)
    tiled = np.tile(tokens, (start + length) // len(tokens) + 1)[start : start + length]
    with tempfile.TemporaryDirectory() as folder:
        found, ends = written(Path(folder, "one"), documents, cut=cut).chunk(start, length)
    assert found.dtype == np.int32
    assert found.tolist() == tiled.tolist()
    assert ends.tolist() == (np.flatnonzero(tiled == END) + 1).tolist()


@given(
    documents=DOCUMENTS,
    starts=st.lists(st.integers(0, 200), max_size=7),
    length=st.integers(1, 60),
    cut=st.integers(1, 7),
    is_here=st.booleans(),
)
def test_windows_are_chunks_cut_where_documents_end(documents, starts, length, cut, is_here):
    with tempfile.TemporaryDirectory() as folder:
        one = written(f"{'' if is_here else 'file://'}{folder}/one", documents, cut=cut)
        tokens_BL, lengths = one.windows(np.asarray(starts, np.int64), length)
        wanted = [one.chunk(start, length) for start in starts]
    assert tokens_BL.dtype == np.int32 and tokens_BL.shape == (len(starts), length)
    assert lengths.dtype == np.int64
    assert tokens_BL.tolist() == [tokens.tolist() for tokens, _ in wanted]
    pieces = [np.diff([0, *ends[ends < length], length]).tolist() for _, ends in wanted]
    assert lengths.tolist() == [piece for row in pieces for piece in row]


def test_the_example(tmp_path):
    one = written(tmp_path / "one", [[5, 6], [7]])
    tokens_BL, lengths = one.windows(np.asarray([1, 4]), 4)
    assert tokens_BL.tolist() == [[6, 1, 7, 1], [1, 5, 6, 1]]
    assert lengths.tolist() == [2, 2, 1, 3]


@given(documents=DOCUMENTS, cut=st.integers(1, 7))
def test_the_manifest_counts(documents, cut):
    tokens, ends = laid(documents)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder, "one"), documents, cut=cut, source="mine").path
        again = Store(path)
        again.verify()
        manifest, found_ends, found_bytes = again.manifest, again.ends[:], again.bytes[:]
        assert opened(path) == again
        for length in range(12):
            lengths = np.diff(ends, prepend=0)
            assert again.longer(length) == sum(many > length for many in lengths)
    empty = len(documents) - len(ends)
    assert again.tokens == manifest["tokens"] == len(tokens)
    assert again.documents == manifest["documents"] == len(ends)
    assert manifest["empty"] == empty
    assert manifest["counts"].get("empty", 0) == empty
    assert sum(manifest["counts"].values()) == len(documents)
    assert found_ends.tolist() == ends.tolist() and found_ends.dtype == np.int64
    assert found_bytes.tolist() == [3 * len(ids) + 1 for ids in documents if ids]
    assert manifest["bytes"] == found_bytes.sum() and found_bytes.dtype == np.int64
    assert manifest["source"] == "mine"


@pytest.mark.parametrize("size", [2**16, 2**16 + 1, 250_112])
def test_ids_come_back_as_they_were(place, size):
    ids = [2, 2**15, size - 1]
    assert written(place, [ids], size).chunk(0, 4)[0].tolist() == [*ids, END]


def test_of_a_bucket_only_what_is_asked_for_is_read(monkeypatch):
    documents = [[n + 2] * 50 for n in range(40)]
    one = written(f"memory://{uuid.uuid4()}", documents, cut=7)
    read = []
    ranges = Place.ranges

    def counted(self, wanted):
        found = ranges(self, wanted)
        read.append((wanted, sum(map(len, found))))
        return found

    def refuse(self, name):
        raise AssertionError(f"{name} was read as a whole")

    monkeypatch.setattr(Place, "ranges", counted)
    monkeypatch.setattr(Place, "read", refuse)
    tokens_BL, _ = one.windows(np.asarray([0, 100, 7 * 51 - 2, 40 * 51 - 3]), 10)
    assert tokens_BL[3].tolist() == [41, 41, 1, *[2] * 7]
    # Each row's own tokens, and where documents end; nothing twice, nothing besides.
    tokens = [wanted for wanted, _ in read if wanted[0][0] != "documents.bin"]
    assert tokens == [
        [
            ("00000-00000.bin", 0, 20),
            ("00000-00000.bin", 200, 220),
            ("00000-00000.bin", 710, 714),
            ("00000-00001.bin", 0, 16),
            ("00000-00005.bin", 504, 510),
            ("00000-00000.bin", 0, 14),
        ]
    ]
    assert [many for wanted, many in read if wanted == [("documents.bin", 0, 320)]] == [320]
    assert sum(many for _, many in read) == 4 * 10 * 2 + 320


def without(documents, cut, left_out):
    return [ids for number, ids in enumerate(documents) if ids and number // cut not in left_out]


@pytest.mark.parametrize("left_out", [{0}, {1}, {2}, {0, 2}, {0, 1}])
def test_within_a_budget_broken_shards_are_left_out_and_counted(place, left_out):
    documents, cut = [[5, 6], [7], [8, 9, 10], [11], [12, 13]], 2
    written(place, documents, cut=cut)
    there = Place(place)
    for number, change in zip(sorted(left_out), ("flip", "miss"), strict=False):
        name = f"00000-{number:05}.bin"
        content = there.read(name)
        there.remove(name) if change == "miss" else there.write(name, content[:-1] + b"\x07")
    many = len(left_out)
    with pytest.raises(ValueError, match=f"{many} cannot be read.*Data.broken_shards={many}"):
        opened(place, many - 1)
    one = opened(place, many)
    kept = without(documents, cut, left_out)
    tokens, ends = laid(kept)
    assert (one.tokens, one.documents) == (len(tokens), len(kept))
    assert one.chunk(0, len(tokens))[0].tolist() == tokens
    assert one.ends.tolist() == ends.tolist()
    assert one.bytes.tolist() == [3 * len(ids) + 1 for ids in kept]
    counts = {"kept": len(kept), "in_broken_shards": 5 - len(kept)}
    assert one.manifest["counts"] == counts
    assert one.manifest["documents"] == len(kept) and one.manifest["tokens"] == len(tokens)
    assert one.manifest["left_out"] == sorted(left_out)
    starts = np.arange(2 * len(tokens))
    for row, start in zip(one.windows(starts, 5)[0], starts, strict=True):
        assert row.tolist() == np.tile(tokens, 5)[start : start + 5].tolist()


def test_not_everything_is_left_out(tmp_path):
    path = Path(written(tmp_path / "one", [[5, 6], [7], [8]]).path)
    for name in ("00000-00000.bin", "00000-00001.bin"):
        (path / name).unlink()
    with pytest.raises(ValueError, match="of 2 shards 2 cannot be read: .* is missing") as caught:
        opened(path, 5)
    assert "broken_shards" not in str(caught.value)


def test_a_message_names_a_few(tmp_path):
    path = Path(written(tmp_path / "one", [[number] for number in range(5, 15)], cut=1).path)
    for number in range(9):
        (path / f"00000-{number:05}.bin").unlink()
    with pytest.raises(ValueError, match=r"00000-00002.bin is missing, and 6 more; delete"):
        opened(path)


def test_verify_names_the_shard(tmp_path):
    one = written(tmp_path / "one", [[5, 6], [7], [8]])
    path = tmp_path / "one" / "00000-00001.bin"
    content = path.read_bytes()
    for at, bit in itertools.product(range(len(content)), (1, 128)):
        changed = bytearray(content)
        changed[at] ^= bit
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="shard 2 of 2, 00000-00001.bin, has changed since"):
            one.verify()
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="shard 2 of 2, 00000-00001.bin, holds 3 bytes and should"):
        Store(one.path)


def test_the_place_of_the_stores(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHLAB_CACHE", f"{tmp_path}/")
    assert store.root() == str(tmp_path)
    assert store.root("gs://mine/cache/") == "gs://mine/cache"
    monkeypatch.setenv("ARCHLAB_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.root() == str(tmp_path / ".cache" / "archlab")
