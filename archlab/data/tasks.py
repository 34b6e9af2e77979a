"""Tasks: sources and objectives, registered with SeqIO, and encoded once for the index.

`register("mine", source)` names `mine_causal_lm` and so on, an ordinary SeqIO task for each
objective, and the mixtures `mine_ul2` and `mine_ul2r`; other mixtures are SeqIO's own. Everything
before a task's cache placeholder runs once, into a token store; what comes after it is the
objective.

This file, `corpora`, `files`, `supervision` and `features` import SeqIO and TensorFlow, and so do
those that know them; the process that trains knows none.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import seqio
import tensorflow as tf

from archlab.data import corpora, files, labels, sources, supervision
from archlab.data.chance import Chance
from archlab.data.examples import Text
from archlab.data.features import Adapter, encoded, features
from archlab.data.objectives.table import MIXTURES, OBJECTIVES
from archlab.data.options import Data
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.sources import TEXT
from archlab.data.tokenizers import NUMBERS
from archlab.data.vocabulary import Vocabulary
from archlab.spelling import nearest

IDS = "targets"
FEATURES = ("inputs", "targets", "targets_weights")  # of an example, in SeqIO's words


@dataclasses.dataclass(frozen=True)
class Encode:
    """The step before the cache: text to ids.

    Args:
      vocabulary: to encode with.
    """

    vocabulary: Vocabulary

    def __call__(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Args: dataset: of "text", or of lines. Returns: the same, with "targets" only."""

        def one(example):
            text = example[TEXT] if isinstance(example, Mapping) else example
            return {IDS: encoded(text, self.vocabulary)}

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
        refusal = OBJECTIVES[self.objective].refusal
        return next(kind for kind in (PAIR, ENCODER, DECODER) if not refusal(kind))

    def __call__(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Args: dataset: of "targets". Returns: "inputs", "targets", "targets_weights"."""
        if not self.sequence_length:
            raise ValueError(f"{self.objective} needs a sequence_length to fill")
        objective = OBJECTIVES[self.objective]
        inputs = self.sequence_length.get("inputs", 0) if self.kind == PAIR else 0
        row = Row(inputs, self.sequence_length["targets"], self.kind)
        objective.check(self.objective, row, self.vocabulary)
        raw, own_seed = objective.raw(row, self.vocabulary), _seed()

        def end(example):
            return tf.data.Dataset.from_tensor_slices(
                tf.concat([example[IDS], [self.vocabulary.end]], axis=0)
            )

        def corrupt(tokens: np.ndarray):
            ends = np.flatnonzero(tokens == self.vocabulary.end) + 1
            length_S = np.diff(np.unique([*ends, len(tokens)]), prepend=0)
            text = Text(tokens, length_S, np.zeros_like(length_S), 1)
            chance = Chance((*own_seed, hashlib.sha256(tokens.tobytes()).hexdigest()), 0, 1)
            made = objective.examples(text, chance, row, self.vocabulary)
            inputs_M, targets_L = made.apart()
            weights_L = made.weights_L
            if weights_L is None:
                weights_L = np.ones(len(targets_L), np.float32)
            lengths = np.stack([made.given_S, made.learnt_S, made.learnt_S])
            return [inputs_M, targets_L, weights_L, lengths.astype(np.int64)]

        def some(tokens):
            *flat, lengths = tf.numpy_function(
                corrupt, [tokens], [tf.int32, tf.int32, tf.float32, tf.int64]
            )
            lengths.set_shape([len(FEATURES), None])
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


def register(
    name: str,
    source: seqio.DataSource | None = None,
    vocabulary: Vocabulary | None = None,
    objectives: Sequence[str] = tuple(OBJECTIVES),
    folder: str | None = None,
) -> list[str]:
    """Registers a source with each objective, as SeqIO tasks, and UL2's mixtures.

    Example:
      tasks.register("wiki", seqio.TextLineDataSource({"train": "wiki.txt"}))
      tasks.register("news", files.source("news/*.jsonl.gz", text="body"))
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
        source = files.own(name, folder)
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
    for mixture, rates in MIXTURES.items():
        is_new = f"{name}_{mixture}" not in seqio.MixtureRegistry.names()
        if is_new and {*rates} <= {*objectives}:
            parts = [(f"{name}_{one}", rate) for one, rate in rates.items()]
            seqio.MixtureRegistry.add(f"{name}_{mixture}", parts)
    return names


def vocabulary(task: seqio.Task) -> Vocabulary:
    """Finds the vocabulary of a task that others registered.

    Args:
      task: with a feature "targets".

    Returns:
      One with the same ids, its sentinels where SeqIO's extra ids are; of a kind that is not known
      here, their numbers only.
    """
    own = task.output_features[IDS].vocabulary
    if isinstance(own, Adapter):
        return own.own
    if isinstance(own, seqio.ByteVocabulary):
        return Vocabulary(seqio_ids=own.extra_ids)
    if isinstance(own, seqio.SentencePieceVocabulary):
        return Vocabulary(own.sentencepiece_model_file, seqio_ids=own.extra_ids)
    # An end or an unknown that it lacks stands above all its ids, sentinels too.
    extra_ids = own.extra_ids if None not in (own.eos_id, own.unk_id) else 0
    size = own.vocab_size - extra_ids
    end = size if own.eos_id is None else own.eos_id
    unknown = max(size, end + 1) if own.unk_id is None else own.unk_id
    return Vocabulary(f"{NUMBERS}{size},{own.pad_id},{end},{unknown}", seqio_ids=extra_ids)


def register_all(data: Data, vocabulary: Vocabulary) -> None:
    """Registers the sources that archlab knows. Nothing is read or downloaded for it.

    Args:
      data: where they are.
      vocabulary: of all but `python_stdlib_…`, which are bytes.
    """
    register("python_stdlib")
    register("folder", vocabulary=vocabulary, folder=data.folder)
    for name, source in corpora.sources(data).items():
        register(name, source, vocabulary)
    corpora.mix(data, OBJECTIVES)
    supervision.register("python_stdlib")
    supervision.register("folder", vocabulary=vocabulary, folder=data.folder)
    labels.register(vocabulary, data.folder)


def _is_same(one: seqio.DataSource, other: seqio.DataSource) -> bool:
    return one is other or (type(one) is type(other) and vars(one) == vars(other))


def known() -> set[str]:
    """Names of all tasks and mixtures that are registered."""
    return {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
