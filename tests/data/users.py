"""A user's folder: text in every kind of file that SeqIO reads, and a module with tasks over it."""

import json
from pathlib import Path

import tensorflow_datasets as datasets

LINES = [
    "the cat sees the dog",
    "é 犬",
    "under the tree",
    *(f"line {n} of many" for n in range(60)),
]
HELD_OUT = ["a line that is held out", "and another"]
PAIRS = [(f"say {n}", "so " * (n % 4) + f"it is {n}") for n in range(40)]
NUMBERS = [[5, 900, 7 + n] for n in range(30)]

MODULE = """
import functools
import json
import os

import seqio
import tensorflow as tf
from t5.data import preprocessors as t5

HERE = os.path.dirname(os.path.abspath(__file__))
ENDED = seqio.Feature(seqio.ByteVocabulary(extra_ids=100))
GIVEN = seqio.Feature(seqio.ByteVocabulary(extra_ids=100), required=False)
BOTH = {"inputs": GIVEN, "targets": ENDED}
CACHE, tokenize = seqio.CacheDatasetPlaceholder(), seqio.preprocessors.tokenize
end, trim = seqio.preprocessors.append_eos, seqio.preprocessors.append_eos_after_trim


def files(name):
    return {split: os.path.join(HERE, f"{split}.{name}") for split in ("train", "validation")}


def add(name, source, before, after, features=BOTH):
    seqio.TaskRegistry.add(
        name, source=source, preprocessors=[*before, *after], output_features=features
    )


def lines(dataset):
    return dataset.map(lambda line: {"targets": line})


def field(dataset, name):
    return dataset.map(lambda one: {"targets": one[name]})


def pairs(dataset):
    def split(line):
        parts = tf.strings.split(line, "\\t")
        return {"inputs": parts[0], "targets": parts[1]}

    return dataset.map(split)


def backwards(dataset):
    return dataset.map(lambda one: {"targets": tf.reverse(one["targets"], [0])})


def source():
    return seqio.TextLineDataSource(files("txt"))


text = [lines, tokenize, CACHE]
add("lines_span", source(), text, [t5.span_corruption, trim])
add("lines_prefix", source(), [lines, tokenize, CACHE], [t5.prefix_lm, trim])
add("lines_whole", source(), text, [t5.full_lm], {"targets": ENDED})
add("lines_backwards", source(), text, [backwards, trim])
add("lines_uncached", source(), [lines, tokenize], [trim])
add("lines_upper", source(), [lines, lambda ds: ds.map(lambda one: {"targets": tf.strings.upper(
    one["targets"])}), tokenize, CACHE], [t5.span_corruption, trim])
add("lines_lower", source(), [lines, lambda ds: ds.map(lambda one: {"targets": tf.strings.lower(
    one["targets"])}), tokenize, CACHE], [t5.span_corruption, trim])
add("lines_ended", source(), text, [t5.span_corruption])
add("pairs", seqio.TextLineDataSource(files("tsv")), [pairs, tokenize, CACHE], [end])
add(
    "records_span",
    seqio.TFExampleDataSource(
        {"train": os.path.join(HERE, "train.tfrecord")},
        {"text": tf.io.FixedLenFeature([], tf.string)},
    ),
    [functools.partial(field, name="text"), tokenize, CACHE],
    [t5.span_corruption, trim],
)
add(
    "tfds_span",
    seqio.TfdsDataSource("lines:1.0.0", tfds_data_dir=HERE),
    [functools.partial(field, name="body"), tokenize, CACHE],
    [t5.span_corruption, trim],
)


def made(split, shuffle_files, seed=None):
    with open(os.path.join(HERE, f"{split}.txt")) as file:
        return tf.data.Dataset.from_tensor_slices({"text": file.read().splitlines()})


function = seqio.FunctionDataSource(made, splits=["train", "validation"])
add("function_span", function, [functools.partial(field, name="text"), tokenize, CACHE],
    [t5.span_corruption, trim])


def numbers(split, shuffle_files, seed=None):
    with open(os.path.join(HERE, "numbers.json")) as file:
        ids = tf.constant(json.load(file), tf.int32)
    return tf.data.Dataset.from_tensor_slices({"inputs": ids, "targets": ids[:, ::-1]})


plain = seqio.Feature(seqio.PassThroughVocabulary(1000, eos_id=1))
for name, before in (("numbers", [CACHE]), ("numbers_streamed", [])):
    add(name, seqio.FunctionDataSource(numbers, splits=["train"]), before, [end],
        {"inputs": plain, "targets": plain})

mixed = seqio.MixtureRegistry.add
mixed("inner", [("lines_span", 1), ("lines_prefix", lambda task: len(task.name) - 9)])
mixed("deep", [("inner", 2), ("pairs", 2)])
mixed("flat", ["lines_span", "lines_prefix"], default_rate=lambda task: 3.0)
"""


def written(folder: Path) -> Path:
    """Writes the text and the module.

    Args:
      folder: to write into.

    Returns:
      The module.
    """
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.txt").write_text("\n".join(LINES) + "\n")
    (folder / "validation.txt").write_text("\n".join(HELD_OUT) + "\n")
    for split in ("train", "validation"):
        (folder / f"{split}.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS))
    (folder / "numbers.json").write_text(json.dumps(NUMBERS))
    with tf.io.TFRecordWriter(str(folder / "train.tfrecord")) as file:
        for line in LINES:
            text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[line.encode()]))
            features = tf.train.Features(feature={"text": text})
            file.write(tf.train.Example(features=features).SerializeToString())
    datasets.dataset_builders.store_as_tfds_dataset(
        "lines",
        "1.0.0",
        datasets.features.FeaturesDict({"body": datasets.features.Text()}),
        {"train": [(number, {"body": line}) for number, line in enumerate(LINES)]},
        None,
        folder,
        "Lines.",
    )
    path = folder / "users_tasks.py"
    path.write_text(MODULE)
    return path
