"""Text to ids and back, without TensorFlow.

Ids, lowest first: pad, end, unknown, the text's own, then archlab's on top:

  0 pad · 1 end · 2 unknown · text … · mask · modes R S X · sentinels, the first one highest

Sentinel i is `size - 1 - i`, as T5's preprocessors reckon it. Seen from SeqIO, everything above the
text is `extra_ids`, so SeqIO's own vocabularies have the same ids.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

SENTINELS = 100  # T5's number; the byte vocabulary has more, to fill its table
MULTIPLE = 128  # the table's rows are rounded up to it, so that they divide over a mesh
MODES = ("R", "S", "X")  # UL2's denoisers
BYTES = 256
FIRST = 3  # after pad, end and unknown


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """A vocabulary: UTF-8 bytes, or a SentencePiece model.

    Example, bytes:
      >>> vocabulary = Vocabulary()
      >>> vocabulary.encode("hé")
      [107, 198, 172]
      >>> vocabulary.decode([107, vocabulary.sentinel(0), 1])
      'h<S0><end>'
      >>> vocabulary.size
      384

    Args:
      path: of a SentencePiece model; "" for bytes.

    Raises:
      ValueError: the file is not there, or is not a SentencePiece model with pad, end and unknown
        at 0, 1 and 2.
    """

    path: str = ""

    pad, end, unknown = 0, 1, 2

    def __post_init__(self):
        if self.path:
            self._model  # noqa: B018 - a file that cannot be read is refused here

    @functools.cached_property
    def _raw(self) -> bytes:
        if not Path(self.path).is_file():
            raise ValueError(f"there is no SentencePiece model at {self.path!r}")
        return Path(self.path).read_bytes()

    @functools.cached_property
    def _model(self):
        import sentencepiece

        model = sentencepiece.SentencePieceProcessor()
        try:
            model.LoadFromSerializedProto(self._raw)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{self.path} is not a SentencePiece model: {error}") from error
        ids = (model.pad_id(), model.eos_id(), model.unk_id())
        if ids != (self.pad, self.end, self.unknown):
            raise ValueError(
                f"{self.path} has pad, end and unknown at {ids}; archlab needs 0, 1, 2, as T5"
            )
        return model

    @functools.cached_property
    def _sha256(self) -> str:
        return hashlib.sha256(self._raw).hexdigest()  # what was loaded, whatever lies there now

    @functools.cached_property
    def text(self) -> int:
        """One past the last id that stands for text."""
        return self._model.GetPieceSize() if self.path else FIRST + BYTES

    @functools.cached_property
    def size(self) -> int:
        """Rows of the embedding table; a multiple of 128."""
        return -(-(self.text + 1 + len(MODES) + SENTINELS) // MULTIPLE) * MULTIPLE

    @property
    def extra_ids(self) -> int:
        """Ids above the text, as SeqIO counts them."""
        return self.size - self.text

    @property
    def mask(self) -> int:
        """The id that stands for a masked token."""
        return self.text

    @property
    def modes(self) -> dict[str, int]:
        """The ids that name UL2's denoisers."""
        return {mode: self.mask + 1 + number for number, mode in enumerate(MODES)}

    @property
    def sentinels(self) -> int:
        """How many sentinels there are."""
        return self.extra_ids - 1 - len(MODES)

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
        return self.size - 1 - number

    def encode(self, text: str) -> list[int]:
        """Turns text into ids, without an end.

        Args:
          text: any; what cannot be UTF-8 (lone surrogates) becomes "?".

        Returns:
          The ids.
        """
        raw = text.encode("utf-8", errors="replace")
        if self.path:
            return self._model.EncodeAsIds(raw.decode("utf-8"))
        return [byte + FIRST for byte in raw]

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
            if FIRST <= token < self.text:
                pending.append(token)
                continue
            said += [self._plain(pending), self.name(token)]
            pending = []
        return "".join([*said, self._plain(pending)])

    def name(self, token: int) -> str:
        """Names an id that is not text.

        Args:
          token: the id.

        Returns:
          "<end>", "<unknown>", "<mask>", "<R>", "<S0>" and the like; "" for padding.

        Raises:
          ValueError: an id that is text, or is not in the vocabulary.
        """
        names = {self.pad: "", self.end: "<end>", self.unknown: "<unknown>", self.mask: "<mask>"}
        names |= {token: f"<{mode}>" for mode, token in self.modes.items()}
        if token in names:
            return names[token]
        if self.size - self.sentinels <= token < self.size:
            return f"<S{self.size - 1 - token}>"
        raise ValueError(f"id {token} is not one of the {self.size} of this vocabulary")

    def _plain(self, ids: list[int]) -> str:
        if self.path:
            return self._model.DecodeIds(ids)
        return bytes(token - FIRST for token in ids).decode("utf-8", errors="replace")

    def spec(self) -> dict:
        """What a file needs to say to build it again.

        Returns:
          JSON-able; `from_spec` reads it. Of a model its digest too, for another model with as many
          ids may come to lie at the same path.
        """
        spec = {"path": self.path, "size": self.size}
        return spec | {"sha256": self._sha256} if self.path else spec

    @staticmethod
    def from_spec(spec: dict) -> "Vocabulary":
        """Builds a vocabulary from what was kept of it.

        Args:
          spec: from `spec`.

        Returns:
          The vocabulary.

        Raises:
          ValueError: the model file is not there, or is another one.
        """
        vocabulary = Vocabulary(spec["path"])
        for fact, now in vocabulary.spec().items():
            if spec.get(fact) != now:
                raise ValueError(
                    f"{spec['path'] or 'the byte vocabulary'} has {fact} {now} and had "
                    f"{spec.get(fact)}; it is not what the text was encoded with: put that model "
                    "back, or give the new one a path of its own"
                )
        return vocabulary
