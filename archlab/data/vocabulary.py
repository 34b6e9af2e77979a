"""Vocabularies: a tokenizer's ids, and archlab's own on top of them.

Ids, lowest first:

  the tokenizer's · mask · modes R S X · sentinels, the first one highest

Bytes and SentencePiece have pad at 0, end at 1, unknown at 2. A Hugging Face tokenizer keeps its
own, a mask too, and what it lacks stands below archlab's. No id of a tokenizer is touched.

Sentinel i is `size - 1 - i`, as T5's preprocessors reckon it. Seen from SeqIO, everything above the
text is `extra_ids`, so SeqIO's own vocabularies have the same ids. Of a vocabulary that others
registered, sentinels stand where they have them: right above the text (`seqio_ids`).
"""

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from archlab.data import tokenizers

SENTINELS = 100  # T5's number; there are more where the table has room
MULTIPLE = 128  # the table's rows are rounded up to it, so that they divide over a mesh
MODES = ("R", "S", "X")  # UL2's denoisers
MASKS = ("[MASK]", "<mask>")  # what tokenizers call theirs: BERT's, RoBERTa's
FIRST = tokenizers.FIRST  # the first id of text, of bytes and SentencePiece


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """A vocabulary: UTF-8 bytes, or a tokenizer that is read from a file.

    Example, bytes:
      >>> vocabulary = Vocabulary()
      >>> vocabulary.encode("hé")
      [107, 198, 172]
      >>> vocabulary.decode([107, vocabulary.sentinel(0), 1])
      'h<S0><end>'
      >>> vocabulary.size
      384

    Args:
      path: of a SentencePiece .model, a tokenizer.json, BERT's vocab.txt or GPT-2's encoder.json
        with vocab.bpe beside it, or of the folder that holds them; "" for bytes.
      sentinels: how many there are at least, then how many there are: as many as fill the table.
      seqio_ids: how many SeqIO's own vocabulary has right above the text, all of them sentinels, as
        T5's; mask and modes then stand above those. 0 leaves archlab's own on top.
      start: the id that a decoder reads first; None is pad, as in T5.

    Raises:
      ValueError: the file is not there, or is not what it should be; or fewer than 100 sentinels.
    """

    path: str = ""
    sentinels: int = SENTINELS
    seqio_ids: int = 0
    start: int | None = None

    def __post_init__(self):
        if self.start is None:
            object.__setattr__(self, "start", self.pad)
        if self.seqio_ids:
            object.__setattr__(self, "sentinels", self.seqio_ids)
            return
        if self.sentinels < SENTINELS:
            raise ValueError(f"sentinels={self.sentinels} are too few; T5 has {SENTINELS}")
        for file in tokenizers.files(self.path)[:1]:
            object.__setattr__(self, "path", str(file))  # of a folder, what is read
        below = self.beyond + 1 + len(MODES)
        size = -(-(below + self.sentinels) // MULTIPLE) * MULTIPLE
        object.__setattr__(self, "sentinels", size - below)

    @functools.cached_property
    def _read(self) -> tuple[tokenizers.Tokenizer, str]:
        return tokenizers.read(tokenizers.files(self.path))

    @property
    def _tokenizer(self) -> tokenizers.Tokenizer:
        return self._read[0]

    @property
    def pad(self) -> int:
        """The id that fills a row."""
        return self._tokenizer.pad

    @property
    def end(self) -> int:
        """The id that ends a document; no text becomes it."""
        return self._tokenizer.end

    @property
    def unknown(self) -> int:
        """The id of text that has no other."""
        return self._tokenizer.unknown

    @property
    def text(self) -> int:
        """One past the last id of the tokenizer's own."""
        return self._tokenizer.text

    @functools.cached_property
    def ordinary(self) -> np.ndarray:
        """The ids that stand for text, in order; int32, not to be written to."""
        ordinary = np.setdiff1d(np.arange(self.text), [*self._tokenizer.special]).astype(np.int32)
        ordinary.setflags(write=False)
        return ordinary

    @functools.cached_property
    def beyond(self) -> int:
        """One past the last id that is not archlab's own."""
        return max(self.text, self.pad + 1, self.end + 1, self.unknown + 1) + self.seqio_ids

    @functools.cached_property
    def mask(self) -> int:
        """The id that stands for a masked token: the tokenizer's own, if it has one."""
        own = [token for token, name in self._tokenizer.special.items() if name in MASKS]
        return own[0] if own else self.beyond

    @property
    def modes(self) -> dict[str, int]:
        """The ids that name UL2's denoisers."""
        return {mode: self.beyond + 1 + number for number, mode in enumerate(MODES)}

    @property
    def size(self) -> int:
        """Rows of the embedding table; a multiple of 128."""
        if self.seqio_ids:
            return -(-(self.beyond + 1 + len(MODES)) // MULTIPLE) * MULTIPLE
        return self.beyond + 1 + len(MODES) + self.sentinels

    @property
    def extra_ids(self) -> int:
        """Ids above the text, as SeqIO's own vocabulary counts them."""
        return self.seqio_ids or self.size - self.text

    def sentinel(self, number: int) -> int:
        """The id that stands for a span.

        Args:
          number: of the span, from 0.

        Returns:
          The id, the first span's highest.

        Raises:
          ValueError: there are not so many.
        """
        if not 0 <= number < self.sentinels:
            raise ValueError(
                f"sentinel {number} of {self.sentinels}; the last is {self.sentinels - 1}"
            )
        return (self.beyond if self.seqio_ids else self.size) - 1 - number

    def encode(self, text: str) -> list[int]:
        """Turns text into ids, without an end.

        Args:
          text: any; what cannot be UTF-8 (lone surrogates) becomes "?". What reads like a special
            token is text too.

        Returns:
          The ids; none of them special but unknown.
        """
        return self._tokenizer.encode(_clean(text))

    def encode_all(self, texts: Iterable[str]) -> list[np.ndarray]:
        """Turns texts into ids, faster than one after another.

        Args:
          texts: as `encode` takes them.

        Returns:
          The ids of each, int32.
        """
        return self._tokenizer.encode_all([_clean(text) for text in texts])

    def decode(self, ids: Iterable[int]) -> str:
        """Turns ids into text, with every id that is not text made visible.

        Args:
          ids: integers of any kind.

        Returns:
          The text. Padding is left out; bytes that are no UTF-8 become U+FFFD.

        Raises:
          ValueError: an id that is not in the vocabulary.
        """
        said, pending = [], []
        for token in map(int, ids):
            if 0 <= token < self.text and token not in self._tokenizer.special:
                pending.append(token)
                continue
            said += [self._tokenizer.decode(pending) if pending else "", self.name(token)]
            pending = []
        return "".join([*said, self._tokenizer.decode(pending) if pending else ""])

    def name(self, token: int) -> str:
        """Names an id that is not text.

        Args:
          token: the id.

        Returns:
          "<end>", "<unknown>", "<mask>", "<R>", "<S0>" and the like, and for other special ids of
          a file what it calls them; "" for padding.

        Raises:
          ValueError: an id that is text, or is not in the vocabulary.
        """
        if token not in self._names:
            raise ValueError(f"id {token} is not one of the {self.size} of this vocabulary")
        return self._names[token]

    @functools.cached_property
    def _names(self) -> dict[int, str]:
        names = self._tokenizer.special | {self.beyond: "<mask>", self.mask: "<mask>"}
        names |= {token: f"<{mode}>" for mode, token in self.modes.items()}
        names |= {self.sentinel(number): f"<S{number}>" for number in range(self.sentinels)}
        return names | {self.end: "<end>", self.unknown: "<unknown>", self.pad: ""}

    def spec(self) -> dict:
        """What a file needs to say to build it again.

        Returns:
          JSON-able; `from_spec` reads it. Of a file its digest too, for another one with as many
          ids may come to lie at the same path.
        """
        spec = {"path": self.path, "sentinels": self.sentinels, "size": self.size}
        spec |= {"seqio_ids": self.seqio_ids} if self.seqio_ids else {}
        spec |= {"start": self.start} if self.start != self.pad else {}
        return spec | {"sha256": self._read[1]} if self.path else spec

    @staticmethod
    def from_spec(spec: dict, home: Path | None = None) -> "Vocabulary":
        """Builds a vocabulary from what was kept of it.

        Args:
          spec: from `spec`.
          home: the folder that its path may be within, wherever that folder lies now.

        Returns:
          The vocabulary.

        Raises:
          ValueError: the file is not there, or is another one.
        """
        path = spec["path"]
        if home and path and (home / path).is_file():
            path = str(home / path)
        vocabulary = Vocabulary(
            path,
            spec.get("sentinels", SENTINELS),
            spec.get("seqio_ids", 0),
            spec.get("start"),
        )
        now = vocabulary.spec()
        for fact in ("sha256", "size"):  # another file may have another size too
            if spec.get(fact) != now.get(fact):
                raise ValueError(
                    f"{spec['path'] or 'the byte vocabulary'} has {fact} {now.get(fact)} and had "
                    f"{spec.get(fact)}; it is not what the text was encoded with: put that file "
                    "back, or give the new one a path of its own"
                )
        return vocabulary


def same(one: dict, other: dict) -> bool:
    """Says whether two specs are of one vocabulary, wherever its file lies.

    Args:
      one: from `Vocabulary.spec`.
      other: from `Vocabulary.spec`.

    Returns:
      True if their ids are the same.
    """
    return {**one, "path": bool(one["path"])} == {**other, "path": bool(other["path"])}


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
