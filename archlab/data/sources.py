"""Sources: where text comes from, document by document, without TensorFlow."""

import collections
import dataclasses
import gzip
import hashlib
import json
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

VALIDATION = 20  # one document in so many is held out
NO_TEXT = ("test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__")
SUFFIXES = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")
SPLITS = ("train", "validation")


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
      counts: filled while documents are read: "kept", "empty", "invalid_utf8" (kept, each bad byte
        as U+FFFD), "broken_json" and "missing_text" (lines that were left out).
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
        for document in self._all():
            # The first document is always learnt from, so that a single one can be.
            is_held_out = _share(document.name) == 0 and not is_first
            is_first = False
            if is_held_out == (split == "validation"):
                if document.text.strip():
                    self.counts["kept"] += 1
                    yield document
                else:
                    self.counts["empty"] += 1

    def fingerprint(self) -> str:
        """Names the present state of the files, without reading them.

        Returns:
          A digest of their paths, sizes and times of change.
        """
        digest = hashlib.sha256(str(self.root).encode())
        for name in self.files:
            stat = (self.root / name).stat()
            digest.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def _all(self) -> Iterator[Document]:
        for name in self.files:
            path = self.root / name
            content = (
                gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
            )
            if ".jsonl" in Path(name).suffixes[-2:]:
                for number, line in enumerate(content.split(b"\n"), 1):
                    yield from self._line(f"{name}:{number}", line)
            else:
                yield Document(name, self._text(content))

    def _line(self, name: str, line: bytes) -> Iterator[Document]:
        if not line.strip():
            return
        try:
            fields = json.loads(self._text(line))
        except json.JSONDecodeError:
            self.counts["broken_json"] += 1
            return
        if isinstance(fields, dict) and isinstance(fields.get("text"), str):
            yield Document(name, fields["text"])
        else:
            self.counts["missing_text"] += 1

    def _text(self, content: bytes) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            self.counts["invalid_utf8"] += 1
            return content.decode("utf-8", errors="replace")


def _share(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % VALIDATION


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
    files = _find(root, (".py",), lambda parts: not set(parts) & set(NO_TEXT))
    if not files:
        raise ValueError(f"no .py files under {root}; this Python has no source of its library")
    return Source("python_stdlib", root, files)


def folder(folder: str | None = None) -> Source:
    """The user's own text: a document for each .txt file, and for each line of a .jsonl file.

    Args:
      folder: where to look, at any depth; files may be gzipped. A line's text is in its field
        "text".

    Returns:
      The files.

    Raises:
      ValueError: no folder, or no such files in it.
    """
    if not folder:
        raise ValueError("the folder_… tasks read your own text; say where: --set Data.folder=DIR")
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise ValueError(f"Data.folder={folder!r} is not a directory")
    files = _find(root, SUFFIXES, lambda parts: not any(part.startswith(".") for part in parts))
    if not files:
        raise ValueError(f"Data.folder={folder!r} holds no {', '.join(SUFFIXES)} files")
    return Source("folder", root, files)


def _find(root: Path, suffixes, is_wanted: Callable) -> tuple[str, ...]:
    found = (path.relative_to(root) for path in root.rglob("*") if path.name.endswith(suffixes))
    return tuple(
        sorted(
            path.as_posix() for path in found if is_wanted(path.parts) and (root / path).is_file()
        )
    )


SOURCES: dict[str, Callable[[str | None], Source]] = {
    "python_stdlib": python_stdlib,
    "folder": folder,
}
