"""Places: a folder of files, on this machine or in a bucket.

A path with a scheme (gs://, s3://, file://, memory://) is a bucket: it is read by ranges, and a
file appears in it when it is closed. Any other path is a folder here: its files are mapped into
memory, and appear when they are renamed to what they are called.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import fsspec
import numpy as np


@dataclasses.dataclass(frozen=True)
class File:
    """What a listing says of a file.

    Args:
      size: in bytes.
      mark: changes when the file is written.
    """

    size: int
    mark: str


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder.

    Example:
      Place("/data/stores/wiki").map("tokens.bin", "<u2")[10:20]
      Place("gs://bucket/stores/wiki").ranges([("tokens.bin", 20, 40)])

    Args:
      path: of the folder, or its address.
    """

    path: str

    def __truediv__(self, name: str) -> "Place":
        return Place(f"{self.path.rstrip('/')}/{name}")

    @property
    def is_here(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.path

    @functools.cached_property
    def _system(self) -> tuple[fsspec.AbstractFileSystem, str]:
        try:
            # Buckets have no folders to be made; a file:// that stands for one has.
            more = {"auto_mkdir": True} if self.path.startswith("file:") else {}
            system, root = fsspec.core.url_to_fs(self.path, **more)
        except (ImportError, ValueError) as error:
            raise ValueError(f"{self.path} cannot be reached: {error}") from error
        return system, root.rstrip("/")

    def _at(self, name: str) -> str:
        return f"{self._system[1]}/{name}"

    def files(self) -> dict[str, File]:
        """Lists the files, without those of folders within.

        Returns:
          Each by its name; none where there is no such folder.
        """
        system, root = self._system
        system.invalidate_cache(root)
        try:
            entries = system.ls(root, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        found = {}
        for entry in entries:
            if entry["type"] == "file":
                facts = repr(sorted(entry.items(), key=lambda fact: fact[0]))
                mark = hashlib.sha256(facts.encode()).hexdigest()
                found[entry["name"].rsplit("/", 1)[-1]] = File(entry["size"], mark)
        return found

    def read(self, name: str) -> bytes:
        """Reads a whole file.

        Args:
          name: of the file.

        Returns:
          What is in it.

        Raises:
          FileNotFoundError: it is not there.
        """
        return self._system[0].cat_file(self._at(name))

    def ranges(self, wanted: list[tuple[str, int, int]]) -> list[bytes]:
        """Reads parts of files, and nothing else of them.

        Args:
          wanted: name of the file, first byte and one past the last, of each part.

        Returns:
          The parts; a bucket is asked for many of them at once.
        """
        paths = [self._at(name) for name, _, _ in wanted]
        starts, ends = [start for _, start, _ in wanted], [end for _, _, end in wanted]
        return self._system[0].cat_ranges(paths, starts, ends, on_error="raise")

    def map(self, name: str, kind: str) -> np.ndarray:
        """Maps a file of this machine into memory.

        Args:
          name: of the file.
          kind: of its numbers, as NumPy writes it.

        Returns:
          An array, read from the disk where it is looked at.
        """
        # As a plain array: slices of a memmap cost a microsecond more.
        return np.asarray(np.memmap(self._at(name), kind, "r"))

    def digest(self, name: str) -> str:
        """Reads a file for its SHA-256.

        Args:
          name: of the file.

        Returns:
          In hexadecimal.
        """
        with self._system[0].open(self._at(name), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Opens a new file, in place of an old one of its name.

        Args:
          name: of the file.

        Yields:
          The file, to write to. Here it appears whole or not at all; in a bucket a writer that
          fails may leave the beginning of it.
        """
        if not self.is_here:
            with self._system[0].open(self._at(name), "wb") as file:
                yield file
            return
        Path(self._at("")).mkdir(parents=True, exist_ok=True)
        half = self._at(f".{name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
        try:
            with open(half, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, self._at(name))
        finally:
            Path(half).unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, whole or not at all, here and in a bucket.

        Args:
          name: of the file.
          content: what is to be in it.
        """
        if self.is_here:
            with self.create(name) as file:
                file.write(content)
        else:
            self._system[0].pipe_file(self._at(name), content)

    def remove(self, name: str = "") -> None:
        """Removes a file, a folder within, or this folder; what is not there is gone.

        Args:
          name: of the file or the folder; "" is this one.
        """
        path = self._at(name).rstrip("/")
        if self.is_here and Path(path).is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                self._system[0].rm(path, recursive=not self.is_here)
