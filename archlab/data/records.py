"""Records: what files hold, one after another, by the kind of the file.

  text                .txt                one text, the whole file
  JSON lines          .jsonl, .json       the fields of each line's object
  TFRecord examples   .tfrecord           the features of each tf.train.Example
  rows                .arrow, .parquet    the columns of each row

The first three may be gzipped. No more of a file is in memory than a record, or a thousand rows.
"""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

TEXT, LINES, EXAMPLES, ROWS = "text", "JSON lines", "TFRecord examples", "rows"
KINDS = {
    TEXT: r"\.txt(\.gz)?",
    LINES: r"\.jsonl?(\.gz)?",
    EXAMPLES: r"\.tfrecords?(-\d+-of-\d+)?(\.gz)?",
    ROWS: r"\.(arrow|parquet)",
}
AT_ONCE = 1000  # rows
_BROKEN = (gzip.BadGzipFile, EOFError, zlib.error)  # of a gzipped file

Found = tuple[str, tuple[str, ...], str]


def kind(name: str) -> str:
    """Tells the kind of a file by its name.

    Example:
      >>> kind("notes.jsonl.gz"), kind("notes.tfrecord-00000-of-00002"), kind("notes.pdf")
      ('JSON lines', 'TFRecord examples', '')

    Args:
      name: of the file, or its path.

    Returns:
      A key of `KINDS`; "" for what is not read here.
    """
    return next((one for one, end in KINDS.items() if re.search(f"(?i){end}$", name)), "")


def read(path: Path, fields: tuple[str, ...]) -> Iterator[Found]:
    """Reads the texts of a file.

    Args:
      path: of the file.
      fields: that hold the texts of a record. A whole file is one text, and has no second.

    Yields:
      For each record what its name ends in, ":3" for the third and "" for a whole file; its texts,
      "" where there is none; and what it counts as, in the words of `sources.Source`. Where a
      gzipped file breaks, the rest of it is one record, "broken_gzip".

    Raises:
      ValueError: the file is not of the kind that its name says, or is cut; or it has no such
        column.
    """
    none = ("",) * len(fields)
    of = kind(path.name)
    if of in (EXAMPLES, ROWS):
        for number, one in enumerate(READERS[of](path, fields), 1):
            yield f":{number}", *_texts(one, fields)
        return
    try:
        if of == LINES:
            for number, line in _lines(path):
                raw, bucket = _decoded(line)
                found = _object(raw)
                texts, kept = (none, "broken_json") if found is None else _texts(found, fields)
                yield f":{number}", texts, bucket if kept == "kept" else kept
        else:
            with _opened(path) as file:
                text, bucket = _decoded(file.read())
            yield ("", (text,), bucket) if len(fields) == 1 else ("", none, "missing_text")
    except _BROKEN:
        yield "", none, "broken_gzip"


def objects(path: Path, fields: tuple[str, ...] = ()) -> Iterator[dict]:
    """Reads the objects of a file of lines.

    Args:
      path: of the file.
      fields: unused; each has all of its own.

    Yields:
      Each; an empty one for a line that holds something else.

    Raises:
      ValueError: it is gzipped, and broken.
    """
    try:
        for _, line in _lines(path):
            yield _object(line) or {}
    except _BROKEN as error:
        raise ValueError(f"{path} is no whole gzip file: {error}") from None


def examples(path: Path, fields: tuple[str, ...] = ()) -> Iterator[dict[str, bytes]]:
    """Reads the examples of a TFRecord file.

    Args:
      path: of the file.
      fields: unused; each has all of its own.

    Yields:
      The features of each tf.train.Example that are one string.

    Raises:
      ValueError: it is no such file, or is cut.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    packed = "GZIP" if _is_gzipped(path) else ""
    try:
        for raw in tf.data.TFRecordDataset(str(path), packed).as_numpy_iterator():
            features = tf.train.Example.FromString(raw).features.feature
            yield {
                name: one.bytes_list.value[0]
                for name, one in features.items()
                if len(one.bytes_list.value) == 1
            }
    except (tf.errors.OpError, DecodeError) as error:
        raise ValueError(f"{path} is no TFRecord of tf.train.Example, or is cut: {error}") from None


def rows(path: Path, fields: tuple[str, ...] = ()) -> Iterator[dict[str, object]]:
    """Reads the rows of an Arrow stream, as Hugging Face keeps them, or of Parquet.

    Args:
      path: of the file.
      fields: columns to read; all of them unless given.

    Yields:
      The columns of each.

    Raises:
      ValueError: it is no such file, or is cut, or has no such column.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.memory_map(str(path)) as file:
            if path.suffix.lower() == ".parquet":
                opened = pyarrow.parquet.ParquetFile(file)
                there, batches = opened.schema_arrow.names, opened.iter_batches(AT_ONCE)
                if fields and {*fields} <= {*there}:
                    batches = opened.iter_batches(AT_ONCE, columns=[*fields])
            else:
                opened = pyarrow.ipc.open_stream(file)
                there, batches = opened.schema.names, opened
            if missing := [name for name in fields if name not in there]:
                raise ValueError(f"it has no column {missing[0]!r}, but {', '.join(there)}")
            for batch in batches:
                for start in range(0, batch.num_rows, AT_ONCE):
                    part = batch.select([*(fields or there)]).slice(start, AT_ONCE)
                    yield from part.to_pylist()
    except (ValueError, OSError, KeyError, pyarrow.ArrowException) as error:  # two of one name, too
        raise ValueError(f"{path}: {error}") from None


# Readers by the kind of file. A text is one record, and has none.
READERS: dict[str, Callable[[Path, tuple[str, ...]], Iterator[dict]]] = {
    LINES: objects,
    EXAMPLES: examples,
    ROWS: rows,
}


def _is_gzipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, (gzip.open if _is_gzipped(path) else open)(path, "rb"))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that hold something, with their numbers from 1.

    Without the mark of UTF-8 that some editors put before the first, and that no JSON may begin
    with.
    """
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if line.strip():
                yield number, line.rstrip(b"\n")


def _object(line: str | bytes) -> dict | None:
    """The object that a line of JSON holds; an empty one of another value, None of no JSON."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # besides what is no JSON: numbers and depths too great
        return None
    return found if isinstance(found, dict) else {}


def _texts(found: dict, names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Texts of a record's fields, and what it counts as."""
    values = [found.get(name) for name in names]
    said = [value for value in values if isinstance(value, str | bytes)]
    if len(said) < len(values):
        return ("",) * len(names), "missing_text"
    read = [_decoded(one) if isinstance(one, bytes) else (one, "") for one in said]
    texts = tuple(text for text, _ in read)
    is_odd = any(bucket == "invalid_utf8" for _, bucket in read)
    return texts, "empty" if not texts[-1].strip() else "invalid_utf8" if is_odd else "kept"


def _decoded(content: bytes) -> tuple[str, str]:
    try:
        text, bucket = content.decode("utf-8"), "kept"
    except UnicodeDecodeError:
        text, bucket = content.decode("utf-8", errors="replace"), "invalid_utf8"
    return text, bucket if text.strip() else "empty"
