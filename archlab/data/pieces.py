"""SentencePiece: models that are read, and models that are trained here.

Both have T5's ids: pad 0, end 1, unknown 2, no start.
"""

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from archlab.spelling import not_one_of

KINDS = ("unigram", "bpe")
READ = 4 * 2**20  # characters; a model that is trained on four times as many is hardly better
SENTENCE = 1000  # characters; SentencePiece leaves out what is longer than 4,192 bytes


class Pieces:
    """A SentencePiece model; a `Tokenizer` of `archlab.data.tokenizers`.

    Args:
      path: what it is called in errors.
      raw: the file.

    Raises:
      ValueError: it is no such model.
    """

    pad, end, unknown = 0, 1, 2

    def __init__(self, path: Path, raw: bytes):
        import sentencepiece

        model = sentencepiece.SentencePieceProcessor()
        try:
            model.LoadFromSerializedProto(raw)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{path} is not a SentencePiece model: {error}") from error
        ids = (model.pad_id(), model.eos_id(), model.unk_id())
        if ids != (self.pad, self.end, self.unknown):
            raise ValueError(
                f"{path} has pad, end and unknown at {ids}; archlab needs 0, 1, 2, as T5"
            )
        self.text = model.GetPieceSize()
        is_special = (model.IsControl, model.IsUnknown, model.IsUnused)
        self.special = {
            token: model.IdToPiece(token)
            for token in range(self.text)
            if any(kind(token) for kind in is_special)
        }
        self._model = model

    def encode(self, text: str) -> list[int]:
        """Args: text: that can be UTF-8. Returns: its ids."""
        return self._model.EncodeAsIds(text)

    def encode_all(self, texts: list[str]) -> list[np.ndarray]:
        """Args: texts: that can be UTF-8. Returns: int32 ids of each."""
        return [np.asarray(ids, np.int32) for ids in self._model.EncodeAsIds(texts)]

    def decode(self, ids: list[int]) -> str:
        """Args: ids: none special. Returns: their text."""
        return self._model.DecodeIds(ids)


def train(texts: Iterable[str], path: Path, size: int, kind: str) -> Pieces:
    """Trains a model, the same one to the byte for the same text.

    Nothing of a text is lost in it but "▁", which stands for a space: tabs and line ends stay as
    they are, and what has no piece is spelt in bytes. One thread does it, with at most `READ`
    characters, evenly spread over the texts.

    Args:
      texts: to learn the pieces of.
      path: where to write; nothing may be there.
      size: how many pieces, with pad, end, unknown and 256 bytes.
      kind: one of `KINDS`; T5's is a unigram model.

    Returns:
      The model.

    Raises:
      ValueError: no such kind, no .model file, a file is there, no text, or too little of it for
        so many pieces.
    """
    import sentencepiece

    if kind not in KINDS:
        raise ValueError(f"kind={not_one_of(kind, KINDS)}")
    if path.suffix != ".model":
        raise ValueError(f"{path} does not end in .model, by which SentencePiece models are known")
    if path.exists():
        raise ValueError(f"{path} is there already, and runs may need it; write to another")
    sentences = sample(texts)
    if not sentences:
        raise ValueError("there is no text to train on")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            vocab_size=size,
            model_type=kind,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            num_threads=1,
            minloglevel=2,
        )
    except (OSError, RuntimeError) as error:
        reason = str(error).rpartition("] ")[2]  # before it, where in SentencePiece
        raise ValueError(f"no model of size={size} comes of this text: {reason}") from error
    trained = Pieces(path, model.getvalue())
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}.tmp")
    half.write_bytes(model.getvalue())
    half.replace(path)
    return trained


def density(model: Pieces, texts: Iterable[str]) -> str:
    """Says how much text a token holds.

    Args:
      model: that cuts it.
      texts: that the model was not trained on; as many as hold `READ` bytes are read.

    Returns:
      Bytes per token, and of how many bytes.
    """
    left, counted, tokens = READ, 0, 0
    for text in texts:
        raw = text.encode("utf-8", "replace")[:left]
        left -= len(raw)
        whole = raw.decode("utf-8", "ignore")  # without a letter that is cut in two
        counted += len(whole.encode())
        tokens += len(model.encode(whole))
        if not left:
            break
    if not tokens:
        return "no held-out text to measure it on"
    return f"{counted / tokens:.2f} bytes per token on {counted:,} bytes of held-out text"


def sample(texts: Iterable[str], most: int = READ) -> list[str]:
    r"""Keeps every so manieth line of texts, so many that they fit.

    Example:
      >>> sample(["a\nb\nc\n", "d\ne\nf"], most=3)
      ['a', 'c', 'e']

    Args:
      texts: any number of them; read once.
      most: characters that are kept.

    Returns:
      Lines without what is only white space, at most `SENTENCE` characters each.
    """
    kept, characters, stride = [], 0, 1
    for number, line in enumerate(_lines(texts)):
        if number % stride == 0:
            kept.append(line)
            characters += len(line)
        while characters > most and len(kept) > 1:
            kept, stride = kept[::2], 2 * stride
            characters = sum(map(len, kept))
    return kept


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        # What SentencePiece's trainer cannot read: NUL, and what cannot be UTF-8.
        text = text.replace("\0", "\n").encode("utf-8", "replace").decode()
        for line in text.split("\n"):
            cut = (line[at : at + SENTENCE] for at in range(0, len(line), SENTENCE))
            yield from (part for part in cut if part.strip())
