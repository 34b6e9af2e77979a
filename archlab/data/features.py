"""Features: what a task's examples hold, in SeqIO's words, with a SeqIO vocabulary of the same ids.

Bytes and SentencePiece are SeqIO's own vocabularies. For Hugging Face tokenizers SeqIO has none, so
`Adapter` hands their ids on. Not all that SeqIO does suits them: its converters take id 0 for
padding, and GPT-2's id 0 is "!".
"""

from collections.abc import Iterable, Sequence

import numpy as np
import seqio
import tensorflow as tf

from archlab.data.vocabulary import Vocabulary


def features(vocabulary: Vocabulary) -> dict[str, seqio.Feature]:
    """Says what a task's examples hold.

    Args:
      vocabulary: of the ids.

    Returns:
      Features "inputs" and "targets", with a SeqIO vocabulary of the same ids.
    """
    if not vocabulary.path:
        own = seqio.ByteVocabulary(extra_ids=vocabulary.extra_ids)
    elif vocabulary.path.endswith(".model"):
        own = seqio.SentencePieceVocabulary(vocabulary.path, extra_ids=vocabulary.extra_ids)
    else:
        own = Adapter(vocabulary)
    return {
        "inputs": seqio.Feature(own, add_eos=False, required=False),
        "targets": seqio.Feature(own, add_eos=False),
    }


def encoded(text: tf.Tensor, vocabulary: Vocabulary) -> tf.Tensor:
    """Turns a text into ids, within a dataset.

    Args:
      text: one, as bytes.
      vocabulary: to encode with.

    Returns:
      int32 ids, without an end.
    """

    def encode(text: bytes) -> np.ndarray:
        raw = np.asarray(text, object).item()  # TensorFlow makes an array of an empty text
        return np.asarray(vocabulary.encode(raw.decode("utf-8", "replace")), np.int32)

    return tf.ensure_shape(tf.numpy_function(encode, [text], tf.int32), [None])


class Adapter(seqio.Vocabulary):
    """A vocabulary as SeqIO calls it.

    Args:
      vocabulary: whose ids they are.
    """

    def __init__(self, vocabulary: Vocabulary):
        # For SeqIO the extra ids begin above the end, which may stand above the text.
        super().__init__(extra_ids=vocabulary.size - vocabulary.beyond)
        self.own = vocabulary

    @property
    def bos_id(self) -> None:
        """None: no text begins with one."""

    @property
    def pad_id(self) -> int:
        """The vocabulary's pad."""
        return self.own.pad

    @property
    def eos_id(self) -> int:
        """The vocabulary's end."""
        return self.own.end

    @property
    def unk_id(self) -> int:
        """The vocabulary's unknown."""
        return self.own.unknown

    @property
    def _base_vocab_size(self) -> int:
        return self.own.beyond

    def _encode(self, s: str) -> Sequence[int]:
        return self.own.encode(s)

    def _decode(self, ids: Iterable[int]) -> str:
        # As SeqIO's own: an answer is what stands before the end.
        return self.own.decode(one for one in ids if one != self.own.end)

    def _encode_tf(self, s: tf.Tensor) -> tf.Tensor:
        return encoded(s, self.own)

    def _decode_tf(self, ids: tf.Tensor) -> tf.Tensor:
        def decode(ids_L: np.ndarray) -> bytes:
            return self.own.decode(one for one in ids_L if one != self.own.end).encode()

        return tf.ensure_shape(tf.numpy_function(decode, [ids], tf.string), [])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Adapter) and self.own == other.own
