"""Sources: where text comes from, document by document, without TensorFlow."""

import collections
import dataclasses
import glob
import hashlib
import itertools
import os
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from archlab import form
from archlab.data import records
from archlab.refusal import Refusal
from archlab.spelling import beside

VALIDATION = 20  # one document in so many is held out
NO_TEXT = ("test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__")
SUFFIXES = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")
SPLITS = ("train", "validation")
READ = ("kept", "invalid_utf8")  # of what is counted, what is text
TEXT = "text"  # the field that holds it
STATE = "state.json"  # in a folder that Hugging Face's `save_to_disk` wrote: which files there are
FILES = {"_data_files": [{"filename": str}]}
INFO = "dataset_info.json"  # what a data set is, of Hugging Face's and of TensorFlow Datasets'


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
      fields: of a record, that hold its text.
      held_out: one document in so many; 0 leaves them together, and they are of either split.
      counts: filled while documents are read, each in one of "kept", "invalid_utf8" (kept, each bad
        byte as U+FFFD), "empty", "broken_json", "missing_text" and "broken_gzip" (left out).
    """

    name: str
    root: Path
    files: tuple[str, ...]
    fields: tuple[str, ...] = (TEXT,)
    held_out: int = VALIDATION
    counts: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def documents(self, split: str, part: int = 0, parts: int = 1) -> Iterator[Document]:
        """Reads the documents of a split, in order of name.

        Args:
          split: "train" or "validation".
          part: of the files, from 0.
          parts: in all.

        Yields:
          Documents that hold something besides white space.

        Raises:
          ValueError: another split.
        """
        if split not in SPLITS:
            raise ValueError(f"split={split!r} is not one of {', '.join(SPLITS)}")
        is_first = part == 0
        for name in self.files[part::parts]:
            for document, bucket in self._read(name):
                is_wanted = not self.held_out
                if self.held_out:
                    is_held_out = _drawn(document.name) % self.held_out == 0
                    if bucket in READ and is_first:
                        # The first document is always learnt from, so that a single one can be.
                        is_first = is_held_out = False
                    is_wanted = is_held_out == (split == "validation")
                if is_wanted:
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

    def _read(self, name: str) -> Iterator[tuple[Document, str]]:
        """Every document of a file, in either split, and what it counts as."""
        for end, texts, bucket in records.read(self.root / name, self.fields):
            yield self._document(f"{name}{end}", texts), bucket

    def _document(self, name: str, texts: tuple[str, ...]) -> Document:
        return Document(name, texts[-1])


def utf8(text: str) -> bytes:
    """Args: text: of a document. Returns: it, encoded; JSON may hold lone surrogates."""
    return text.encode("utf-8", "replace")


def _drawn(name: str) -> int:
    return int.from_bytes(
        hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big"
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


def there(folder: str) -> Path:
    """Args: folder: the user's. Returns: its path. Raises: ValueError: none is there."""
    root = absolute(folder).resolve()
    if not root.is_dir():
        raise Refusal(f"Data.folder={folder!r} is not a directory{beside(root)}", "Data.folder")
    return root


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
    root = there(folder)
    files = _find(root, SUFFIXES, lambda part: not part.startswith("."))
    if not files:
        what = f"Data.folder={folder!r} holds no {', '.join(SUFFIXES)} files"
        raise Refusal(what, "Data.folder")
    return Source("folder", root, files)


def found(paths: Sequence[str]) -> list[Path]:
    """Finds files of one's own, of the kinds that `records` reads.

    Args:
      paths: of files; patterns of them; or folders, all of whose files count, at any depth. Of a
        folder that Hugging Face's `save_to_disk` wrote, those that its state.json names.

    Returns:
      The files, in order, each once.

    Raises:
      ValueError: a path is nothing that is here, or a folder without such files.
    """
    files: dict[Path, None] = {}
    for path in paths:
        here = absolute(path)
        if (here / STATE).is_file():
            parts = form.read(here / STATE, FILES)["_data_files"]
            those = [here / one["filename"] for one in parts]
        elif here.is_dir():
            names = _find(here, "", lambda part: not part.startswith("."))
            those = [here / name for name in names if records.kind(name)]
            those = [one for one in those if one.name != INFO]
        elif here.is_file():
            those = [here]
        else:
            those = [Path(one) for one in sorted(glob.glob(str(here), recursive=True))]
        if not those:
            meant = "" if here.exists() else beside(path)
            what = "is no file, no pattern of files and no folder with text"
            raise ValueError(f"{path!r} {what}{meant}")
        files |= dict.fromkeys(those)
    return [*files]


def absolute(path: str) -> Path:
    """Reads a path as a user writes it.

    Args:
      path: "texts", "~/texts".

    Returns:
      It, from the root; where there is no such user, their name is that of a folder.
    """
    return Path(os.path.expanduser(path)).absolute()


def rooted(files: Sequence[Path], paths: Sequence[str] = ()) -> tuple[Path, tuple[str, ...]]:
    """Names files as a `Source` does.

    Args:
      files: one or more.
      paths: what they were found by; a folder that is named stays above them, and so do the folders
        that a pattern begins with, whatever else comes to be there.

    Returns:
      The folder that all are in, and their paths below it, in order.
    """
    above = [one.parent for one in files]
    for path in paths:
        here = absolute(path)
        plain = itertools.takewhile(lambda part: glob.escape(part) == part, here.parts)
        above.append(here if here.exists() else Path(*plain))
    root = Path(os.path.commonpath(above))
    return root, tuple(one.relative_to(root).as_posix() for one in files)


def patterns(paths: Sequence[str]) -> tuple[str, ...]:
    """Says what `marked` is to look at.

    Args:
      paths: as for `found`.

    Returns:
      Patterns that take in all files that are found there.
    """
    said = []
    for path in paths:
        here = absolute(path)
        whole = glob.escape(str(here)) if here.exists() else str(here)
        said.append(f"{whole}/**/*" if here.is_dir() else whole)
    return tuple(said)


def marked(pattern: str) -> str:
    """Names the present state of files, without reading them.

    Args:
      pattern: of their paths, as `glob` takes it; ** is any folders.

    Returns:
      A digest of paths, sizes and times of change; of what is not here, of the pattern alone.
    """
    digest = hashlib.sha256(os.fsencode(pattern))
    for name in sorted(glob.glob(pattern, recursive=True)):
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
            if name.lower().endswith(suffixes) and path.is_file():
                found.append(path.relative_to(root).as_posix())
    return tuple(sorted(found))


SOURCES: dict[str, Callable[[str | None], Source]] = {
    "python_stdlib": python_stdlib,
    "folder": folder,
}
CORPORA = ("c4", "wikipedia", "code", "multilingual")  # what `corpora.py` registers besides
