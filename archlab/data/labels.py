"""Labels: texts with labels as SeqIO tasks, for who says words and for who says in place."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import seqio
import tensorflow as tf

from archlab.data import labelling
from archlab.data.features import features
from archlab.data.vocabulary import Vocabulary

IDS = ("inputs", "targets")
WEIGHTS = "targets_weights"


@dataclasses.dataclass(frozen=True)
class EncodeLabelled:
    """Lines of labelled text to ids.

    Args:
      vocabulary: to encode with.
      is_headed: whether the label is said in place, and not after the text.
    """

    vocabulary: Vocabulary
    is_headed: bool

    def __call__(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Args: dataset: of lines. Returns: ids by feature, weights of those in place."""
        many = len(IDS) + self.is_headed
        types = [tf.int32, tf.int32, tf.float32][:many]

        def one(line: tf.Tensor) -> dict[str, tf.Tensor]:
            found = tf.numpy_function(self._encoded, [line], types)
            flat = (tf.ensure_shape(values, [None]) for values in found)
            return dict(zip((*IDS, WEIGHTS)[:many], flat, strict=True))

        return dataset.map(one, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _encoded(self, line: bytes) -> list[np.ndarray]:
        found = json.loads(line)
        if self.is_headed:
            *ids, weights = labelling.headed(self.vocabulary, found["text"], found["number"])
            return [*(np.asarray(one, np.int32) for one in ids), np.asarray(weights, np.float32)]
        sides = labelling.said(self.vocabulary, found["text"], found["label"])
        return [np.asarray(one, np.int32) for one in sides]


def register(vocabulary: Vocabulary, folder: str | None) -> None:
    """Registers the tasks of a folder's labelled texts.

    Args:
      vocabulary: to encode with.
      folder: that `labelling.write` wrote to; without one there are no such tasks. Tasks that are
        registered already stay as they are.
    """
    if folder is None or labelling.SAID in seqio.TaskRegistry.names():
        return
    steps: dict[str, list[Callable]] = {
        labelling.SAID: [EncodeLabelled(vocabulary, False), seqio.CacheDatasetPlaceholder()],
        labelling.HEAD: [EncodeLabelled(vocabulary, True)],  # weights are not stored
    }
    for name, own in steps.items():
        files = {split: f"{folder}/{file}" for split, file in labelling.FILES.items()}
        seqio.TaskRegistry.add(
            name,
            source=seqio.TextLineDataSource(files),
            preprocessors=own,
            output_features=features(vocabulary),
        )
