"""The token store: text that was encoded once, read by position, without TensorFlow.

Its documents stand one after another, each ending in the end id. Here they are mapped into memory;
in a bucket, what is asked for is all that is read. `shards.py` says how they lie.
"""

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from archlab.data import shards
from archlab.data.places import Place

AGAIN = "delete the store, and it is made again"
SOME = 3  # broken shards that a message names


def root(cache: str | None = None) -> str:
    """Says where stores are kept.

    Args:
      cache: a folder or a bucket; ARCHLAB_CACHE, or ~/.cache/archlab, unless given.

    Returns:
      Its path.
    """
    home = str(Path.home() / ".cache" / "archlab")
    return str(cache or os.environ.get("ARCHLAB_CACHE") or home).rstrip("/")


@dataclasses.dataclass(frozen=True)
class Store:
    """An encoded text.

    Args:
      path: of the store, here or in a bucket.
      left_out: numbers of the shards that are not read.

    Raises:
      ValueError: it is not there, or a file is not as long as it should be.
    """

    path: str | Path
    left_out: tuple[int, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "path", str(self.path))
        self._refuse(shards.misshapen(self._place, self._said))

    @functools.cached_property
    def _place(self) -> Place:
        return Place(str(self.path))

    @functools.cached_property
    def _said(self) -> dict:
        return shards.manifest(self._place)

    @functools.cached_property
    def manifest(self) -> dict:
        """Counts and digests, less what is left out."""
        kept = {"tokens": self.tokens, "documents": self.documents, "shards": self._shards}
        lost = self._said["documents"] - self.documents
        counts = self._said.get("counts", {})
        if lost:
            counts = {**counts, "kept": counts.get("kept", 0) - lost, "in_broken_shards": lost}
        left_out = {"left_out": [*self.left_out]} if self.left_out else {}
        return {**self._said, **kept, "counts": counts, **left_out}

    @functools.cached_property
    def _shards(self) -> list[dict]:
        every = enumerate(self._said["shards"])
        return [shard for number, shard in every if number not in self.left_out]

    @functools.cached_property
    def tokens(self) -> int:
        """How many tokens there are, ends included."""
        return sum(shard["tokens"] for shard in self._shards)

    @functools.cached_property
    def documents(self) -> int:
        """How many documents there are."""
        return sum(shard["documents"] for shard in self._shards)

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """One past the last token of each document, int64."""
        every = self._index(0)
        if not self.left_out:
            return every
        lengths = np.diff(every, prepend=0)
        return np.cumsum(lengths[self._is_kept])

    @functools.cached_property
    def bytes(self) -> np.ndarray:
        """Bytes of each document's text in UTF-8, int64."""
        every = self._index(1)
        return every[self._is_kept] if self.left_out else every

    def longer(self, length: int) -> int:
        """Counts long documents.

        Args:
          length: in tokens.

        Returns:
          How many documents are longer, their end included.
        """
        return int(np.sum(np.diff(self.ends, prepend=0) > length))

    def verify(self) -> None:
        """Reads everything and compares it with what the manifest says.

        Raises:
          ValueError: it has changed since it was written; the first file that did is named.
        """
        self._refuse(shards.broken(self._place, self._said, is_all=True))

    def windows(self, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads rows of tokens from any places; after the last token comes the first.

        Example, of a store that holds 5 6 1 7 1:
          starts    1, 4        length = 4
          tokens    6 1 7 1     1 5 6 1
          lengths   2 2         1 3

        Args:
          starts: int64, of the first token of each row, from 0; beyond the end it begins anew.
          length: tokens of a row, 1 or more.

        Returns:
          int32 tokens of each row, and int64 lengths of the pieces of documents in them, row after
          row; every row begins a new piece.
        """
        at_B = np.asarray(starts, np.int64) % self.tokens
        tokens_BL = self._rows(at_B, length)
        # Ends inside a row: past its first token, before its last. Each closes a piece, and the
        # row's own end one more. They are counted on through the repeated text.
        first_B, past_B = self._closed(np.stack([at_B, at_B + length - 1]))
        pieces_B = past_B - first_B + 1
        last_B = np.cumsum(pieces_B) - 1
        number = np.arange(pieces_B.sum()) - np.repeat(last_B + 1 - pieces_B - first_B, pieces_B)
        turn, document = np.divmod(number, self.documents)
        stop = turn * self.tokens + self.ends[document]
        stop[last_B] = at_B + length
        lengths, begin = stop.copy(), last_B + 1 - pieces_B
        lengths[1:] -= stop[:-1]
        lengths[begin] = stop[begin] - at_B
        return tokens_BL, lengths

    def chunk(self, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads tokens from any place; after the last comes the first.

        Args:
          start: of the first token, from 0; beyond the end it begins anew.
          length: how many, 1 or more.

        Returns:
          int32 tokens, and where documents end in them: one past their last token, in order.
        """
        at = start % self.tokens
        low, high = self._closed(np.asarray([at, at + length]))
        turn, document = np.divmod(np.arange(low, high), self.documents)
        (tokens,) = self._rows(np.asarray([at]), length)
        return tokens, turn * self.tokens + self.ends[document] - at

    def _closed(self, at: np.ndarray) -> np.ndarray:
        """How many documents have ended at or before places in the text, repeated."""
        turn, place = np.divmod(at, self.tokens)
        return turn * self.documents + np.searchsorted(self.ends, place, "right")

    def _rows(self, at_B: np.ndarray, length: int) -> np.ndarray:
        """Rows of tokens. Those that lie in one shard, as almost all do, are read together."""
        tokens_BL = np.empty((len(at_B), length), np.int32)
        shard_B = np.searchsorted(self._edges, at_B, "right") - 1
        is_whole_B = (at_B + length <= self._edges[shard_B + 1]) & self._place.is_here
        for shard in {*shard_B[is_whole_B].tolist()}:
            own = np.flatnonzero(is_whole_B & (shard_B == shard))
            # A view of the shard that has a row for each place where one may begin.
            every = np.lib.stride_tricks.sliding_window_view(self._map(shard), length)
            tokens_BL[own] = every[at_B[own] - self._edges[shard]]
        if len(rest := np.flatnonzero(~is_whole_B)):
            self._read(tokens_BL.reshape(-1), rest * length, at_B[rest], np.full(len(rest), length))
        return tokens_BL

    def pieces(self, start_S: np.ndarray, length_S: np.ndarray) -> np.ndarray:
        """Reads pieces of any lengths.

        Args:
          start_S: int64, of the first token of each.
          length_S: int64, how many of each; no piece passes the end of the text.

        Returns:
          int32 tokens of all pieces, one after another.
        """
        tokens_T = np.empty(int(np.sum(length_S)), np.int32)
        self._read(tokens_T, np.cumsum(length_S) - length_S, start_S, length_S)
        return tokens_T

    def _read(self, tokens_T: np.ndarray, place_S: np.ndarray, *pieces: np.ndarray) -> None:
        """Puts pieces, of which there are starts and lengths, where they belong."""
        cuts = [*self._cuts(place_S, *pieces)]
        if self._place.is_here:
            found = (self._map(shard)[low:high] for _, shard, low, high in cuts)
        else:
            width, kind = self._said["width"], self._kind
            asked = [
                (self._shards[n]["file"], low * width, high * width) for _, n, low, high in cuts
            ]
            found = (np.frombuffer(raw, kind) for raw in self._place.ranges(asked))
        for (place, *_), tokens in zip(cuts, found, strict=True):
            tokens_T[place : place + len(tokens)] = tokens

    def _cuts(self, *pieces: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
        """Of pieces' places, starts and lengths: place, shard, first token, one past the last."""
        sizes = np.diff(self._edges).tolist()
        shard_S = np.searchsorted(self._edges, pieces[1], "right") - 1
        low_S = pieces[1] - self._edges[shard_S]
        every = (one.tolist() for one in (pieces[0], pieces[2], shard_S, low_S))
        for place, left, shard, low in zip(*every, strict=True):
            while left:
                high = min(sizes[shard], low + left)
                yield place, shard, low, high
                place, left = place + high - low, left - (high - low)
                shard, low = (shard + 1) % len(sizes), 0

    @functools.cached_property
    def _edges(self) -> np.ndarray:
        return np.cumsum([0, *(shard["tokens"] for shard in self._shards)])

    @property
    def _kind(self) -> str:
        return f"<u{self._said['width']}"

    @functools.cached_property
    def _maps(self) -> dict[int, np.ndarray]:
        return {}

    def _map(self, shard: int) -> np.ndarray:
        if shard not in self._maps:
            self._maps[shard] = self._place.map(self._shards[shard]["file"], self._kind)
        return self._maps[shard]

    def _index(self, half: int) -> np.ndarray:
        many = self._said["documents"]
        if self._place.is_here:
            return self._place.map(shards.INDEX, "<i8")[half * many : (half + 1) * many]
        start = half * many * 8
        (raw,) = self._place.ranges([(shards.INDEX, start, start + many * 8)])
        return np.frombuffer(raw, "<i8")

    @functools.cached_property
    def _is_kept(self) -> np.ndarray:
        many = [shard["documents"] for shard in self._said["shards"]]
        return np.repeat([number not in self.left_out for number in range(len(many))], many)

    def _refuse(self, wrong: dict[str, str]) -> None:
        for number, shard in enumerate(self._said["shards"]):
            if shard["file"] in wrong and number not in self.left_out:
                place = f"shard {number + 1} of {len(self._said['shards'])}"
                what = f"{place}, {shard['file']}, {wrong[shard['file']]}"
                raise ValueError(f"{self.path}: {what}; {AGAIN}")
        if shards.INDEX in wrong:
            raise ValueError(f"{self.path}: {shards.INDEX} {wrong[shards.INDEX]}; {AGAIN}")


def opened(path: str | Path, broken_shards: int = 0) -> Store:
    """Opens a store, and looks whether it is as it was written.

    Every file is read for its digest. Of a store above 4 GiB that is done once: a file that was
    right is read again when it has been written since.

    Args:
      path: of the store.
      broken_shards: how many shards may be left out because they are missing or have changed.

    Returns:
      The store, without those.

    Raises:
      ValueError: more of them are broken, or what cannot be left out: the manifest, the index, or
        all shards.
    """
    place = Place(str(path))
    said = shards.manifest(place)
    wrong, names = shards.broken(place, said), [shard["file"] for shard in said["shards"]]
    bad = [number for number, name in enumerate(names) if name in wrong]
    if shards.INDEX in wrong:
        raise ValueError(f"{path}: {shards.INDEX} {wrong[shards.INDEX]}; {AGAIN}")
    if len(bad) <= min(broken_shards, len(names) - 1):
        return Store(path, tuple(bad))
    listed = ", ".join(f"{names[number]} {wrong[names[number]]}" for number in bad[:SOME])
    listed += f", and {len(bad) - SOME} more" if len(bad) > SOME else ""
    way = f", or leave them out: Data.broken_shards={len(bad)}" if len(bad) < len(names) else ""
    raise ValueError(
        f"{path}: of {len(names)} shards {len(bad)} cannot be read: {listed}; {AGAIN}{way}"
    )
