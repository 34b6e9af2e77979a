"""Every document is read once, in one split, and counted for what it is."""

import collections
import gzip
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data import sources

LINES = [
    (b'{"text": "kept"}', "kept"),
    (b'{"text": "b\xffd"}', "invalid_utf8"),
    (b'{"text": "  "}', "empty"),
    (b'{"text": ""}', "empty"),
    (b'{"text": 5}', "missing_text"),
    (b'{"body": "x"}', "missing_text"),
    (b'["text"]', "missing_text"),
    (b'{"text": "x"', "broken_json"),
    (b"[" * 100_000, "broken_json"),
    (b'{"text": "x", "n": ' + b"1" * 5000 + b"}", "broken_json"),
]
FILES = [
    (b"some text\n", "kept"),
    (b"", "empty"),
    (b" \n\t", "empty"),
    (b"caf\xe9", "invalid_utf8"),
]


def read(folder, split):
    source = sources.folder(str(folder))
    return list(source.documents(split)), source.counts


def both(folder):
    """Documents of both splits, by name, and what was counted of both."""
    train, first = read(folder, "train")
    validation, second = read(folder, "validation")
    found = {one.name: one.text for one in [*train, *validation]}
    assert len(found) == len(train) + len(validation)
    return found, first + second


def line(text, **fields):
    return json.dumps({"text": text, **fields}).encode()


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    files=st.lists(st.sampled_from(FILES), min_size=1, max_size=12),
    is_packed=st.booleans(),
)
def test_every_document_is_counted_once(tmp_path_factory, lines, files, is_packed):
    folder, squeeze = tmp_path_factory.mktemp("mixed"), gzip.compress if is_packed else bytes
    end = ".gz" if is_packed else ""
    (folder / f"lines.jsonl{end}").write_bytes(squeeze(b"\n\n".join(raw for raw, _ in lines)))
    for number, (raw, _) in enumerate(files):
        (folder / f"{number}.txt{end}").write_bytes(squeeze(raw))
    wanted = collections.Counter(bucket for _, bucket in [*lines, *files])
    found, counts = both(folder)
    assert counts == wanted
    assert len(found) == wanted["kept"] + wanted["invalid_utf8"]


def test_text_comes_as_it_was_written(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.txt").write_bytes("é\r\n\0犬".encode())
    (tmp_path / "b.txt").write_bytes(b"caf\xe9!")
    (tmp_path / "deep" / "er" / "c.txt.gz").write_bytes(gzip.compress(b"packed"))
    (tmp_path / "d.jsonl").write_bytes(b"\n" + line("eins", n=1) + b"\r\n" + line("zw\u2028ei"))
    (tmp_path / "e.jsonl.txt").write_bytes(b"not json")
    (tmp_path / ".hidden.txt").write_text("hidden")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "f.txt").write_text("hidden")
    (tmp_path / "g.md").write_text("another suffix")
    (tmp_path / "h.txt").mkdir()
    found, _ = both(tmp_path)
    assert found == {
        "a.txt": "é\r\n\0犬",
        "b.txt": "caf\ufffd!",
        "deep/er/c.txt.gz": "packed",
        "d.jsonl:2": "eins",
        "d.jsonl:3": "zw\u2028ei",
        "e.jsonl.txt": "not json",
    }


def test_a_folder_has_files_whose_endings_are_in_capitals_too(tmp_path):
    (tmp_path / "A.TXT").write_text("one")
    (tmp_path / "B.JSONL.GZ").write_bytes(gzip.compress(b'{"text": "two"}'))
    assert both(tmp_path)[0] == {"A.TXT": "one", "B.JSONL.GZ:1": "two"}


def test_broken_gzip_is_counted_and_left_out(tmp_path):
    whole = gzip.compress(b"text " * 100)
    changed = whole[:15] + b"\xff\xff\xff" + whole[18:]
    for number, raw in enumerate((whole, whole[:-4], b"no gzip", b"\x1f\x8b", changed)):
        (tmp_path / f"{number}.txt.gz").write_bytes(raw)
    found, counts = both(tmp_path)
    assert [*found] == ["0.txt.gz"]
    assert counts == {"kept": 1, "broken_gzip": 4}


def test_a_twentieth_is_held_out_and_it_stays_the_same(tmp_path):
    names = [f"{number}.txt" for number in range(1000)]
    for name in names:
        (tmp_path / name).write_text(name)
    held = {one.name for one in read(tmp_path, "validation")[0]}
    assert 25 <= len(held) <= 75
    for name in names[1:400]:
        (tmp_path / name).unlink()
    (tmp_path / "more.txt").write_text("more")
    left = {path.name for path in tmp_path.iterdir()} - {"more.txt"}
    assert {one.name for one in read(tmp_path, "validation")[0]} - {"more.txt"} == held & left


def test_documents_come_in_order_of_name(tmp_path):
    for number in (3, 1, 2):
        (tmp_path / f"{number}.txt").write_text("x")
    names = [one.name for one in read(tmp_path, "train")[0]]
    assert names == ["1.txt", "2.txt", "3.txt"]


def test_a_single_document_is_trained_on(tmp_path):
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / f"{number}.txt").write_text("alone")
        (folder / "0000.txt").write_text(" ")  # no text: it is not the one
        (folder / "000.jsonl").write_bytes(b"{broken")
        assert [one.text for one in read(folder, "train")[0]] == ["alone"]
        assert read(folder, "validation")[0] == []


def test_a_name_that_is_no_utf8_is_read(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.txt", "wb") as file:
        file.write(b"text")
    source = sources.folder(str(tmp_path))
    assert [one.text for one in source.documents("train")] == ["text"]
    assert source.fingerprint()


def test_the_fingerprint_follows_the_files(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    marks = [sources.folder(str(tmp_path)).fingerprint() for _ in range(2)]
    assert marks[0] == marks[1]
    (tmp_path / "b.txt").write_text("two")
    marks.append(sources.folder(str(tmp_path)).fingerprint())
    (tmp_path / "b.txt").write_text("other")
    marks.append(sources.folder(str(tmp_path)).fingerprint())
    os.utime(tmp_path / "b.txt", ns=(0, 0))
    marks.append(sources.folder(str(tmp_path)).fingerprint())
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    marks.append(sources.folder(str(tmp_path)).fingerprint())
    assert len(set(marks)) == len(marks) - 1


def test_what_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.md").write_text("x")
    for where, match in [
        (None, "say where: --set Data.folder=DIR"),
        ("", "say where"),
        (str(tmp_path / "none"), "is not a directory"),
        ("~no_such_user/texts", "is not a directory"),
        (str(tmp_path / "file.txt"), "is not a directory"),
        (str(tmp_path / "empty"), r"holds no \.txt, \.jsonl, \.txt\.gz, \.jsonl\.gz files"),
    ]:
        with pytest.raises(ValueError, match=match):
            sources.folder(where)
    with pytest.raises(ValueError, match="split='test' is not one of train, validation"):
        list(sources.folder(str(tmp_path)).documents("test"))


def test_the_standard_library_is_there_without_its_tests():
    source = sources.python_stdlib()
    texts = {one.name: one.text for split in sources.SPLITS for one in source.documents(split)}
    assert sum(map(len, texts.values())) > 5_000_000
    assert {"dataclasses.py", "json/decoder.py", "email/message.py"} <= {*source.files}
    parts = {part for name in source.files for part in name.split("/")}
    assert not parts & {"test", "tests", "idle_test", "site-packages", "__pycache__"}
    assert source.counts["kept"] == len(texts) > 400
