"""Supervision: pairs as SeqIO tasks, whose inputs and targets are left as they are.

An instruction mixture is such a task: `folder_supervised` reads the user's own .jsonl. Its examples
are stored whole, and share rows as they fit (`roads.py`).
"""

import dataclasses

import numpy as np
import seqio
import tensorflow as tf

from archlab.data import pairs, sources
from archlab.data.features import features
from archlab.data.vocabulary import Vocabulary

SUPERVISED = "supervised"  # what is learnt, where others say an objective


@dataclasses.dataclass(frozen=True)
class EncodePairs:
    """The step before the cache: both texts to ids.

    Args:
      vocabulary: to encode with.
    """

    vocabulary: Vocabulary

    def __call__(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Args: dataset: of "inputs" and "targets". Returns: the same, of ids."""

        def encode(text: bytes) -> np.ndarray:
            return np.asarray(self.vocabulary.encode(text.decode("utf-8", "replace")), np.int32)

        def one(text: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(encode, [text], tf.int32), [None])

        return dataset.map(
            lambda pair: {name: one(pair[name]) for name in pairs.NAMES},
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )


def register(name: str, vocabulary: Vocabulary, folder: str | None = None) -> str:
    """Registers a source's pairs.

    Args:
      name: of `sources.SOURCES`.
      vocabulary: to encode with; both sides end in its end.
      folder: for `sources.folder`.

    Returns:
      The task's name. One that is registered already stays as it is.
    """
    task = f"{name}_{SUPERVISED}"
    if task not in seqio.TaskRegistry.names():
        ended = {
            side: dataclasses.replace(feature, add_eos=True, required=True)
            for side, feature in features(vocabulary).items()
        }
        seqio.TaskRegistry.add(
            task,
            source=_own(name, folder),
            preprocessors=[
                EncodePairs(vocabulary),
                seqio.CacheDatasetPlaceholder(),
                seqio.preprocessors.append_eos,
            ],
            output_features=ended,
        )
    return task


COUNTS: dict[str, dict[str, int]] = {}  # of the latest reading of each task's files


def _own(name: str, folder: str | None) -> seqio.FunctionDataSource:
    # Files are looked for when pairs are read: naming a task reads nothing.
    def dataset(split: str, shuffle_files: bool = False, seed: int | None = None):
        found = pairs.pairs(name, folder)
        COUNTS[f"{name}_{SUPERVISED}"] = found.counts
        return tf.data.Dataset.from_generator(
            lambda: (
                {"inputs": sources.utf8(one.inputs), "targets": sources.utf8(one.text)}
                for one in found.documents(split)
            ),
            output_signature={side: tf.TensorSpec([], tf.string) for side in pairs.NAMES},
        )

    return seqio.FunctionDataSource(dataset, splits=sources.SPLITS)
