"""Every kind of task is found, and takes the road that its steps allow."""

import functools
import itertools
import types
from pathlib import Path

import numpy as np
import pytest
import seqio
import tensorflow as tf
from t5.data import preprocessors as t5

from archlab import modules
from archlab.data import roads
from archlab.data.documents import Documents, Made
from archlab.data.features import Adapter
from archlab.data.options import EXAMPLES, STREAMING, WINDOWS, Data
from archlab.data.pipeline import Rows
from archlab.data.recipes import prepare
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary
from tests.data import users

V = Vocabulary(seqio_ids=100)
SPANS = ("span_corruption", {"rate": 0.15, "mean": 3.0})


@pytest.fixture(scope="module")
def module(tmp_path_factory) -> Path:
    """The user's module, beside the text."""
    return users.written(tmp_path_factory.mktemp("user"))


@pytest.fixture(autouse=True)
def registered(module, monkeypatch):
    """The user's tasks, and no others."""
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    monkeypatch.setattr(seqio.MixtureRegistry, "_REGISTRY", {})
    monkeypatch.delitem(__import__("sys").modules, module.stem, raising=False)
    modules.load(str(module))


def add(name, source=None, before=(), after=(), targets=None, **features):
    """Registers one more task; a feature "inputs" unless it is None."""
    targets = targets or seqio.Feature(seqio.ByteVocabulary(extra_ids=100))
    both = {"inputs": targets, "targets": targets, **features}
    seqio.TaskRegistry.add(
        name,
        source=source or seqio.TaskRegistry.get("lines_span").source,
        preprocessors=[*before, seqio.CacheDatasetPlaceholder(), *after],
        output_features={key: feature for key, feature in both.items() if feature},
    )
    return seqio.TaskRegistry.get(name)


@pytest.mark.parametrize(
    ("name", "road", "objective"),
    [
        ("lines_span", WINDOWS, SPANS),
        ("lines_prefix", WINDOWS, ("prefix_lm", {})),
        ("lines_whole", WINDOWS, ("causal_lm", {})),
        ("records_span", WINDOWS, SPANS),
        ("tfds_span", WINDOWS, SPANS),
        ("function_span", WINDOWS, SPANS),
        ("pairs", EXAMPLES, ("", {})),
        ("numbers", EXAMPLES, ("", {})),
        ("lines_backwards", STREAMING, ("", {})),
        ("lines_uncached", STREAMING, ("", {})),
        ("lines_ended", STREAMING, ("", {})),  # T5's puts no end there, and archlab's would
        ("numbers_streamed", STREAMING, ("", {})),
    ],
)
def test_the_road_of_each_task(name, road, objective):
    (part,) = roads.resolve(name)
    assert (part.road, (part.objective, part.parameters), part.rate) == (road, objective, 1.0)
    if not name.startswith("numbers"):
        assert part.vocabulary == V


@pytest.mark.parametrize("name", ["lines_span", "records_span", "tfds_span", "function_span"])
def test_every_source_is_read(name):
    (part,) = roads.resolve(name)
    found = Documents(part.task, part.text, "train", part.vocabulary)
    # TensorFlow Datasets puts its examples in an order of its own.
    order = sorted if name == "tfds_span" else list
    ids = order(tuple(found.encode(one)[0].tolist()) for one in found.read())
    assert ids == order(tuple(V.encode(line)) for line in users.LINES)


def test_examples_are_made():
    (part,) = roads.resolve("pairs")
    found = Made(part.task, part.text, "train", part.vocabulary)
    made = [found.encode(one) for one in found.read()]
    wanted = [([*V.encode(a), V.end], [*V.encode(b), V.end]) for a, b in users.PAIRS]
    assert [(ids.tolist(), many) for ids, many in made] == [(a + b, len(a)) for a, b in wanted]


def test_mixtures_are_their_tasks_with_their_rates():
    for name, wanted in [
        ("deep", {"lines_span": 0.5 * 0.25, "lines_prefix": 0.5 * 0.75, "pairs": 0.5}),
        ("flat", {"lines_span": 0.5, "lines_prefix": 0.5}),
    ]:
        parts = roads.resolve(name)
        total = sum(part.rate for part in parts)
        found = {part.task.name: part.rate / total for part in parts}
        assert found == pytest.approx(wanted)


@pytest.mark.parametrize("road", [EXAMPLES, STREAMING])
def test_a_road_can_be_forced(road):
    for name in ("pairs", "lines_uncached", "lines_backwards"):
        assert [part.road for part in roads.resolve(name, road)] == [road]
    assert [part.road for part in roads.resolve("deep", STREAMING)] == [STREAMING] * 3


@pytest.mark.parametrize(
    ("name", "road", "words"),
    [
        (
            "lines_spam",
            "",
            "'lines_spam' is registered, here or by --module, did you mean 'lines_span'",
        ),
        ("lines_span", "windws", "Data.road='windws' is not one of windows, examples, streaming"),
        ("lines_backwards", WINDOWS, "'lines_backwards' has steps of its own .*'streaming'"),
        ("lines_uncached", WINDOWS, "'lines_uncached' has steps of its own"),
        ("pairs", WINDOWS, "'pairs' has steps of its own"),
    ],
)
def test_what_cannot_be_is_refused(name, road, words):
    with pytest.raises(ValueError, match=words):
        roads.resolve(name, road)


def test_steps_that_ask_for_lengths_make_no_examples_beforehand():
    (part,) = roads.resolve("lines_span", EXAMPLES)
    with pytest.raises(ValueError, match="'lines_span' cannot make examples .*'streaming'"):
        next(Made(part.task, part.text, "train", part.vocabulary).read())


def test_features_that_are_no_lists_of_ids_are_refused():
    own = seqio.ByteVocabulary(extra_ids=100)
    wrong = {
        "no feature 'targets'; it has inputs": {"targets": None, "inputs": seqio.Feature(own)},
        "'targets' of rank 2": {"targets": seqio.Feature(own, rank=2)},
        "'inputs' of rank 1 and type float32": {"inputs": seqio.Feature(own, dtype=tf.float32)},
        "one vocabulary for its inputs and another": {
            "inputs": seqio.Feature(seqio.ByteVocabulary(extra_ids=3))
        },
    }
    for number, (words, features) in enumerate(wrong.items()):
        features = {"targets": seqio.Feature(own), "inputs": seqio.Feature(own), **features}
        seqio.TaskRegistry.add(
            f"wrong_{number}",
            source=seqio.TaskRegistry.get("lines_span").source,
            preprocessors=[],
            output_features={name: one for name, one in features.items() if one},
        )
        with pytest.raises(ValueError, match=words):
            roads.resolve(f"wrong_{number}")


@pytest.mark.parametrize(
    ("inputs", "targets", "steps", "road"),
    [
        (True, True, [t5.span_corruption], WINDOWS),
        (False, True, [t5.span_corruption], STREAMING),
        (True, False, [t5.span_corruption], STREAMING),
        (False, True, [t5.prefix_lm], WINDOWS),
        (True, False, [t5.prefix_lm], STREAMING),
    ],
)
def test_where_features_say_no_end_none_is_put(inputs, targets, steps, road):
    own = seqio.ByteVocabulary(extra_ids=100)
    add(
        "ended",
        after=[*steps, seqio.preprocessors.append_eos_after_trim],
        inputs=seqio.Feature(own, add_eos=inputs),
        targets=seqio.Feature(own, add_eos=targets),
    )
    assert roads.resolve("ended")[0].road == road


def test_a_binding_is_refused_but_for_streaming(monkeypatch):
    def refused(steps):
        raise ValueError("gin binds denoise.noise_density")

    monkeypatch.setattr(roads, "recognized", refused)
    with pytest.raises(ValueError, match="gin binds"):
        roads.resolve("lines_span")
    assert roads.resolve("lines_span", STREAMING)[0].road == STREAMING


@pytest.mark.parametrize(
    ("own", "size", "end", "sentinel"),
    [
        (seqio.PassThroughVocabulary(1000, eos_id=1), 1000, 1, None),
        (seqio.PassThroughVocabulary(1000), 1001, 1000, None),
        (seqio.FullCodepointVocabulary(), None, None, None),
        (seqio.ByteVocabulary(extra_ids=100), 359, 1, 358),
    ],
)
def test_of_any_vocabulary_at_least_the_numbers_are_known(own, size, end, sentinel):
    feature = seqio.Feature(own)
    add("any", targets=feature, after=[lambda dataset: dataset])
    (part,) = roads.resolve("any")
    found = part.vocabulary
    assert found.size % 128 == 0 and found.size > own.vocab_size - 1
    assert found.pad == own.pad_id == found.start
    assert found.end == (own.vocab_size if own.eos_id is None else own.eos_id)
    if size:
        assert found.mask >= size and found.end == end
    if sentinel:
        assert found.sentinel(0) == sentinel
    assert Vocabulary.from_spec(found.spec()) == found
    if own.vocab_size == 1000:
        assert found.decode([5, 900]) == "(5)(900)"
        with pytest.raises(ValueError, match="1000 numbers has no ids for text"):
            found.encode("text")


def test_archlab_s_own_adapter_is_its_vocabulary():
    own = Vocabulary()
    add("adapted", targets=seqio.Feature(Adapter(own)), after=[lambda dataset: dataset])
    assert roads.resolve("adapted")[0].vocabulary is own


def texts(*names):
    return [roads.resolve(name)[0].text for name in names]


def test_tasks_over_one_text_name_it_alike():
    assert texts("lines_span", "lines_prefix", "lines_whole") == ["lines_backwards"] * 3
    others = ("lines_upper", "lines_lower", "records_span", "tfds_span", "function_span", "pairs")
    assert texts(*others) == [*others]


def test_what_differs_before_the_placeholder_is_another_text():
    kept = seqio.TaskRegistry.get("lines_span")
    base = list(kept.preprocessors[:2])
    add("broken", before=[lambda dataset, sequence_length: dataset])  # SeqIO refuses it when asked

    def field(name):
        return lambda dataset: dataset.map(lambda one: {"targets": one[name]})

    class Step:
        def __init__(self, name):
            self.name = name

        def __call__(self, dataset):
            return dataset

        def method(self, dataset):
            return dataset

    def defaulted(name):
        def step(dataset, name=name):
            return dataset

        return step

    def given(dataset, name):
        return dataset

    kinds = {
        "closure": field,
        "partial": lambda name: functools.partial(given, name=name),
        "object": Step,
        "method": lambda name: Step(name).method,
        "default": defaulted,
        "dictionary": lambda name: functools.partial(given, name={name: [1, {name}]}),
        "array": lambda name: functools.partial(given, name=np.arange(len(name))),
    }
    found = {}
    for kind, make in kinds.items():
        for name in ("text", "title", "text"):
            task = f"{kind}_{len(found)}"
            add(
                task,
                before=[*base, make(name)],
                after=[t5.prefix_lm, t5.seqio.preprocessors.append_eos],
            )
            found[task] = (kind, name)
    for (one, said), (other, also) in itertools.combinations(found.items(), 2):
        is_same = texts(one)[0] == texts(other)[0]
        # Arrays are not compared: what is in doubt is another text.
        assert is_same == (said == also and said[0] != "array"), (one, other)


def test_what_a_module_calls_the_same_may_be_another():
    one, other = (types.FunctionType(roads.lengths.__code__, {}) for _ in range(2))
    one.__module__, other.__module__ = "one", "other"
    assert not roads._is_same(one, other, roads.DEEP)
    loop: list = []
    loop.append(loop)
    other_loop: list = []
    other_loop.append(other_loop)
    assert not roads._is_same(loop, other_loop, roads.DEEP)


@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [
        ("pairs", PAIR, {"inputs": 9, "targets": 5}),
        ("pairs", DECODER, {"inputs": 9, "targets": 5}),
        ("pairs", ENCODER, {"inputs": 14, "targets": 14}),
        ("lines_whole", PAIR, {"targets": 5}),
        ("lines_whole", DECODER, {"targets": 14}),
    ],
)
def test_how_long_examples_may_be(name, kind, wanted):
    assert roads.lengths(seqio.TaskRegistry.get(name), Row(9, 5, kind)) == wanted


def test_a_stream_is_shuffled_by_its_seed_where_that_is_allowed():
    row = Row(40, 40, PAIR)

    def first(name, split, seed):
        made = itertools.islice(roads.stream(name, split, row, seed), 20)
        return [one["targets"].tolist() for one in made]

    assert first("pairs", "train", 1) == first("pairs", "train", 1) != first("pairs", "train", 2)
    assert first("pairs", "validation", 1) == first("pairs", "validation", 2)
    own = seqio.TaskRegistry.get("pairs")
    seqio.TaskRegistry.add(
        "in_order",
        source=own.source,
        preprocessors=list(own.preprocessors),
        output_features=own.output_features,
        shuffle_buffer_size=None,
    )
    assert first("in_order", "train", 1) == first("pairs", "validation", 1)


def test_a_stream_begins_anew_at_its_end():
    row = Row(40, 40, PAIR)
    made = [
        one["targets"].tolist()
        for one in itertools.islice(roads.stream("pairs", "validation", row, 0), 85)
    ]
    assert made[:40] == made[40:80] and len(list(roads.stream("pairs", "train", row, 0, 1))) == 40


@pytest.fixture(scope="module")
def built(module, tmp_path_factory):
    """A cache, and the recipes of nearly all tasks in it."""
    data = Data(cache=str(tmp_path_factory.mktemp("cache")))
    names = ["deep", "lines_span", "lines_whole", "records_span", "tfds_span", "numbers"]
    return data, prepare(names, data, (str(module),)).wait()


def stores(recipe):
    return [task["stores"]["train"] for task in recipe.content["tasks"]]


def test_one_text_is_one_store_in_any_process(built, module):
    data, recipes = built
    (span,), (whole,) = stores(recipes["lines_span"]), stores(recipes["lines_whole"])
    assert span == whole and {span} < {*stores(recipes["deep"])}
    written = Path(span, "manifest.json").stat().st_mtime_ns
    other = prepare(["lines_prefix"], data, (str(module),)).wait()["lines_prefix"]
    assert stores(other) == [span]
    assert Path(span, "manifest.json").stat().st_mtime_ns == written
    same = {*stores(recipes["records_span"]), *stores(recipes["tfds_span"])}
    assert len(same) == 2 and span not in same


@pytest.mark.parametrize("name", ["deep", "records_span", "tfds_span"])
def test_rows_are_made_of_what_was_built(built, name):
    rows = Rows(built[1][name], 24, 16, PAIR, seed=0, stage=0)
    assert rows.batch(0, 8).target_BL.shape == (8, 16)
    assert not [said for said in rows.warnings if "stream" in said]


def test_numbers_are_trained_on_as_they_are(built):
    rows = Rows(built[1]["numbers"], 8, 8, PAIR, seed=0, stage=0)
    found = set()
    for _, _, examples in rows.examples(0, 15):
        found |= {(tuple(a.tolist()), tuple(b.tolist())) for a, b in examples.listed()}
    assert found == {((*ids, 1), (*ids[::-1], 1)) for ids in users.NUMBERS}
    assert rows.vocabulary.size == 1152 and rows.vocabulary.end == 1


def test_text_that_was_rewritten_is_encoded_anew(tmp_path):
    module, data = users.written(tmp_path / "user"), Data(cache=str(tmp_path / "cache"))
    found = []
    for text in (users.LINES[:9], users.LINES[5:20]):
        (tmp_path / "user" / "train.txt").write_text("\n".join(text))
        recipe = prepare(["lines_span"], data, (str(module),)).wait()["lines_span"]
        (store,) = recipe.stores("train")
        found.append((store.path, recipe.digest))
        ids = store.pieces(np.zeros(1, int), np.asarray([store.tokens])).tolist()
        assert ids == [token for line in text for token in [*V.encode(line), V.end]]
    assert not {*found[0]} & {*found[1]}
