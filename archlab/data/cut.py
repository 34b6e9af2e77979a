"""Cuts: how a token store is cut into shards, and who writes which.

A source is read in parts, mostly one, each from its beginning to its end. Document i of a part goes
into shard i // documents of that part. So what a shard holds does not depend on who writes it, on
how many are at work, or on how often they were stopped.
"""

import contextlib
import dataclasses

from archlab.data import shards
from archlab.data.places import Place

NARROW = 2**16  # ids below it take two bytes
BUILDING, PLAN = "building", "plan.json"  # names on disk of a store being written, and its cut
DOCUMENTS = 2**16  # that a shard holds, unless it is said; about 50 MB of web pages


@dataclasses.dataclass(frozen=True)
class Cut:
    """How a store is cut, and what is in it.

    Args:
      size: of the vocabulary.
      end: id that ends a document.
      parts: that the source is read in.
      documents: of a part, that a shard holds at most.
      wanted: shards that were asked for; None where nobody did.
    """

    size: int
    end: int
    parts: int = 1
    documents: int = DOCUMENTS
    wanted: int | None = None

    @property
    def kind(self) -> str:
        """The numbers of a shard, as NumPy writes them."""
        return "<u2" if self.size <= NARROW else "<u4"

    @property
    def width(self) -> int:
        """Bytes of a token."""
        return int(self.kind[-1])

    def shards(self, read: int) -> int:
        """Counts the shards of a part.

        Args:
          read: documents of the part.

        Returns:
          How many shards hold them.
        """
        return -(-read // self.documents)


@dataclasses.dataclass(frozen=True)
class Share:
    """What one worker does of a store: of a part, every so manieth shard.

    Args:
      part: of the source.
      stripe: the worker's number among those of this part.
      stripes: how many they are.
    """

    part: int
    stripe: int = 0
    stripes: int = 1


def shares(parts: int, workers: int) -> list[list[Share]]:
    """Divides a store among workers.

    Example:
      2 parts, 1 worker     part 0, part 1
      2 parts, 3 workers    half of part 0's shards | part 1 | the other half of part 0's

    Args:
      parts: that the source is read in.
      workers: how many there are.

    Returns:
      Shares of each worker; together each shard once.
    """
    if parts >= workers:
        return [[Share(part) for part in range(own, parts, workers)] for own in range(workers)]
    many = [len(range(part, workers, parts)) for part in range(parts)]
    return [[Share(own % parts, own // parts, many[own % parts])] for own in range(workers)]


def begun(place: Place) -> Cut | None:
    """Reads the cut of a store that was begun before.

    Args:
      place: of the store.

    Returns:
      The cut, or None where nothing was begun.

    Raises:
      ValueError: something else is in the way.
    """
    building = place / BUILDING
    if PLAN in building.files():
        with contextlib.suppress(ValueError):  # a cut that is damaged is none
            return Cut(**shards.unsealed(building.read(PLAN)))
    if any(not name.startswith((".", "0")) for name in place.files()):
        raise ValueError(f"{place.path} is in the way: it holds files, and is no token store")
    return None


def keep(place: Place, cut: Cut) -> None:
    """Writes the cut of a store that is begun.

    Args:
      place: of the store.
      cut: of it.
    """
    (place / BUILDING).write(PLAN, shards.sealed(dataclasses.asdict(cut)))
