"""Passages: stretches of held-out text, the same for every model, whatever its vocabulary.

They are cut by characters, before words, and never by a tokenizer.
"""

import dataclasses

import numpy as np

from archlab.data.sources import SOURCES, Document
from archlab.spelling import not_one_of

FAR = 64  # characters within which a word is looked for


@dataclasses.dataclass(frozen=True)
class Passage:
    """A stretch of a document in three.

    Args:
      left: what stands before; may be empty.
      middle: what is asked for.
      right: what stands after; may be empty.
    """

    left: str
    middle: str
    right: str = ""

    @property
    def bytes(self) -> int:
        """Of the middle, in UTF-8."""
        return len(self.middle.encode("utf-8", "replace"))


def drawn(
    source: str, folder: str, items: int, left: int, middle: int, right: int, seed: int
) -> list[Passage]:
    """Draws passages from the documents that a source holds out.

    Each document that is long enough gives one before any gives another.

    Args:
      source: "python_stdlib", or "folder" for the user's own text.
      folder: of the user's own text.
      items: how many passages, 1 or more.
      left: characters before what is asked for, about.
      middle: characters that are asked for, about, 1 or more.
      right: characters after it, about.
      seed: of the draws.

    Returns:
      The passages, in order of drawing.

    Raises:
      ValueError: there is no such source, or no document is long enough.
    """
    whole = left + middle + right
    documents = [one for one in _held_out(source, folder) if len(one.text) >= whole + FAR]
    if not documents:
        raise ValueError(
            f"{folder or source} holds out no document of {whole + FAR} characters, which left="
            f"{left}, middle={middle}, right={right} take; ask for less, or give it longer text"
        )
    random = np.random.default_rng(seed)
    order = [
        number
        for _ in range(-(-items // len(documents)))
        for number in random.permutation(len(documents))
    ]
    return [_cut(documents[one].text, left, middle, right, random) for one in order[:items]]


def _held_out(source: str, folder: str) -> list[Document]:
    if source not in SOURCES:
        raise ValueError(f"source={not_one_of(source, SOURCES)}")
    return list(SOURCES[source](folder or None).documents("validation"))


def _cut(text: str, left: int, middle: int, right: int, random: np.random.Generator) -> Passage:
    first = int(random.integers(0, len(text) - left - middle - right - FAR + 1))
    begin = word(text, first + left)
    end = word(text, max(begin + 1, first + left + middle))
    return Passage(text[first:begin], text[begin:end], text[end : end + right])


def word(text: str, place: int) -> int:
    """Finds where a word begins, with the space before it.

    Example:
      >>> word("to be or not", 3)
      5

    Args:
      text: any.
      place: to look from, within it.

    Returns:
      The first such place within `FAR` characters, or else the place itself.
    """
    for at in range(max(place, 1), min(place + FAR, len(text) - 1)):
        if text[at].isspace() and not text[at - 1].isspace() and not text[at + 1].isspace():
            return at
    return place
