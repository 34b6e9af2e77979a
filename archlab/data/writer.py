"""The writer of token stores: shards, each whole or not at all, and at last the manifest.

A shard that is finished has a record in the folder building/, and is not written again, so whoever
was stopped goes on. Two that write the same shard write the same bytes. The manifest comes last,
and what has none is no store.
"""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from archlab.data import cut as cuts
from archlab.data import shards
from archlab.data.cut import Cut, Share
from archlab.data.places import Place
from archlab.data.store import Store


class Empty(ValueError):
    """There is no text to store."""


@dataclasses.dataclass(frozen=True)
class Writer:
    """A store that is being written.

    Args:
      place: of the store.
      cut: of it.
    """

    place: Place
    cut: Cut

    @property
    def _building(self) -> Place:
        return self.place / cuts.BUILDING

    @property
    def is_done(self) -> bool:
        """Whether there is a store already."""
        return shards.MANIFEST in self.place.files()

    def begin(self) -> None:
        """Keeps the cut, for whoever goes on."""
        if not self.is_done and cuts.begun(self.place) != self.cut:
            cuts.keep(self.place, self.cut)

    def write(
        self,
        share: Share,
        read: Callable[[], Iterable[Any]],
        encode: Callable[[Any], tuple[np.ndarray, int]],
        counts: Callable[[], dict] = dict,
        tell: Callable[[int, int], None] = lambda documents, tokens: None,
    ) -> None:
        """Writes the shards of a share, but for those that are there.

        Args:
          share: of the store.
          read: reads the documents of its part, from the first to the last.
          encode: turns one into ids, without an end, and the bytes of its text.
          counts: asked, when all are read, for what they count as and what was left out; all are
            kept unless it says.
          tell: called with documents and tokens that are done, again and again.

        Raises:
          ValueError: an id is not in the vocabulary.
        """
        try:
            if not self.is_done:
                self._share(share, read, encode, counts, tell)
        except FileNotFoundError:
            if not self.is_done:  # or else another has finished it meanwhile, and tidied up
                raise

    def _share(self, share: Share, read, encode, counts, tell) -> None:
        there, ends = self._records(), self._ends()
        if share.part in ends:
            own = range(share.stripe, self.cut.shards(ends[share.part]["read"]), share.stripes)
            if all((share.part, shard) in there for shard in own):
                for shard in own:
                    record = there[share.part, shard]
                    tell(record["documents"], record["tokens"])
                return
        numbers = itertools.count()
        # In this order, so that `numbers` comes to a stop where the documents do.
        pairs = zip(read(), numbers, strict=False)
        groups = itertools.groupby(pairs, lambda pair: pair[1] // self.cut.documents)
        for shard, group in groups:
            if shard % share.stripes != share.stripe:
                continue
            if made := there.get((share.part, shard)):
                tell(made["documents"], made["tokens"])
            else:
                self._write((share.part, shard), (one for one, _ in group), encode, tell)
        total = next(numbers)
        end = {"read": total, "counts": counts() or {"kept": total}}
        self._building.write(f"{share.part:05}.json", self._sealed(end))

    def _write(self, key: tuple[int, int], group: Iterator[Any], encode, tell) -> None:
        name, digest = _name(key), hashlib.sha256()
        lengths, sizes, read = [], [], 0
        with self.place.create(f"{name}.bin") as file:
            for one in group:
                ids, many = encode(one)
                read += 1
                if not len(ids):
                    continue
                ids = np.append(ids, self.cut.end)
                if ids.min() < 0 or ids.max() >= self.cut.size:
                    number = key[1] * self.cut.documents + read - 1
                    raise ValueError(f"document {number} has ids outside 0 to {self.cut.size - 1}")
                raw = ids.astype(self.cut.kind).tobytes()
                file.write(raw)
                digest.update(raw)
                lengths.append(len(ids))
                sizes.append(many)
                tell(1, len(ids))
        index = np.asarray([lengths, sizes], "<i8").tobytes()
        record = {
            "documents": len(lengths),
            "tokens": sum(lengths),
            "empty": read - len(lengths),
            "sha256": digest.hexdigest(),
            "index": hashlib.sha256(index).hexdigest(),
        }
        self._building.write(f"{name}.index", index)
        self._building.write(f"{name}.json", self._sealed(record))

    def finish(self, facts: dict | None = None) -> Store:
        """Makes a store of the shards, once all are written.

        Args:
          facts: what else the manifest is to say.

        Returns:
          The store.

        Raises:
          Empty: there is no document with an id in it; nothing is left behind.
          ValueError: a shard is not there.
        """
        try:
            if not self.is_done:
                self._finish(facts or {})
        except (FileNotFoundError, ValueError):
            if not self.is_done:
                raise
        self._building.remove()
        for name in self.place.files():
            if name.startswith("."):  # what one that was killed had in hand
                self.place.remove(name)
        return Store(self.place.path)

    def _finish(self, facts: dict) -> None:
        there, ends = self._records(), self._ends()
        counts: collections.Counter[str] = collections.Counter()
        wanted = [
            (part, shard)
            for part in range(self.cut.parts)
            for shard in range(self.cut.shards(ends[part]["read"]) if part in ends else 1)
        ]
        missing = [key for key in wanted if key not in there or key[0] not in ends]
        if missing:
            raise ValueError(
                f"{self.place.path} is not whole: {_name(missing[0])}.bin is not written; the same "
                "command goes on with it"
            )
        full = [key for key in wanted if there[key]["documents"]]
        if not full:
            self.place.remove()
            raise Empty("there is no text in it")
        index = np.concatenate([self._index(key, there[key]) for key in full], axis=1)
        index[0] = np.cumsum(index[0])
        raw = index.astype("<i8").tobytes()
        said = ("documents", "tokens", "sha256")
        listed = [
            {"file": f"{_name(key)}.bin"} | {fact: there[key][fact] for fact in said}
            for key in full
        ]
        digests = [shard["sha256"] for shard in listed]
        for end in ends.values():
            counts.update(end["counts"])
        empty = sum(there[key]["empty"] for key in wanted)
        if empty:  # there was text, but nothing of it is left in ids
            counts.update({"kept": -empty, "empty": empty})
        manifest = {
            "format": shards.FORMAT,
            "tokens": int(index[0, -1]),
            "documents": index.shape[1],
            "empty": empty,
            "bytes": int(index[1].sum()),
            "width": self.cut.width,
            "size": self.cut.size,
            "sha256": hashlib.sha256(json.dumps(digests).encode()).hexdigest(),
            "counts": dict(counts),
            **facts,
            "index": hashlib.sha256(raw).hexdigest(),
            "shards": listed,
        }
        for key in {*wanted} - {*full}:
            self.place.remove(f"{_name(key)}.bin")
        self.place.write(shards.INDEX, raw)
        self.place.write(shards.MANIFEST, shards.sealed(manifest))

    def _index(self, key: tuple[int, int], record: dict) -> np.ndarray:
        name = _name(key)
        raw = self._building.read(f"{name}.index")
        if hashlib.sha256(raw).hexdigest() != record["index"]:
            self._building.remove(f"{name}.json")  # so that it is written again
            raise ValueError(
                f"{self._building.path}/{name}.index has changed since it was written; the same "
                "command writes it again"
            )
        return np.frombuffer(raw, "<i8").reshape(2, -1)

    def _sealed(self, record: dict) -> bytes:
        return shards.sealed({**record, "plan": dataclasses.asdict(self.cut)})

    def _kept(self, form: str) -> dict[tuple[int, ...], dict]:
        """The records of this cut whose names are numbers of that form."""
        found = {}
        files = self._building.files()
        names = [name for name in files if re.fullmatch(form, name)]
        raws = self._building.ranges([(name, 0, files[name].size) for name in names])
        for name, raw in zip(names, raws, strict=True):
            with contextlib.suppress(ValueError):  # a record that is damaged is none
                record = shards.unsealed(raw)
                if record["plan"] == dataclasses.asdict(self.cut):
                    found[tuple(map(int, re.findall(r"\d+", name)))] = record
        return found

    def done(self) -> tuple[int, int]:
        """Counts what is finished.

        Returns:
          Documents and tokens of the shards that are there.
        """
        there = self._records().values()
        return sum(one["documents"] for one in there), sum(one["tokens"] for one in there)

    def _records(self) -> dict[tuple[int, ...], dict]:
        """Of each shard that is finished, by part and number."""
        files, width = self.place.files(), self.cut.width
        return {
            key: record
            for key, record in self._kept(r"\d+-\d+\.json").items()
            if (file := files.get(f"{_name(key)}.bin")) and file.size == record["tokens"] * width
        }

    def _ends(self) -> dict[int, dict]:
        """Of each part that was read to its end: how many documents, and what they count as."""
        return {part: record for (part,), record in self._kept(r"\d+\.json").items()}


def _name(key: tuple[int, ...]) -> str:
    return f"{key[0]:05}-{key[1]:05}"


def write(
    path: str | Path,
    documents: Iterable[tuple[np.ndarray, int]],
    cut: Cut,
    facts: dict | None = None,
) -> Store:
    """Writes a store at once.

    Args:
      path: of the store.
      documents: ids of each, without an end, and the bytes of its text.
      cut: of the store; of one part.
      facts: what else the manifest is to say.

    Returns:
      The store.

    Raises:
      Empty: there is no document with an id in it.
      ValueError: an id is not in the vocabulary.
    """
    writer = Writer(Place(str(path)), cut)
    writer.begin()
    writer.write(Share(0), lambda: documents, lambda one: one)
    return writer.finish(facts)
