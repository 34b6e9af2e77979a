"""The examples of a task are those that SeqIO makes, always in the same order."""

import numpy as np
import pytest
import seqio
import tensorflow as tf

from archlab.data.documents import Made
from archlab.data.vocabulary import Vocabulary

V = Vocabulary(seqio_ids=100)
TEXTS = [("a question", "an answer"), ("", "no question"), ("another", "é 犬")]


@seqio.map_over_dataset(num_seeds=1)
def drawn(one, seed):
    many = tf.random.stateless_uniform([], seed, 1, 9, tf.int32)
    return {**one, "targets": one["targets"][:many]}


def task(*steps, features=("inputs", "targets"), texts=TEXTS):
    """A task over the texts, not registered."""

    def made(split, shuffle_files, seed=None):
        assert not shuffle_files
        inputs, targets = zip(*texts, strict=True)
        return tf.data.Dataset.from_tensor_slices({"inputs": [*inputs], "targets": [*targets]})

    feature = seqio.Feature(seqio.ByteVocabulary(extra_ids=100))
    return seqio.Task(
        "mine",
        source=seqio.FunctionDataSource(made, splits=["train", "validation"]),
        preprocessors=[seqio.preprocessors.tokenize, seqio.CacheDatasetPlaceholder(), *steps],
        output_features={name: feature for name in features},
    )


def made(*steps, **settings):
    found = Made(task(*steps, **settings), "mine", "train", V)
    return [(ids.tolist(), many) for ids, many in map(found.encode, found.read())]


def test_inputs_and_targets_are_joined():
    wanted = [(V.encode(a) + V.encode(b), len(V.encode(a))) for a, b in TEXTS]
    assert made() == wanted
    ended = [([*V.encode(a), 1, *V.encode(b), 1], len(V.encode(a)) + 1) for a, b in TEXTS]
    assert made(seqio.preprocessors.append_eos) == ended
    assert made(seqio.preprocessors.append_eos_after_trim) == ended


def test_an_input_that_is_no_feature_is_no_input():
    assert made(features=("targets",)) == [(V.encode(b), 0) for _, b in TEXTS]


def test_draws_are_seeded():
    assert made(drawn) == made(drawn) != made()


def test_it_is_one_part_of_unknown_length():
    found = Made(task(lambda dataset: dataset.repeat(3)), "mine", "train", V)
    assert (found.parts(8), found.known(), found.count(), found.counts()) == (1, None, 9, {})


def weighed(weight):
    def step(dataset):
        return dataset.map(
            lambda one: {**one, "targets_weights": tf.fill([tf.size(one["targets"])], weight)}
        )

    return step


def test_weights_are_not_kept():
    assert made(weighed(1.0)) == made()
    with pytest.raises(ValueError, match="'mine' weighs its targets; Data.road='streaming'"):
        made(weighed(0.5))


def test_steps_that_ask_how_long_rows_are_are_refused():
    def cut(dataset, sequence_length):
        return dataset.take(sequence_length["targets"])

    with pytest.raises(ValueError, match="'mine' cannot make examples before .*'streaming'"):
        made(cut)
    assert made(lambda dataset, sequence_length=None: dataset) == made()


def test_ids_are_int32():
    found = Made(task(texts=[("", "")]), "mine", "train", V)
    ((ids, many),) = map(found.encode, found.read())
    assert (ids.dtype, len(ids), many) == (np.int32, 0, 0)
