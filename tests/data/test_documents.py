"""A task's documents come in the same order each time, in as many parts as there are files."""

import collections

import numpy as np
import pytest
import seqio
import tensorflow as tf

from archlab.data import tasks
from archlab.data.documents import Documents
from archlab.data.vocabulary import Vocabulary

WORDS = Vocabulary()


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})


def documents(name, source, *steps, split="train"):
    """The documents of a task, with steps of its own before the cache."""
    steps = [*steps, seqio.CacheDatasetPlaceholder(), tasks.Corrupt("causal_lm", WORDS)]
    features = tasks.features(WORDS)
    task = seqio.Task(name, source=source, preprocessors=steps, output_features=features)
    return Documents(task, name, split, WORDS)


def lines(folder, files, each=3):
    """Files of lines, and a source of them."""
    for number in range(files):
        text = "".join(f"{number} {line} é\n" for line in range(each))
        (folder / f"{number}.txt").write_text(text)
    return seqio.TextLineDataSource({"train": f"{folder}/*.txt"})


def encoded(one, part=0, parts=1):
    return [one.encode(document) for document in one.read(part, parts)]


def upper(dataset):
    return dataset.map(lambda line: {"text": tf.strings.upper(line)})


def tokenized(dataset):
    return dataset.map(lambda line: {"targets": line, "inputs": ""})


@pytest.mark.parametrize(
    "name, steps",
    [
        ("encode", [tasks.Encode(WORDS)]),
        ("upper", [upper, tasks.Encode(WORDS)]),
        ("seqio", [tokenized, seqio.preprocessors.tokenize]),
        ("ended", [tokenized, seqio.preprocessors.tokenize, seqio.preprocessors.append_eos]),
        (
            "plain",
            [tokenized, lambda dataset: seqio.preprocessors.tokenize(
                dataset, tasks.features(WORDS), copy_pretokenized=False
            )],
        ),
    ],
)  # fmt: skip
def test_ids_and_bytes_of_any_task(tmp_path, name, steps):
    one = documents(name, lines(tmp_path, 1), *steps)
    wanted = [f"0 {line} é" for line in range(3)]
    if name == "upper":
        wanted = [
            text.upper() if text.isascii() else text.upper().replace("É", "é") for text in wanted
        ]
    found = encoded(one)
    assert [WORDS.decode(ids) for ids, _ in found] == wanted
    assert [many for _, many in found] == [len(text.encode()) for text in wanted]
    assert all(ids.dtype == np.int32 for ids, _ in found)


def test_parts_are_files_and_each_document_is_in_one(tmp_path):
    one = documents("many", lines(tmp_path, 5), tasks.Encode(WORDS))
    assert [one.parts(wanted) for wanted in (None, 1, 2, 5, 6)] == [1, 1, 2, 5, 1]
    whole = collections.Counter(one.read())
    assert one.count() == sum(whole.values()) == 15
    for parts in (2, 5):
        each = [[*one.read(part, parts)] for part in range(parts)]
        assert sum(map(collections.Counter, each), collections.Counter()) == whole
        assert each == [[*one.read(part, parts)] for part in range(parts)]
    assert one.known() is None


def test_a_source_that_is_no_files_is_one_part():
    def read(split, shuffle_files=False, seed=None):
        return tf.data.Dataset.from_tensor_slices({"text": ["a", "b"]})

    source = seqio.FunctionDataSource(read, ["train"], num_input_examples={"train": 2})
    one = documents("function", source, tasks.Encode(WORDS))
    assert one.parts(4) == 1 and one.known() == one.count() == 2
    assert [WORDS.decode(ids) for ids, _ in encoded(one)] == ["a", "b"]
    assert one.counts() == {}


def test_text_that_is_no_utf8_is_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n\0\n")
    source = seqio.TextLineDataSource({"train": f"{tmp_path}/a.txt"})
    found = encoded(documents("bad", source, tasks.Encode(WORDS)))
    assert [(WORDS.decode(ids), many) for ids, many in found] == [("caf\ufffd", 6), ("\0", 1)]


def test_chance_before_the_cache_is_the_same_each_time(tmp_path):
    @seqio.map_over_dataset(num_seeds=1)
    def draw(line, seed):
        return {"text": tf.strings.as_string(tf.random.stateless_uniform([], seed))}

    one = documents("chance", lines(tmp_path, 1), draw, tasks.Encode(WORDS))
    assert [*one.read()] == [*one.read()]


def test_a_task_without_ids_is_refused(tmp_path):
    def numbers(dataset):
        return dataset.map(lambda line: {"targets": 5})

    for name, step in (("none", upper), ("number", numbers)):
        with pytest.raises(ValueError, match=f"'{name}' has no list of ids called 'targets'"):
            encoded(documents(name, lines(tmp_path, 1), step))
