"""Supervision: pairs as SeqIO tasks, whose inputs and targets are left as they are.

An instruction mixture is such a task: `folder_supervised` reads the user's own .jsonl. Its examples
are stored whole, and share rows as they fit (`roads.py`).
"""

import dataclasses

import seqio
import tensorflow as tf

from archlab.data import files, pairs, sources
from archlab.data.features import encoded, features
from archlab.data.vocabulary import Vocabulary
from archlab.spelling import nearest


@dataclasses.dataclass(frozen=True)
class EncodePairs:
    """The step before the cache: both texts to ids.

    Args:
      vocabulary: to encode with.
    """

    vocabulary: Vocabulary

    def __call__(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Args: dataset: of "inputs" and "targets". Returns: the same, of ids."""
        return dataset.map(
            lambda pair: {side: encoded(pair[side], self.vocabulary) for side in pairs.NAMES},
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )


def register(
    name: str,
    source: seqio.DataSource | None = None,
    vocabulary: Vocabulary | None = None,
    folder: str | None = None,
) -> str:
    """Registers a source's pairs.

    Example:
      supervision.register("quiz", files.source("q.jsonl", inputs="question", targets="answer"))

    Args:
      name: what the task's name begins with.
      source: of examples with "inputs" and "targets"; the pairs of the source of `sources.SOURCES`
        by that name unless given.
      vocabulary: to encode with; bytes unless given. Both sides end in its end.
      folder: for `sources.folder`.

    Returns:
      The task's name. One that is registered already, with the same source, stays as it is.

    Raises:
      ValueError: an unknown source, or a name that is taken by something else.
    """
    vocabulary, task = vocabulary or Vocabulary(), f"{name}_{pairs.SUPERVISED}"
    if source is None:
        if name not in sources.SOURCES:
            raise ValueError(f"no source {name!r}{nearest(name, sources.SOURCES)}")
        source = files.own_pairs(name, folder)
    if task not in seqio.TaskRegistry.names():
        ended = {
            side: dataclasses.replace(feature, add_eos=True, required=True)
            for side, feature in features(vocabulary).items()
        }
        seqio.TaskRegistry.add(
            task,
            source=source,
            preprocessors=[
                EncodePairs(vocabulary),
                seqio.CacheDatasetPlaceholder(),
                seqio.preprocessors.append_eos,
            ],
            output_features=ended,
        )
    elif seqio.TaskRegistry.get(task).source is not source:
        raise ValueError(f"task {task!r} is registered already, with another source")
    return task
