"""The same records are read from every kind of file, each once, and counted for what they are."""

import codecs
import gzip
import json

import datasets
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow as tf

from archlab.data import records

KEPT = [
    ("some text", "kept"),
    ("é 犬", "kept"),
    (" \n", "empty"),
    (None, "missing_text"),
    ("more\0", "kept"),
]


def example(**values):
    """A tf.train.Example of strings and numbers."""
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        if isinstance(value, int)
        else tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def written(path, texts):
    """Has whoever usually writes such a file write this one."""
    table = {"number": [*range(len(texts))], "body": texts}
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(table), path, row_group_size=2)
    elif path.suffix == ".arrow":
        datasets.Dataset.from_dict(table).save_to_disk(path.parent / "saved")
        (path.parent / "saved" / "data-00000-of-00001.arrow").rename(path)
    elif ".tfrecord" in path.name:
        options = "GZIP" if path.suffix == ".gz" else None
        with tf.io.TFRecordWriter(str(path), options) as file:
            for number, text in enumerate(texts):
                own = {} if text is None else {"body": text.encode()}
                file.write(example(number=number, **own))
    else:
        rows = zip(table["number"], texts, strict=True)
        raw = "\n".join(json.dumps({"number": n, "body": text}) for n, text in rows).encode()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("a.jsonl", "a.json.gz", "a.parquet", "a.arrow"),
        *("a.tfrecord", "a.tfrecord-00000-of-00001", "a.tfrecords.gz"),
    ],
)
def test_records_of_every_kind_of_file(tmp_path, name):
    path = written(tmp_path / name, [text for text, _ in KEPT])
    found = [*records.read(path, ("body",))]
    assert found == [
        (f":{number}", (text or "",), bucket) for number, (text, bucket) in enumerate(KEPT, 1)
    ]
    assert [bucket for _, _, bucket in records.read(path, ("body", "number"))] == [
        "missing_text"
    ] * len(KEPT)
    twice = [texts for _, texts, bucket in records.read(path, ("body",) * 2) if bucket == "kept"]
    assert twice == [(text, text) for text, bucket in KEPT if bucket == "kept"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json.gz", "a.parquet", "a.arrow", "a.tfrecord.gz"])
def test_an_ending_may_be_in_capitals(tmp_path, name):
    path = written(tmp_path / name, [text for text, _ in KEPT])
    wanted = [*records.read(path, ("body",))]
    assert [*records.read(path.rename(tmp_path / name.upper()), ("body",))] == wanted


def test_bytes_that_are_no_utf8_are_marked(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as file:
        file.write(example(body=b"caf\xe9"))
    column = pyarrow.table({"body": [b"caf\xe9"]})
    pyarrow.parquet.write_table(column, tmp_path / "a.parquet")
    for path in tmp_path.iterdir():
        assert [*records.read(path, ("body",))] == [(":1", ("caf\ufffd",), "invalid_utf8")]


def test_the_mark_of_utf8_is_no_part_of_the_first_line(tmp_path):
    raw = codecs.BOM_UTF8 + b'{"text": "a"}\n{"text": "\xef\xbb\xbfb"}\n'
    (tmp_path / "a.jsonl").write_bytes(raw)
    found = [*records.read(tmp_path / "a.jsonl", ("text",))]
    assert found == [(":1", ("a",), "kept"), (":2", ("\ufeffb",), "kept")]
    assert [*records.objects(tmp_path / "a.jsonl")] == [{"text": "a"}, {"text": "\ufeffb"}]


def test_a_gzipped_file_is_read_as_far_as_it_is_whole(tmp_path):
    lines = [json.dumps({"text": f"{n} " + "x" * 5000}) for n in range(50)]
    raw = gzip.compress("\n".join(lines).encode(), compresslevel=0)
    (tmp_path / "a.jsonl.gz").write_bytes(raw[: len(raw) // 2])
    found = [*records.read(tmp_path / "a.jsonl.gz", ("text",))]
    assert found[-1] == ("", ("",), "broken_gzip")
    assert 20 < len(found) < 30
    assert [texts[0] for _, texts, _ in found[:-1]] == [
        json.loads(line)["text"] for line in lines[: len(found) - 1]
    ]
    with pytest.raises(ValueError, match="a.jsonl.gz is no whole gzip file"):
        [*records.objects(tmp_path / "a.jsonl.gz")]


def test_what_is_cut_or_something_else_is_named(tmp_path):
    for name in ("a.parquet", "a.arrow", "a.tfrecord"):
        whole = written(tmp_path / name, ["some text"] * 300).read_bytes()
        for raw in (whole[:-60], b"something else, and more of it"):
            (tmp_path / name).write_bytes(raw)
            with pytest.raises(ValueError, match=str(tmp_path / name)):
                [*records.read(tmp_path / name, ("body",))]
    twice = pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 2, names=["body"] * 2)
    pyarrow.parquet.write_table(twice, tmp_path / "a.parquet")
    for fields in ((), ("body",)):
        with pytest.raises(ValueError, match='a.parquet: .*"body" exists 2 times'):
            [*records.rows(tmp_path / "a.parquet", fields)]
    written(tmp_path / "a.parquet", ["some text"])
    with pytest.raises(ValueError, match="it has no column 'text', but number, body$"):
        [*records.read(tmp_path / "a.parquet", ("text",))]


def test_rows_come_a_few_at_a_time(tmp_path, monkeypatch):
    """However they lie in the file: one batch of all of them, here."""
    path = tmp_path / "a.arrow"
    table = pyarrow.record_batch({"body": [str(number) for number in range(70)]})
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as out:
        out.write_batch(table)
    monkeypatch.setattr(records, "AT_ONCE", 7)
    assert [one["body"] for one in records.rows(path)] == [str(number) for number in range(70)]


@pytest.mark.parametrize(
    "name", ["notes.pdf", "notes", "txt", "a.jsonl.bak", "a.tsv", "a.arrow.gz"]
)
def test_other_names_are_of_no_kind(name):
    assert records.kind(name) == ""
