"""The token store: text that was encoded once, read by position, without TensorFlow.

tokens.bin      the documents one after another, each ending in the end id; u16 or u32
offsets.npy     int64, one past the end of each document
manifest.json   counts, width of a token, digest of the tokens
"""

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

NARROW = 2**16


def root() -> Path:
    """Where stores are kept: ARCHLAB_CACHE, or ~/.cache/archlab."""
    return Path(os.environ.get("ARCHLAB_CACHE") or Path.home() / ".cache" / "archlab")


class Empty(ValueError):
    """There is no text to store."""


def write(
    path: Path,
    documents: Iterable[np.ndarray],
    size: int,
    end: int,
    facts: Callable[[], dict] = dict,
) -> "Store":
    """Writes a store, whole or not at all.

    Two processes may write the same one: the first to finish wins, and both read it.

    Args:
      path: of the store.
      documents: ids of each, without an end; empty ones are counted and left out.
      size: of the vocabulary.
      end: id that ends a document.
      facts: asked, when all documents are read, for what else the manifest should say.

    Returns:
      The store.

    Raises:
      Empty: there is no document with an id in it.
      ValueError: an id is not in the vocabulary.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        width = "<u2" if size <= NARROW else "<u4"
        digest, ends, total, empty = hashlib.sha256(), [], 0, 0
        with open(half / "tokens.bin", "wb") as file:
            for ids in documents:
                ids = np.asarray(ids)
                if not len(ids):
                    empty += 1
                    continue
                if ids.min() < 0 or ids.max() >= size:
                    raise ValueError(
                        f"document {len(ends) + empty} has ids outside 0 to {size - 1}"
                    )
                raw = np.append(ids, end).astype(width).tobytes()
                file.write(raw)
                digest.update(raw)
                total += len(ids) + 1
                ends.append(total)
        if not ends:
            raise Empty("there is no text in it")
        np.save(half / "offsets.npy", np.asarray(ends, np.int64))
        manifest = {
            "tokens": total,
            "documents": len(ends),
            "empty": empty,
            "width": np.dtype(width).itemsize,
            "size": size,
            "sha256": digest.hexdigest(),
            **facts(),
        }
        (half / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        try:
            half.rename(path)
        except OSError:
            if not (path / "manifest.json").exists():
                raise
        return Store(path)
    finally:
        shutil.rmtree(half, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class Store:
    """An encoded text.

    Args:
      path: of the store.

    Raises:
      ValueError: it is not there, or a file is not as long as it should be.
    """

    path: Path

    def __post_init__(self):
        tokens = self.path / "tokens.bin"
        wanted = self.tokens * self._width
        found = tokens.stat().st_size if tokens.exists() else 0
        if found != wanted:
            raise ValueError(
                f"{tokens} holds {found} bytes and should hold {wanted}; delete {self.path}, and "
                "it is made again"
            )

    @functools.cached_property
    def manifest(self) -> dict:
        """Counts and digest."""
        try:
            found = json.loads((self.path / "manifest.json").read_text())
            missing = {"tokens", "documents", "width", "size", "sha256"} - {*found}
            if missing:
                raise ValueError(f"its manifest does not say {', '.join(sorted(missing))}")
            return found
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(
                f"{self.path} is no token store ({error}); delete it, and it is made again"
            ) from error

    @property
    def tokens(self) -> int:
        """How many tokens there are, ends included."""
        return self.manifest["tokens"]

    def longer(self, length: int) -> int:
        """Counts long documents.

        Args:
          length: in tokens.

        Returns:
          How many documents are longer, their end included.
        """
        return int(np.sum(np.diff(self._ends, prepend=0) > length))

    @property
    def _width(self) -> int:
        return self.manifest["width"]

    def verify(self) -> None:
        """Reads everything and compares it with what the manifest says.

        Raises:
          ValueError: it has changed since it was written.
        """
        found = hashlib.sha256((self.path / "tokens.bin").read_bytes()).hexdigest()
        if found != self.manifest["sha256"]:
            raise ValueError(f"{self.path} has changed since it was written; delete it")
        self._ends  # noqa: B018 - refused here if it has

    def chunk(self, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads tokens from any place; after the last comes the first.

        Args:
          start: of the first token, from 0; beyond the end it begins anew.
          length: how many, 1 or more.

        Returns:
          int32 tokens, and where documents end in them: one past their last token, in order.
        """
        at = start % self.tokens
        if at + length <= self.tokens:
            tokens = self._tokens[at : at + length]
        else:
            tokens = self._tokens[np.arange(at, at + length) % self.tokens]
        ends = []
        for shift in range(0, at + length, self.tokens):
            low, high = np.searchsorted(self._ends, [at - shift, at + length - shift], "right")
            ends.append(self._ends[low:high] + shift - at)
        return np.asarray(tokens, np.int32), np.concatenate(ends)

    def windows(self, start_B: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads windows of the text, read in a circle.

        Args:
          start_B: int64, first token of each, from 0; beyond the end it begins anew.
          length: tokens of each, 1 or more.

        Returns:
          int32 tokens_BL, and int64 lengths of the pieces of documents in them, row after row.
        """
        found = [self.chunk(int(start), length) for start in start_B]
        tokens_BL = np.stack([tokens for tokens, _ in found])
        lengths = [
            np.diff(ends, prepend=0, append=length)
            if not len(ends) or ends[-1] < length
            else np.diff(ends, prepend=0)
            for _, ends in found
        ]
        return tokens_BL, np.concatenate(lengths)

    @functools.cached_property
    def _tokens(self) -> np.ndarray:
        return np.memmap(self.path / "tokens.bin", f"<u{self._width}", "r")

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        try:
            ends = np.load(self.path / "offsets.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"{self.path} is no token store ({error}); delete it, and it is made again"
            ) from error
        if len(ends) != self.manifest["documents"] or ends[-1] != self.tokens:
            raise ValueError(f"{self.path} has changed since it was written; delete it")
        return ends
