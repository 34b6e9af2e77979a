"""A stream's rows come in order, again and again the same, and leave no process behind."""

import contextlib
import gc
import json
import sys

import numpy as np
import pytest

from archlab.data import feed, streamed
from archlab.data.examples import Examples
from archlab.data.packing import pack
from archlab.data.pipeline import Rows
from archlab.data.recipes import Recipe
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.streamed import Streamed
from archlab.data.vocabulary import Vocabulary

V = Vocabulary(seqio_ids=100)
PYTHON = sys.executable
MODULE = """
import os

import numpy as np
import seqio
import tensorflow as tf

TEXTS = [[3 + n % 7] * (2 + n % 11) + [10 + n % 100] for n in range(300)]


def source(texts):
    def made(split, shuffle_files, seed=None):
        ids = tf.ragged.constant(texts if split == "train" else texts[:5], dtype=tf.int32)
        return tf.data.Dataset.from_tensor_slices(ids).map(
            lambda one: {"targets": tf.ensure_shape(one, [None])}
        )

    return seqio.FunctionDataSource(made, splits=["train", "validation"])


def add(name, *steps, texts=TEXTS):
    feature = seqio.Feature(seqio.ByteVocabulary(extra_ids=100), required=False)
    seqio.TaskRegistry.add(name, source=source(texts), preprocessors=[
        seqio.CacheDatasetPlaceholder(), *steps], output_features=dict.fromkeys(
        ("inputs", "targets"), feature), shuffle_buffer_size=50)


@seqio.map_over_dataset(num_seeds=1)
def seeded(one, seed):
    many = tf.random.stateless_uniform([], seed, 0, 4, tf.int32)
    weights = tf.cast(tf.range(tf.size(one["targets"])), tf.float32) / 8
    return {"inputs": one["targets"][:many], "targets": one["targets"], "targets_weights": weights}


@seqio.map_over_dataset
def unseeded(one):
    (many,) = tf.numpy_function(lambda: np.int32(os.urandom(1)[0] % 4), [], [tf.int32])
    return {"inputs": tf.fill([many], 9), "targets": one["targets"]}


@seqio.map_over_dataset
def failing(one):
    def fail(ids):
        print("a step may print")
        if ids[-1] == 109:
            raise RuntimeError("a bad example was met")
        return ids

    ids = tf.numpy_function(fail, [one["targets"]], tf.int32)
    return {"targets": tf.ensure_shape(ids, [None])}


add("seeded", seeded)
add("unseeded", unseeded)
add("failing", failing)
print("a module may print")
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """The user's module."""
    path = tmp_path_factory.mktemp("streams") / "streamed_tasks.py"
    path.write_text(MODULE)
    return str(path)


@pytest.fixture(scope="module")
def opened(module):
    """Makes streams, and closes them all."""
    made = []

    def begin(task, key=(0, 0, 0), row=None, split="train", size=V.size):
        data = {"folder": None, "vocabulary": ""}
        request = {"data": data, "modules": [module], "task": task, "split": split}
        made.append(Streamed(request, key, row or Row(12, 16, PAIR), size))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def listed(made: Examples) -> list[list[tuple]]:
    rows: list = [[] for _ in range(int(made.row_S.max(initial=-1)) + 1)]
    edges = np.cumsum(made.learnt_S)[:-1]
    weights = np.split(made.weights_L, edges)
    for row, (inputs, targets), many in zip(made.row_S, made.listed(), weights, strict=True):
        rows[row].append((tuple(inputs), tuple(targets), tuple(many)))
    return rows


@pytest.fixture(scope="module")
def first(opened):
    """The first 700 rows of a seeded task."""
    stream = opened("seeded")
    return stream, listed(stream.examples(np.arange(700)))


def test_an_epoch_s_examples_are_all_there_with_their_weights(first):
    texts = [tuple([3 + n % 7] * (2 + n % 11) + [10 + n % 100]) for n in range(300)]
    edges = np.cumsum([len(row) for row in first[1]])
    assert 1024 in edges  # where the first window ends
    found = [one for row in first[1] for one in row][:1024]
    counted = {text: 0 for text in texts}
    for inputs, targets, weights in found:
        counted[targets] += 1
        assert inputs == targets[: len(inputs)] and len(inputs) < 4
        assert weights == tuple(n / 8 for n in range(len(targets)))
    # 1,024 examples are three epochs of 300 and more, less what the shuffle still holds back.
    assert min(counted.values()) >= 2 and max(counted.values()) <= 4
    assert all(sum(len(one[1]) for one in row) <= 16 for row in first[1])


def test_rows_after_rows_are_there_at_once_and_resuming_replays(first, opened):
    stream, rows = first
    process = stream._process
    more = listed(stream.examples(np.arange(700, 710)))
    assert stream._process is process
    # The first rows are kept; what lies between is read again.
    assert listed(stream.examples(np.arange(5, 9))) == rows[5:9] and stream._process is process
    again = opened("seeded")
    assert listed(again.examples(np.arange(698, 710))) == rows[698:] + more
    assert listed(again.examples(np.arange(3))) == rows[:3]
    again.close()
    assert process.poll() is None and listed(again.examples(np.arange(9))) == rows[:9]


def test_what_is_odd_is_said(first, opened):
    (said,) = first[0].oddities()
    assert "streamed through tf.data" in said and np.isnan(first[0].epochs(9))
    stream = opened("unseeded")
    assert stream.oddities()[1] == "draws without a seed: a resumed run will read other examples"
    assert len(listed(stream.examples(np.arange(9)))) == 9


def test_what_a_step_raises_is_said_in_one_line(opened):
    with pytest.raises(ValueError, match="^failing: .*RuntimeError: a bad example was met$"):
        opened("failing").examples(np.arange(400))


def recipe(module, *names):
    """As `archlab.data.build` writes it."""
    made = {"rate": 1.0, "road": "streaming", "objective": "", "parameters": {}}
    tasks = [
        {"name": name, **made, "splits": ["train", "validation"], "stores": {}} for name in names
    ]
    data = {"folder": None, "vocabulary": ""}
    content = {"vocabulary": V.spec(), "tasks": tasks, "encoding": "a", "files": {"b": "c"}}
    content |= {"request": {"data": data, "modules": [module]}, "fingerprints": {}}
    return Recipe("mine", content)


@pytest.mark.parametrize("fact", ["encoding", "files", "fingerprints"])
def test_other_code_or_files_are_another_stream(fact):
    one = recipe("", "one")
    other = Recipe("mine", {**one.content, fact: {"another": "mark"}})
    assert one.digest == recipe("", "one").digest != other.digest
    cached = {**one.content, "tasks": [{**one.content["tasks"][0], "road": "examples"}]}
    assert Recipe("mine", cached).digest == Recipe("mine", {**cached, fact: {}}).digest


def test_validation_is_read_in_order_and_from_memory(module):
    rows = Rows(recipe(module, "seeded"), 12, 16, DECODER, seed=0, stage=0, split="validation")
    try:
        (reader,) = rows._readers
        process = reader._process
        one, other = rows.batch(0, 8), rows.batch(0, 8)
        assert np.array_equal(one.target_BL, other.target_BL) and reader._process is process
        said = {targets for row in listed(reader.examples(np.arange(9))) for _, targets, _ in row}
        assert said == {tuple([3 + n % 7] * (2 + n % 11) + [10 + n % 100]) for n in range(5)}
    finally:
        rows.close()
    assert process.poll() is not None


# What follows needs no task: a program stands in for the feed.

FEED = """#!{python}
import sys, time
sys.stdin.buffer.readline()
sys.stdout.buffer.write(open({path!r}, "rb").read())
sys.stdout.flush()
sys.stderr.write({words!r})
sys.stderr.flush()
{then}
"""


@pytest.fixture
def fed(tmp_path, monkeypatch):
    """Says what the feed is to write, window by window, and what it does then."""

    def begin(windows, words="", then="sys.stdin.read()", facts=b'{"is_repeatable": true}\n'):
        made = [facts]
        for window in windows:
            for arrays in feed.windows(window):
                many = zip(("examples", "inputs", "targets"), (0, 2, 3), strict=True)
                counts = {name: len(arrays[number]) for name, number in many}
                made += [f"{json.dumps(counts)}\n".encode(), *(one.tobytes() for one in arrays)]
        (tmp_path / "windows").write_bytes(b"".join(made))
        program = FEED.format(python=PYTHON, path=str(tmp_path / "windows"), words=words, then=then)
        (tmp_path / "feed").write_text(program)
        (tmp_path / "feed").chmod(0o755)
        monkeypatch.setattr(streamed.sys, "executable", str(tmp_path / "feed"))

    return begin


def window(key=0, many=60, least=1):
    """Examples of one window."""
    draw = np.random.default_rng(key)
    return [
        {name: draw.integers(3, 200, draw.integers(least, 9)) for name in ("inputs", "targets")}
        for _ in range(many)
    ]


def of(task="mine", key=(0, 0, 0), row=None):
    return Streamed({"task": task, "split": "train"}, key, row or Row(12, 16, PAIR), V.size)


@pytest.mark.parametrize("kind", [PAIR, DECODER])
def test_every_example_of_a_window_is_in_one_row(fed, kind):
    windows = [window(0), window(1, least=0), window(2, 7)]
    fed(windows, then="")
    stream, found = of(row=Row(12, 16, kind)), []
    with pytest.raises(ValueError, match="^mine: the stream has ended, with status 0$"):
        while True:
            (row,) = listed(stream.examples(np.asarray([len(found)])))
            found.append(row)
    rows = iter(found)
    for given in windows:
        wanted = [(tuple(one["inputs"].tolist()), tuple(one["targets"].tolist())) for one in given]
        got: list = []
        while len(got) < len(wanted):
            got += [(tuple(map(int, a)), tuple(map(int, b))) for a, b, _ in next(rows)]
        assert sorted(got) == sorted(wanted)
    assert next(rows, None) is None


def test_rows_do_not_depend_on_how_they_are_asked_for(fed):
    fed([window(n) for n in range(9)])
    with contextlib.closing(of()) as one, contextlib.closing(of()) as other:
        whole = listed(one.examples(np.arange(80)))
        assert listed(other.examples(np.arange(70, 80))) == whole[70:]
        assert listed(other.examples(np.arange(20, 40))) == whole[20:40]


def test_another_key_is_another_order_and_another_seed(fed):
    fed([window()])
    found = []
    for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)):
        with contextlib.closing(of(key=key)) as stream:
            found.append((stream._request["seed"], listed(stream.examples(np.arange(12)))))
    assert found[0] == found[-1]
    assert len({seed for seed, _ in found}) == len({repr(rows) for _, rows in found}) == 4


def test_rows_that_are_kept_outlive_the_process(fed, monkeypatch):
    monkeypatch.setattr(streamed, "KEPT", 5)
    fed([window()])
    stream = of()
    rows = listed(stream.examples(np.arange(9)))
    stream.close()
    assert listed(stream.examples(np.arange(5))) == rows[:5] and stream._process is None
    assert listed(stream.examples(np.arange(3, 9))) == rows[3:]
    stream.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"words": "long\nago\na bad example\n", "then": ""}, "mine: a bad example"),
        ({"then": "import os; os.kill(os.getpid(), 9)"}, "mine: the stream .* with status -9"),
        ({"windows": [], "facts": b"", "words": "no task", "then": ""}, "mine: no task"),
        ({"windows": [], "facts": b'{"wrong": "a bad task"}\n'}, "mine: a bad task"),
        ({"words": "x" * 999, "then": ""}, "mine: x{400}"),
    ],
)
def test_what_goes_wrong_is_said(fed, settings, words):
    fed(**{"windows": [window()], **settings})
    with pytest.raises(ValueError, match=f"^{words}$"):
        of().examples(np.arange(99))


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (3, 384)])
def test_ids_outside_the_vocabulary_are_refused(fed, low, high):
    fed([[{"targets": np.asarray([low, high])}]])
    with contextlib.closing(of()) as stream:
        with pytest.raises(ValueError, match=f"ids go from {low} to {high}, .* from 0 to 383"):
            stream.examples(np.arange(1))


def test_an_encoder_s_examples_stand_in_place(fed):
    row = Row(12, 16, ENCODER)
    masked = [{"inputs": one["inputs"] + 1, "targets": one["inputs"]} for one in window()]
    fed([masked])
    with contextlib.closing(of(row=row)) as stream:
        made = stream.examples(np.arange(4))
    assert made.is_in_place
    batch = pack(made, np.zeros(4, np.int32), row)
    is_text_BL = batch.weight_BL > 0
    assert np.array_equal(batch.encoder.tokens_BL[is_text_BL], batch.target_BL[is_text_BL] + 1)
    fed([window()])
    with contextlib.closing(of(row=row)) as stream:
        with pytest.raises(ValueError, match="an encoder says each token where it reads it"):
            stream.examples(np.arange(1))


def test_no_process_is_left(fed, monkeypatch):
    started, begin = [], Streamed._begin

    def begun(self):
        begin(self)
        started.append(self._process)

    monkeypatch.setattr(Streamed, "_begin", begun)
    fed([window(n) for n in range(9)])
    rows = Rows(recipe("", "one", "other"), 12, 16, PAIR, seed=0, stage=0)
    assert [process.poll() for process in started] == [None] * 2
    rows.close()
    rows.close()
    with pytest.raises(ValueError, match="an encoder says each token where it reads it"):
        Rows(recipe("", "one", "other"), 12, 16, ENCODER, seed=0, stage=0)
    forgotten = Rows(recipe("", "one"), 12, 16, PAIR, seed=0, stage=0)
    del forgotten, rows
    gc.collect()
    assert len(started) == 4
    for process in started:
        assert process.poll() is not None
