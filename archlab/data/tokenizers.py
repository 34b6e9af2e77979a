"""Tokenizers: what cuts text into ids and joins them again, each with its library's own ids.

  bytes           no file                              pad, end, unknown at 0, 1, 2
  SentencePiece   FILE.model                           the same, as T5
  Hugging Face    tokenizer.json, BERT's vocab.txt,    as the file names them; those it does
                  GPT-2's encoder.json + vocab.bpe     not name come on top
  numbers         ids:SIZE,PAD,END,UNKNOWN, no file    as said; ids whose text only others know

Text never becomes a special id, even where it reads like one: "</s>" in a document is four letters.
"""

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np

from archlab.data.huggingface import HuggingFace
from archlab.data.pieces import Pieces
from archlab.spelling import beside

BYTES = 256
FIRST = 3  # after pad, end and unknown, of bytes and SentencePiece

# What is looked for in a folder, in this order, and which file goes with which.
USUAL = ("tokenizer.json", "spiece.model", "encoder.json", "vocab.json", "vocab.txt")
BESIDE = {"encoder.json": "vocab.bpe", "vocab.json": "merges.txt"}
NUMBERS = "ids:"  # what begins the name of a vocabulary of numbers
KINDS = {".model": "SentencePiece model", ".json": "tokenizer.json", ".txt": "vocab.txt"}


class Tokenizer(Protocol):
    """What every tokenizer has.

    Args:
      text: one past the last id of its file.
      pad: the id that fills.
      end: the id that ends a document.
      unknown: the id of what has no other.
      special: names of the ids below `text` that are not text.
    """

    text: int
    pad: int
    end: int
    unknown: int
    special: dict[int, str]

    def encode(self, text: str) -> list[int]:
        """Args: text: that can be UTF-8. Returns: its ids, none special but unknown."""

    def encode_all(self, texts: list[str]) -> list[np.ndarray]:
        """Args: texts: that can be UTF-8. Returns: int32 ids of each, as `encode`."""

    def decode(self, ids: list[int]) -> str:
        """Args: ids: none special. Returns: their text."""


class Bytes:
    """UTF-8, byte 0 at id 3; a `Tokenizer`."""

    text = FIRST + BYTES
    pad, end, unknown = range(FIRST)
    special = {pad: "<pad>", end: "<end>", unknown: "<unknown>"}

    def encode(self, text: str) -> list[int]:
        """Args: text: that can be UTF-8. Returns: its ids."""
        return [byte + FIRST for byte in text.encode()]

    def encode_all(self, texts: list[str]) -> list[np.ndarray]:
        """Args: texts: that can be UTF-8. Returns: int32 ids of each."""
        return [np.frombuffer(text.encode(), np.uint8) + np.int32(FIRST) for text in texts]

    def decode(self, ids: list[int]) -> str:
        """Args: ids: none special. Returns: their text; U+FFFD for what is no UTF-8."""
        return bytes(token - FIRST for token in ids).decode("utf-8", errors="replace")


class Numbers:
    """Ids that others made, and only they can read; a `Tokenizer` without text.

    Example:
      >>> Numbers("ids:1000,0,1,1000").decode([17, 4])
      '(17)(4)'

    Args:
      name: "ids:" and how many there are, then pad, end and unknown.
    """

    def __init__(self, name: str):
        self.text, self.pad, self.end, self.unknown = map(
            int, name.removeprefix(NUMBERS).split(",")
        )
        names = {self.pad: "<pad>", self.end: "<end>", self.unknown: "<unknown>"}
        self.special = {token: said for token, said in names.items() if token < self.text}

    def encode(self, text: str) -> list[int]:
        """Args: text: that can be UTF-8. Raises: ValueError: it has no ids."""
        raise ValueError(f"a vocabulary of {self.text} numbers has no ids for text")

    def encode_all(self, texts: list[str]) -> list[np.ndarray]:
        """Args: texts: that can be UTF-8. Raises: ValueError: they have no ids."""
        return [np.asarray(self.encode(text), np.int32) for text in texts]

    def decode(self, ids: list[int]) -> str:
        """Args: ids: none special. Returns: the numbers."""
        return "".join(f"({token})" for token in ids)


def files(path: str) -> tuple[Path, ...]:
    """Finds what a vocabulary is read from.

    Args:
      path: of a file, or of a folder that holds one under its usual name; "" for bytes.

    Returns:
      The files, the one that tells the kind first; none for bytes. For numbers, their name.

    Raises:
      ValueError: there is none, or it is of no kind that is known.
    """
    if not path:
        return ()
    file = Path(path)
    if path.startswith(NUMBERS):
        return (file,)
    if file.is_dir():
        here = [file / name for name in USUAL if (file / name).is_file()]
        if not here:
            raise ValueError(f"{path!r} holds no vocabulary: none of {', '.join(USUAL)}")
        file = here[0]
    if file.suffix not in KINDS:
        raise ValueError(f"vocabulary {path!r} does not end in {', '.join(KINDS)}{beside(file)}")
    if not file.is_file():
        raise ValueError(f"there is no {KINDS[file.suffix]} at {path!r}{beside(file)}")
    other = file.with_name(BESIDE.get(file.name, file.name))
    if not other.is_file():
        raise ValueError(f"there is no {other.name} beside {str(file)!r}")
    return tuple(dict.fromkeys((file, other)))


def read(found: tuple[Path, ...]) -> tuple[Tokenizer, str]:
    """Reads a tokenizer.

    Args:
      found: from `files`.

    Returns:
      It, and a digest of what was read; "" for bytes and numbers.

    Raises:
      ValueError: it is not what its name says, or archlab cannot use it.
    """
    if not found:
        return Bytes(), ""
    if str(found[0]).startswith(NUMBERS):
        return Numbers(str(found[0])), ""
    raw = [file.read_bytes() for file in found]
    is_pieces = found[0].suffix == ".model"
    tokenizer = Pieces(found[0], *raw) if is_pieces else HuggingFace(found[0], *raw)
    return tokenizer, hashlib.sha256(b"".join(raw)).hexdigest()
