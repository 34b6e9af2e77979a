"""Sources: where text comes from, document by document, without TensorFlow."""

import collections
import dataclasses
import glob
import gzip
import hashlib
import json
import os
import sysconfig
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from archlab.refusal import Refusal
from archlab.spelling import beside

VALIDATION = 20  # one document in so many is held out
NO_TEXT = ("test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__")
SUFFIXES = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")
SPLITS = ("train", "validation")
READ = ("kept", "invalid_utf8")  # of what is counted, what is text


@dataclasses.dataclass(frozen=True)
class Document:
    """One document.

    Args:
      name: what it is called; the same on every machine.
      text: all of it.
    """

    name: str
    text: str


@dataclasses.dataclass(frozen=True)
class Source:
    """Text in files under one root.

    Args:
      name: of the source; tasks are called after it.
      root: above the files.
      files: paths below the root, sorted.
      counts: filled while documents are read, each in one of "kept", "invalid_utf8" (kept, each bad
        byte as U+FFFD), "empty", "broken_json", "missing_text" and "broken_gzip" (left out).
    """

    name: str
    root: Path
    files: tuple[str, ...]
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def documents(self, split: str) -> Iterator[Document]:
        """Reads the documents of a split, in order of name.

        Args:
          split: "train" or "validation".

        Yields:
          Documents that hold something besides white space.

        Raises:
          ValueError: another split.
        """
        if split not in SPLITS:
            raise ValueError(f"split={split!r} is not one of {', '.join(SPLITS)}")
        is_first = True
        for document, bucket in self._all():
            is_held_out = _share(document.name) == 0
            if bucket in READ and is_first:
                # The first document is always learnt from, so that a single one can be.
                is_first = is_held_out = False
            if is_held_out == (split == "validation"):
                self.counts[bucket] += 1
                if bucket in READ:
                    yield document

    def fingerprint(self) -> str:
        """Names the present state of the files, without reading them.

        Returns:
          A digest of their paths, sizes and times of change.
        """
        digest = hashlib.sha256(os.fsencode(self.root))
        for name in self.files:
            stat = (self.root / name).stat()
            digest.update(os.fsencode(f"{name} {stat.st_size} {stat.st_mtime_ns}\n"))
        return digest.hexdigest()

    def _all(self) -> Iterator[tuple[Document, str]]:
        """Every document of either split, and what it counts as; "" stands for what is no text."""
        for name, content in self._contents():
            if content is None:
                yield Document(name, ""), "broken_gzip"
            elif name.removesuffix(".gz").endswith(".jsonl"):
                for number, line in lines(content):
                    (text,), bucket = fields(line, ("text",))
                    yield Document(f"{name}:{number}", text), bucket
            else:
                text, bucket = _decoded(content)
                yield Document(name, text), bucket

    def _contents(self) -> Iterator[tuple[str, bytes | None]]:
        """What is in each file, unpacked; None where it is broken."""
        for name in self.files:
            content = (self.root / name).read_bytes()
            if name.endswith(".gz"):
                try:
                    content = gzip.decompress(content)
                except (OSError, EOFError, zlib.error):
                    content = None
            yield name, content


def lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Cuts a .jsonl file.

    Args:
      content: of the file.

    Yields:
      The lines that hold something, with their numbers from 1.
    """
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            yield number, line


def fields(line: bytes, names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Reads texts off a line of JSON.

    Args:
      line: of a .jsonl file.
      names: of the fields that hold them.

    Returns:
      The texts, "" where there is none, and what the line counts as, in the words of
      `Source.counts`: "empty" where the last of them holds nothing but white space.
    """
    raw, bucket = _decoded(line)
    none = ("",) * len(names)
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):  # besides what is no JSON: numbers and depths too great
        return none, "broken_json"
    texts = tuple(found.get(name) for name in names) if isinstance(found, dict) else ()
    if not texts or not all(isinstance(text, str) for text in texts):
        return none, "missing_text"
    return texts, bucket if texts[-1].strip() else "empty"


def _decoded(content: bytes) -> tuple[str, str]:
    try:
        text, bucket = content.decode("utf-8"), "kept"
    except UnicodeDecodeError:
        text, bucket = content.decode("utf-8", errors="replace"), "invalid_utf8"
    return text, bucket if text.strip() else "empty"


def utf8(text: str) -> bytes:
    """Args: text: of a document. Returns: it, encoded; JSON may hold lone surrogates."""
    return text.encode("utf-8", "replace")


def _share(name: str) -> int:
    return (
        int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big")
        % VALIDATION
    )


def python_stdlib(folder: str | None = None) -> Source:
    """The Python standard library: real text that every machine has, about 10 MB.

    Args:
      folder: unused; every source is made the same way.

    Returns:
      Its modules, without their tests.

    Raises:
      ValueError: it is not there, or only compiled.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    files = _find(root, (".py",), lambda part: part not in NO_TEXT)
    if not files:
        raise ValueError(f"no .py files under {root}; this Python has no source of its library")
    return Source("python_stdlib", root, files)


def folder(folder: str | None = None) -> Source:
    """The user's own text: each .txt file and each .jsonl line a document.

    Args:
      folder: where to look, at any depth; files may be gzipped. A line's text is in its field
        "text".

    Returns:
      The files.

    Raises:
      ValueError: no folder, or no such files in it.
    """
    if not folder:
        what = "the folder_… tasks read your own text; say where: --set Data.folder=DIR"
        raise Refusal(what, "Data.folder")
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise Refusal(f"Data.folder={folder!r} is not a directory{beside(root)}", "Data.folder")
    files = _find(root, SUFFIXES, lambda part: not part.startswith("."))
    if not files:
        what = f"Data.folder={folder!r} holds no {', '.join(SUFFIXES)} files"
        raise Refusal(what, "Data.folder")
    return Source("folder", root, files)


def marked(pattern: str) -> str:
    """Names the present state of files, without reading them.

    Args:
      pattern: of their paths, as `glob` takes it.

    Returns:
      A digest of paths, sizes and times of change; of what is not here, of the pattern alone.
    """
    digest = hashlib.sha256(pattern.encode())
    for name in sorted(glob.glob(pattern)):
        stat = os.stat(name)
        digest.update(os.fsencode(f"{name} {stat.st_size} {stat.st_mtime_ns}\n"))
    return digest.hexdigest()


def _find(root: Path, suffixes, is_wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Paths below the root, sorted, whose directories and names are all wanted."""
    found = []
    for here, directories, names in os.walk(root):
        directories[:] = filter(is_wanted, directories)  # the others are not walked
        for name in filter(is_wanted, names):
            path = Path(here, name)
            if name.endswith(suffixes) and path.is_file():
                found.append(path.relative_to(root).as_posix())
    return tuple(sorted(found))


SOURCES: dict[str, Callable[[str | None], Source]] = {
    "python_stdlib": python_stdlib,
    "folder": folder,
}
CORPORA = ("c4", "wikipedia", "code", "multilingual")  # what `corpora.py` registers besides
