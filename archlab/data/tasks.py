"""Tasks: sources and objectives, registered with SeqIO, and encoded once for the index.

`register("mine", source)` names `mine_causal_lm`, `mine_prefix_lm`, `mine_span_corruption` and
`mine_masked_lm`, ordinary SeqIO tasks; mixtures of them are SeqIO's own. Everything before a task's
cache placeholder runs once, into a token store; what comes after it is the objective.

This is the one file that imports SeqIO and TensorFlow, and `python -m archlab.data.build` the one
process that does so while a model trains.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import seqio
import tensorflow as tf

from archlab.data import sources
from archlab.data.order import noise
from archlab.data.rows import DECODER, ENCODER, OBJECTIVES, PAIR, Row
from archlab.data.vocabulary import Vocabulary
from archlab.spelling import nearest

TEXT = "text"
IDS = "targets"
FIELDS = ("inputs", "targets", "weights")  # of an `Example`
FEATURES = ("inputs", "targets", "targets_weights")  # the same, in SeqIO's words
C4 = "c4/en:3.1.0"


@dataclasses.dataclass(frozen=True)
class Encode:
    """The step before the cache: text to ids.

    Args:
      vocabulary: to encode with.
    """

    vocabulary: Vocabulary

    def __call__(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Args: dataset: of "text", or of lines. Returns: the same, with "targets" only."""

        def encode(text: bytes) -> np.ndarray:
            return np.asarray(self.vocabulary.encode(text.decode("utf-8", "replace")), np.int32)

        def one(example):
            text = example[TEXT] if isinstance(example, Mapping) else example
            ids = tf.numpy_function(encode, [text], tf.int32)
            ids.set_shape([None])
            return {IDS: ids}

        return dataset.map(one, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


@dataclasses.dataclass(frozen=True)
class Corrupt:
    """The step after the cache: documents to examples, for SeqIO's own readers.

    Documents are joined and cut to the objective's length. Encoder-decoder objectives fill inputs
    and targets; the others have one text, as long as the targets. Chance depends on the seed and on
    the text, never on a place in the stream: two shards of one seed do not share their masks.

    Args:
      objective: a key of `OBJECTIVES`.
      vocabulary: of the ids.
      sequence_length: tokens of "inputs" and "targets"; SeqIO puts it into a copy.
    """

    objective: str
    vocabulary: Vocabulary
    sequence_length: Mapping[str, int] | None = None

    @property
    def kind(self) -> str:
        """The kind of row that SeqIO's feature converters expect of this objective."""
        kinds = OBJECTIVES[self.objective].kinds
        return next(kind for kind in (PAIR, DECODER, ENCODER) if not kinds[kind])

    def __call__(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Args: dataset: of "targets". Returns: "inputs", "targets", "targets_weights"."""
        if not self.sequence_length:
            raise ValueError(f"{self.objective} needs a sequence_length to fill")
        objective = OBJECTIVES[self.objective]
        inputs = self.sequence_length.get("inputs", 0) if self.kind == PAIR else 0
        row = Row(inputs, self.sequence_length["targets"], self.kind)
        objective.check(self.objective, row, self.vocabulary)
        raw, own_seed = objective.raw(row), _seed()

        def end(example):
            return tf.data.Dataset.from_tensor_slices(
                tf.concat([example[IDS], [self.vocabulary.end]], axis=0)
            )

        def corrupt(tokens: np.ndarray):
            ends = np.flatnonzero(tokens == self.vocabulary.end) + 1
            key = noise(*own_seed, hashlib.sha256(tokens.tobytes()).hexdigest())
            examples = objective.examples(tokens, ends, key, row, self.vocabulary)
            parts = [[getattr(one, field) for one in examples] for field in FIELDS]
            lengths = [[len(array) for array in part] for part in parts]
            return [np.concatenate(part) for part in parts] + [np.asarray(lengths, np.int64)]

        def some(tokens):
            *flat, lengths = tf.numpy_function(
                corrupt, [tokens], [tf.int32, tf.int32, tf.float32, tf.int64]
            )
            lengths.set_shape([len(FIELDS), None])
            ragged = {
                name: tf.RaggedTensor.from_row_lengths(tf.ensure_shape(values, [None]), lengths[n])
                for n, (name, values) in enumerate(zip(FEATURES, flat, strict=True))
            }
            return tf.data.Dataset.from_tensor_slices(ragged)

        return dataset.flat_map(end).batch(raw, drop_remainder=True).flat_map(some)


def _seed() -> list[int]:
    """The seed that SeqIO has for this step; another one each time where it was given none."""
    drawn = seqio.map_over_dataset(lambda _, seed: seed, num_seeds=1)
    return [int(part) for part in next(drawn(tf.data.Dataset.range(1)).as_numpy_iterator())]


def features(vocabulary: Vocabulary) -> dict[str, seqio.Feature]:
    """Says what a task's examples hold, in SeqIO's words.

    Args:
      vocabulary: of the ids.

    Returns:
      Features "inputs" and "targets", with a SeqIO vocabulary of the same ids.
    """
    if vocabulary.path:
        own = seqio.SentencePieceVocabulary(vocabulary.path, extra_ids=vocabulary.extra_ids)
    else:
        own = seqio.ByteVocabulary(extra_ids=vocabulary.extra_ids)
    return {
        "inputs": seqio.Feature(own, add_eos=False, required=False),
        "targets": seqio.Feature(own, add_eos=False),
    }


def register(
    name: str,
    source: seqio.DataSource | None = None,
    vocabulary: Vocabulary | None = None,
    objectives: Sequence[str] = tuple(OBJECTIVES),
    folder: str | None = None,
) -> list[str]:
    """Registers a source with each objective, as SeqIO tasks.

    Example:
      tasks.register("wiki", seqio.TextLineDataSource({"train": "wiki.txt"}))
      seqio.MixtureRegistry.add("both", [("wiki_prefix_lm", 1), ("wiki_span_corruption", 3)])

    Args:
      name: what the tasks' names begin with.
      source: of examples with "text", or of lines; the source of `sources.SOURCES` by that name
        unless given.
      vocabulary: to encode with; bytes unless given.
      objectives: keys of `OBJECTIVES`; all of them unless given.
      folder: for `sources.folder`.

    Returns:
      The tasks' names. Those that are registered already, in the same words, stay as they are.

    Raises:
      ValueError: an unknown source or objective, or a name that is taken by something else.
    """
    vocabulary = vocabulary or Vocabulary()
    if source is None:
        if name not in sources.SOURCES:
            raise ValueError(f"no source {name!r}{nearest(name, sources.SOURCES)}")
        source = _own(name, folder)
    names = []
    for objective in objectives:
        if objective not in OBJECTIVES:
            raise ValueError(f"no objective {objective!r}{nearest(objective, OBJECTIVES)}")
        task = f"{name}_{objective}"
        names.append(task)
        steps = [
            Encode(vocabulary),
            seqio.CacheDatasetPlaceholder(),
            Corrupt(objective, vocabulary),
        ]
        if task in seqio.TaskRegistry.names():
            there = seqio.TaskRegistry.get(task)
            if there.preprocessors[-1] == steps[-1] and _is_same(there.source, source):
                continue
            raise ValueError(f"task {task!r} is registered already, with other steps")
        seqio.TaskRegistry.add(
            task, source=source, preprocessors=steps, output_features=features(vocabulary)
        )
    return names


def register_all(folder: str | None, vocabulary: Vocabulary, tfds: str | None = None) -> None:
    """Registers the sources that archlab knows. Nothing is read or downloaded for it.

    Args:
      folder: the user's own text, for `folder_…`.
      vocabulary: for `folder_…` and `c4_…`; `python_stdlib_…` are bytes.
      tfds: where TensorFlow Datasets keeps its files, for `c4_…`.
    """
    register("python_stdlib")
    register("folder", vocabulary=vocabulary, folder=folder)
    register("c4", _c4(tfds), vocabulary)


@functools.cache
def _c4(tfds: str | None) -> seqio.TfdsDataSource:
    splits = {"train": "train", "validation": "validation"}
    return seqio.TfdsDataSource(C4, splits=splits, tfds_data_dir=tfds)


def _is_same(one: seqio.DataSource, other: seqio.DataSource) -> bool:
    return one is other or (type(one) is type(other) and vars(one) == vars(other))


@functools.cache
def _own(name: str, folder: str | None) -> seqio.FunctionDataSource:
    # Files are looked for when text is read: naming a task reads nothing.
    def dataset(split: str, shuffle_files: bool = False, seed: int | None = None):
        found = sources.SOURCES[name](folder)
        COUNTS[name] = found.counts
        return tf.data.Dataset.from_generator(
            lambda: ({TEXT: _bytes(one.text)} for one in found.documents(split)),
            output_signature={TEXT: tf.TensorSpec([], tf.string)},
        )

    return seqio.FunctionDataSource(dataset, splits=sources.SPLITS)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # JSON may hold lone surrogates


COUNTS: dict[str, dict[str, int]] = {}  # of the latest reading of each of our own sources


@dataclasses.dataclass(frozen=True)
class Part:
    """One task of a mixture.

    Args:
      task: as registered.
      rate: how often it comes, in any unit.
      corrupt: its objective.
    """

    task: seqio.Task
    rate: float
    corrupt: Corrupt

    def ids(self, split: str) -> Iterator[np.ndarray]:
        """Reads the documents of a split, encoded.

        Args:
          split: of the task.

        Yields:
          int32 ids of each.
        """
        dataset = self.task.source.get_dataset(split=split, shuffle=False)
        for step in self.task.preprocessors[:-2]:  # then come the cache and the objective
            dataset = step(dataset)
        for example in dataset.as_numpy_iterator():
            yield example[IDS]


def known() -> set[str]:
    """Names of all tasks and mixtures that are registered."""
    return {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}


def resolve(name: str) -> list[Part]:
    """Finds the tasks of a mixture, however deep, with their rates.

    Args:
      name: of a SeqIO task or mixture.

    Returns:
      Its tasks.

    Raises:
      ValueError: no such name, or a task that was not registered by `register`.
    """
    if name not in known():
        raise ValueError(f"no task or mixture {name!r}{nearest(name, known())}")
    found = seqio.get_mixture_or_task(name)
    tasks = [found] if isinstance(found, seqio.Task) else found.tasks
    parts = []
    for task in tasks:
        steps = list(task.preprocessors)
        *_, before, last = [None, None, *steps]
        if not isinstance(last, Corrupt) or not isinstance(before, seqio.CacheDatasetPlaceholder):
            raise ValueError(
                f"task {task.name!r} has steps of its own after its cache placeholder, which an "
                "index cannot address; register its source with archlab.data.tasks.register"
            )
        rate = 1.0 if isinstance(found, seqio.Task) else float(found.get_rate(task))
        parts.append(Part(task, rate, last))
    return parts
