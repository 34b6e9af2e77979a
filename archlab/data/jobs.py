"""Jobs: the stores that mixtures need, each to be written by whoever has a share of it."""

import dataclasses
import functools
import json
from collections.abc import Callable

from archlab import modules
from archlab.data import sources, store, tasks, writer
from archlab.data.documents import Documents
from archlab.data.order import hashed
from archlab.data.places import Place
from archlab.data.plan import DOCUMENTS, Plan, Share, begun
from archlab.data.vocabulary import Vocabulary
from archlab.data.writer import Writer

WHOLE = 2**62  # documents of a shard that is a whole part


@dataclasses.dataclass(frozen=True)
class Job:
    """One store to be written: a split of a task's source, encoded.

    Args:
      documents: that are to be encoded.
      path: of the store.
      shards: how many are wanted; None cuts by number of documents.
    """

    documents: Documents
    path: str
    shards: int | None = None

    @property
    def name(self) -> str:
        """Source and split."""
        return f"{self.documents.source}-{self.documents.split}"

    @functools.cached_property
    def writer(self) -> Writer:
        """Whoever writes it, by the plan that was begun if one was.

        Raises:
          ValueError: another number of shards was begun, or something else is in the way.
        """
        place = Place(self.path)
        ids = (self.documents.vocabulary.size, self.documents.vocabulary.end)
        done = Writer(place, Plan(*ids))
        if done.is_done:
            return done
        before = begun(place)
        if before is None:
            return Writer(place, Plan(*ids, *self._cut(), self.shards))
        if self.shards not in (None, before.wanted):
            raise ValueError(
                f"{self.path} was begun with shards={before.wanted}, not {self.shards}; leave "
                "--shards out to go on with it, or delete it"
            )
        return Writer(place, before)

    def _cut(self) -> tuple[int, int]:
        """Parts of the source, and documents that a shard holds."""
        parts = self.documents.parts(self.shards)
        if self.shards is None:
            return parts, DOCUMENTS
        if parts > 1:
            return parts, WHOLE
        return parts, max(1, -(-self.documents.count() // self.shards))

    def write(self, share: Share, tell: Callable[[str, int, int], None]) -> None:
        """Encodes and writes what is a worker's.

        Args:
          share: of the store.
          tell: called with name, documents and tokens that are done, again and again.
        """
        plan, read = self.writer.plan, self.documents
        self.writer.write(
            share,
            lambda: read.read(share.part, plan.parts),
            read.encode,
            read.counts,
            lambda documents, tokens: tell(self.name, documents, tokens),
        )

    def finish(self) -> str | None:
        """Makes a store of the shards, once all are written.

        Returns:
          Its path, or None where there is no text.

        Raises:
          ValueError: there is no text to train on.
        """
        try:
            facts = {"source": self.documents.source, "split": self.documents.split}
            return self.writer.finish(facts).path
        except writer.Empty:
            if self.documents.split == "train":
                raise ValueError(f"{self.documents.task.name} has no text to train on") from None
            return None


def register(request: dict) -> None:
    """Registers archlab's own tasks, and runs the user's modules.

    Args:
      request: "folder", "vocabulary", "tfds" and "modules".

    Raises:
      ValueError: a vocabulary or a module that cannot be used.
    """
    tasks.register_all(request["folder"], Vocabulary(request["vocabulary"]), request["tfds"])
    for module in request["modules"]:
        modules.load(module)


def base(part: tasks.Part) -> str:
    """Names a task's source.

    Args:
      part: of a mixture.

    Returns:
      The task's name without its objective.
    """
    return part.task.name.removesuffix(f"_{part.corrupt.objective}")


def of(part: tasks.Part, request: dict) -> dict[str, Job]:
    """Says which stores a task needs.

    Args:
      part: of a mixture.
      request: "folder", "cache", "encoding" (digest of what encodes) and "shards".

    Returns:
      A job for each of its splits; tasks of one text have the same.
    """
    vocabulary, source = part.corrupt.vocabulary, base(part)
    mark = fingerprint(source, request) or ""
    # A model is known by its digest, wherever it lies.
    words = {fact: value for fact, value in vocabulary.spec().items() if fact != "path"}
    facts = json.dumps(words, sort_keys=True)
    found = {}
    for split in sources.SPLITS:
        if split in part.task.splits:
            key = hashed(source, split, mark, request["encoding"], facts)
            path = f"{store.root(request.get('cache'))}/stores/{source}-{split}-{key:016x}"
            documents = Documents(part.task, source, split, vocabulary)
            found[split] = Job(documents, path, request.get("shards"))
    return found


def fingerprint(source: str, request: dict) -> str | None:
    """Names the present state of a source's files, where it is one of archlab's own.

    Args:
      source: its name.
      request: "folder".

    Returns:
      A digest, or None.
    """
    if source not in sources.SOURCES:
        return None
    return sources.SOURCES[source](request["folder"]).fingerprint()
