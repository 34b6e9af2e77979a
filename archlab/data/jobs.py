"""Jobs: the stores that mixtures need, each to be written by whoever has a share of it."""

import dataclasses
import functools
import json
from collections.abc import Callable

from archlab import modules
from archlab.data import roads, sources, store, tasks, writer
from archlab.data.chance import hashed
from archlab.data.cut import DOCUMENTS, Cut, Share, begun
from archlab.data.documents import Documents, Made
from archlab.data.options import STREAMING, WINDOWS, Data
from archlab.data.pairs import SUPERVISED
from archlab.data.places import Place
from archlab.data.roads import Part
from archlab.data.vocabulary import Vocabulary, same
from archlab.data.writer import Writer
from archlab.refusal import Refusal, blame

WHOLE = 2**62  # documents of a shard that is a whole part


@dataclasses.dataclass(frozen=True)
class Job:
    """One store to be written: a split of a task's source, encoded.

    Args:
      documents: that are to be encoded.
      path: of the store.
      shards: how many are wanted; None cuts by number of documents.
    """

    documents: Documents | Made
    path: str
    shards: int | None = None

    @property
    def name(self) -> str:
        """Source and split."""
        return f"{self.documents.source}-{self.documents.split}"

    @functools.cached_property
    def writer(self) -> Writer:
        """Whoever writes it, by the cut that was begun if one was.

        Raises:
          ValueError: another number of shards was begun, or something else is in the way.
        """
        place = Place(self.path)
        ids = (self.documents.vocabulary.size, self.documents.vocabulary.end)
        done = Writer(place, Cut(*ids))
        if done.is_done:
            return done
        before = begun(place)
        if before is None:
            return Writer(place, Cut(*ids, *self._cut(), self.shards))
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
        cut, read = self.writer.cut, self.documents
        self.writer.write(
            share,
            lambda: read.read(share.part, cut.parts),
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
            return str(self.writer.finish(facts).path)
        except writer.Empty:
            if self.documents.split == "train":
                name = self.documents.task.name
                raise Refusal(f"{name} has no text to train on", name) from None
            return None


def register(request: dict) -> None:
    """Registers archlab's own tasks, and runs the user's modules.

    Args:
      request: "data", the fields of `Data`, and "modules".

    Raises:
      ValueError: a vocabulary or a module that cannot be used.
    """
    data = Data(**request["data"])
    with blame("Data.vocabulary"):
        vocabulary = Vocabulary(data.vocabulary)
    tasks.register_all(data, vocabulary)
    for module in request["modules"]:
        modules.load(module, tasks.known)


def parts(mixture: str, request: dict) -> list[Part]:
    """Finds the tasks of a mixture, which share one vocabulary.

    Args:
      mixture: its name, or a task's.
      request: see `build.build`.

    Returns:
      The tasks, with their rates and roads.

    Raises:
      ValueError: no such name, a road that cannot be taken, or several vocabularies.
    """
    with blame(mixture):
        found = roads.resolve(mixture, request["data"]["road"])
        specs = [part.vocabulary.spec() for part in found]
        if any(not same(spec, specs[0]) for spec in specs):
            raise ValueError(f"the tasks of {mixture} have different vocabularies: {specs}")
        return found


def every(request: dict) -> list[Job]:
    """Finds every store that mixtures need, once.

    Args:
      request: see `build.build`; its "recipes" name the mixtures.

    Returns:
      A job for each store.
    """
    needed = [part for name in request["recipes"] for part in parts(name, request)]
    return [*{job.path: job for part in needed for job in of(part, request).values()}.values()]


def of(part: Part, request: dict) -> dict[str, Job]:
    """Says which stores a task needs.

    Args:
      part: of a mixture.
      request: "data", "encoding" (digest of what encodes) and "shards".

    Returns:
      A job for each of its splits; tasks of one text have the same. None for one that is streamed.
    """
    if part.road == STREAMING:
        return {}
    # A model is known by its digest, wherever it lies.
    words = {fact: value for fact, value in part.vocabulary.spec().items() if fact != "path"}
    own = getattr(part.task.source, "facts", None)  # of a data set: its name and version
    marks = json.dumps([words, own, fingerprints(part, request), files(part)], sort_keys=True)
    root, found = store.root(request["data"]["cache"]), {}
    for split in sources.SPLITS:
        if split in part.task.splits:
            key = hashed(part.road, part.text, split, request["encoding"], marks)
            path = f"{root}/stores/{part.text}-{split}-{key:016x}"
            kind = Documents if part.road == WINDOWS else Made
            documents = kind(part.task, part.text, split, part.vocabulary)
            found[split] = Job(documents, path, request.get("shards"))
    return found


def absent(part: Part, request: dict) -> str | None:
    """Says what a task lacks whose data set is still to be read.

    Args:
      part: of a mixture.
      request: see `of`.

    Returns:
      What is missing, and what to do; "" if nothing is. None for text of other kinds, or that is
      encoded already.
    """
    found = of(part, request).values()
    is_read = bool(found) and all(job.writer.is_done for job in found)
    return None if is_read else getattr(part.task.source, "absent", None)


def fingerprints(part: Part, request: dict) -> dict[str, str]:
    """Names the present state of a source's files, where it is one of archlab's own.

    Args:
      part: of a mixture.
      request: "data".

    Returns:
      A digest by the source's name, or nothing.
    """
    name = part.text.removesuffix(f"_{SUPERVISED}")
    if name not in sources.SOURCES:
        return {}
    return {name: sources.SOURCES[name](request["data"]["folder"]).fingerprint()}


def files(part: Part) -> dict[str, str]:
    """Names the present state of the files that a source of SeqIO's reads.

    Args:
      part: of a mixture.

    Returns:
      A digest by the pattern of their paths; nothing where they are not files.
    """
    named = getattr(part.task.source, "_split_to_filepattern", None) or {}
    patterns = [
        pattern for one in named.values() for pattern in ([one] if isinstance(one, str) else one)
    ]
    return {pattern: sources.marked(pattern) for pattern in sorted({*map(str, patterns)})}
