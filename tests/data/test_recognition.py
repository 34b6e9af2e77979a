"""T5's own steps are recognised, copies of them too, and nothing that only looks like them."""

import collections
import dataclasses
import functools
import importlib.util
import inspect
import itertools
import re
import sys
from functools import partial

import gin
import numpy as np
import pytest
import seqio
import tensorflow as tf
from t5.data import preprocessors as t5

from archlab.data import pieces, tasks
from archlab.data.chance import Chance
from archlab.data.examples import Text
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.recognition import KNOWN, T5, only_ends, recognized
from archlab.data.row import DECODER, PAIR, Row

end, trim = seqio.preprocessors.append_eos, seqio.preprocessors.append_eos_after_trim
chunk, concat = t5.select_random_chunk, t5.reduce_concat_tokens
to_inputs, to_targets = t5.split_tokens_to_inputs_length, t5.split_tokens_to_targets_length
cuts = [partial(chunk, max_length=65536), concat, to_inputs]
UNIQUE = (t5.noise_span_to_unique_sentinel, t5.nonnoise_span_to_unique_sentinel)
SPANS = {"form": "sentinels", "is_rolled": False}


def noise(inputs, targets=None, mask=t5.iid_noise_mask, density=0.15, **more):
    """T5's `denoise`, with what its gin files bind."""
    given = {"noise_mask_fn": mask, "inputs_fn": inputs, "targets_fn": targets, **more}
    return partial(t5.denoise, noise_density=density, **given)


RECOGNIZED = [
    ([t5.span_corruption, trim], "span_corruption", {"rate": 0.15, "mean": 3.0}),
    ([t5.span_corruption, end], "span_corruption", {"rate": 0.15, "mean": 3.0}),
    (
        [partial(t5.span_corruption, noise_density=0.5, mean_noise_span_length=64), trim],
        "span_corruption",
        {"rate": 0.5, "mean": 64},
    ),
    (
        [partial(partial(t5.span_corruption, noise_density=0.5), noise_density=0.25), trim],
        "span_corruption",
        {"rate": 0.25, "mean": 3.0},
    ),
    (
        [partial(t5.span_corruption, merge_examples_to_reduce_padding=True), trim],
        "span_corruption",
        {"rate": 0.15, "mean": 3.0},
    ),
    ([t5.iid_denoising, trim], "iid_denoising", {}),
    ([t5.prefix_lm, trim], "prefix_lm", {}),
    ([partial(t5.prefix_lm, noise_density=0.5), trim], "prefix_lm", {}),
    ([t5.full_lm], "causal_lm", {}),
    # t5's gin/objectives, written out.
    ([partial(t5.unsupervised, preprocessors=[*cuts[:2], to_targets]), trim], "causal_lm", {}),
    (
        [partial(t5.unsupervised, preprocessors=[*cuts, noise(*UNIQUE, density=0.25)]), trim],
        "span_corruption",
        {"rate": 0.25, "mean": 0.0, **SPANS},
    ),
    (
        [
            *(*cuts[:2], partial(t5.split_tokens, max_tokens_per_segment=568)),
            *(noise(*UNIQUE, mask=partial(t5.random_spans_noise_mask, random_roll=True)), trim),
        ],
        "span_corruption",
        {"rate": 0.15, "mean": 3.0, "form": "sentinels", "is_rolled": True},
    ),
    (
        [
            *cuts,
            noise(*UNIQUE, partial(t5.random_spans_noise_mask, mean_noise_span_length=5.0)),
            end,
        ],
        "span_corruption",
        {"rate": 0.15, "mean": 5.0, **SPANS},
    ),
    (
        [*cuts, noise(t5.drop_noise_tokens, t5.drop_nonnoise_tokens), trim],
        "span_corruption",
        {"rate": 0.15, "mean": 0.0, "form": "dropped", "is_rolled": False},
    ),
    (
        [*cuts, noise(t5.noise_token_to_sentinel), trim],
        "span_corruption",
        {"rate": 0.15, "mean": 0.0, "form": "masked", "is_rolled": False},
    ),
    (
        [*cuts, noise(t5.noise_token_to_random_token_or_sentinel), trim],
        "span_corruption",
        {"rate": 0.15, "mean": 0.0, "form": "replaced", "is_rolled": False},
    ),
    (
        [
            *cuts,
            noise(partial(t5.noise_token_to_random_token_or_sentinel, random_prob=0.2)),
            trim,
        ],
        "span_corruption",
        {"rate": 0.15, "mean": 0.0, "form": "replaced", "is_rolled": False, "replaced": 0.2},
    ),
    (
        [cuts[0], to_inputs, noise(t5.permute_noise_tokens, density=1.0), trim],
        "deshuffle",
        {},
    ),
    (
        [
            *(cuts[0], to_inputs),
            noise(t5.drop_nonnoise_tokens, t5.drop_noise_tokens, t5.random_prefix_noise_mask, 0.5),
            trim,
        ],
        "prefix_lm",
        {},
    ),
]


@pytest.mark.parametrize(("steps", "name", "parameters"), RECOGNIZED)
def test_t5s_own_steps_are_recognized(steps, name, parameters):
    assert recognized(steps) == (name, parameters)
    dataclasses.replace(OBJECTIVES[name], **parameters)  # which are the objective's own


def wrapped(function):
    """A function of the user's that goes by t5's name and home, and does something besides."""

    @functools.wraps(function)
    def more(dataset, *given, **named):
        return function(dataset.skip(1), *given, **named)

    return more


def span_corruption(dataset, sequence_length, output_features):
    """Another function of the same name."""
    return dataset


def append_eos(dataset, output_features):
    """Another function of the same name."""
    return dataset


spans = t5.random_spans_noise_mask
NEAR = {
    "no step": [],
    "ends alone": [trim],
    "no end": [t5.span_corruption],
    "an end too many": [t5.span_corruption, end, trim],
    "the end first": [end, t5.span_corruption],
    "another end": [t5.span_corruption, append_eos],
    "an end of another kind": [t5.span_corruption, partial(trim, sequence_length={"targets": 9})],
    "an end after full_lm": [t5.full_lm, trim],
    "a step before": [lambda dataset: dataset, t5.span_corruption, trim],
    "a step after": [t5.span_corruption, trim, lambda dataset: dataset],
    "a cut before": [cuts[0], t5.span_corruption, trim],
    "two objectives": [t5.span_corruption, t5.prefix_lm, trim],
    "positional": [partial(t5.span_corruption, {"inputs": 9, "targets": 9}), trim],
    "another feature": [partial(t5.span_corruption, input_feature_key="source"), trim],
    "not merged": [partial(t5.span_corruption, merge_examples_to_reduce_padding=False), trim],
    "no noise": [partial(t5.span_corruption, noise_density=0.0), trim],
    "spans below one": [partial(t5.span_corruption, mean_noise_span_length=0.5), trim],
    "an uneven prefix": [partial(t5.prefix_lm, noise_density=0.25), trim],
    "a prefix with more": [partial(t5.prefix_lm, sequence_length={"inputs": 9}), trim],
    "wrapped": [wrapped(t5.span_corruption), trim],
    "of the same name": [span_corruption, trim],
    "unsupervised without steps": [t5.unsupervised, trim],
    "unsupervised with another": [
        partial(t5.unsupervised, preprocessors=[*cuts, lambda dataset, **_: dataset]),
        trim,
    ],
    "not cut": [noise(*UNIQUE), trim],
    "cut afterwards": [noise(*UNIQUE), *cuts, trim],
    "joined afterwards": [to_inputs, concat, noise(*UNIQUE), trim],
    "split twice": [to_inputs, to_targets, noise(*UNIQUE), trim],
    "short chunks": [partial(chunk, max_length=100), to_inputs, noise(*UNIQUE), trim],
    "random lengths": [t5.split_tokens_to_random_length, noise(*UNIQUE), trim],
    "random segments": [
        partial(t5.split_tokens, max_tokens_per_segment=99, min_tokens_per_segment=9),
        *(noise(*UNIQUE), trim),
    ],
    "cut as inputs only": [cuts[0], concat, to_inputs, trim],
    "another mask": [*cuts, noise(*UNIQUE, mask=t5.regular_noise_mask), trim],
    "a mask of one's own": [*cuts, noise(*UNIQUE, mask=lambda *_, **__: None), trim],
    "forms that do not go together": [
        *cuts,
        noise(t5.noise_span_to_unique_sentinel, t5.drop_nonnoise_tokens),
        trim,
    ],
    "one sentinel for all": [*cuts, noise(t5.noise_span_to_sentinel), trim],
    "gathered": [*cuts, noise(t5.noise_token_to_gathered_token), trim],
    "some permuted": [*cuts, noise(t5.permute_noise_tokens, density=0.15), trim],
    "permuted spans": [*cuts, noise(t5.permute_noise_tokens, mask=spans, density=1.0), trim],
    "without a rate": [*cuts, partial(t5.denoise, inputs_fn=UNIQUE[0]), trim],
    "an unknown parameter": [*cuts, noise(*UNIQUE, more=1), trim],
    "passed through": [*cuts, noise(*UNIQUE, passthrough_feature_keys=["ids"]), trim],
    "prefixes with a mask's parameter": [
        *(cuts[0], to_inputs),
        noise(
            *(t5.drop_nonnoise_tokens, t5.drop_noise_tokens),
            *(partial(t5.random_prefix_noise_mask, seeds=None), 0.5),
        ),
        trim,
    ],
}


@pytest.mark.parametrize("why", NEAR)
def test_near_misses_are_not(why):
    assert recognized(NEAR[why]) is None


def test_what_only_appends_ends():
    assert only_ends([]) and only_ends([end]) and only_ends([trim, end])
    assert not only_ends([append_eos]) and not only_ends([t5.full_lm])
    assert not only_ends([partial(end, output_features={})])


# A user's module: T5's functions, copied.
HEADER = """
import functools
from typing import Any, Mapping, Optional, Sequence
import gin
import seqio
import tensorflow{compat} as tf
from absl import logging
from t5.data.preprocessors import *
from t5.data.preprocessors import DenoiseInputsFn, DenoiseNoiseMaskFn, DenoiseTargetsFn, FeatureType
AUTOTUNE = tf.data.experimental.AUTOTUNE
"""


NUMBERS = itertools.count()


def copied(folder, *names, change=("", ""), compat=".compat.v2", gins=""):
    """Writes copies of T5's functions into a module, with one thing changed, and imports it."""
    text = HEADER.format(compat=compat)
    for name in names:
        source = inspect.getsource(inspect.unwrap(getattr(t5, name)))
        text += "\n\n" + re.sub(r"^@gin.configurable.*\n", gins, source)
    assert change[0] in text
    path = folder / f"mine_{next(NUMBERS)}.py"
    path.write_text(text.replace(*change) if change[0] else text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SPAN = (
    *("span_corruption", "random_spans_noise_mask", "noise_span_to_unique_sentinel", "denoise"),
    *("nonnoise_span_to_unique_sentinel", "select_random_chunk"),
)


@pytest.mark.parametrize("compat", [".compat.v2", ""])
@pytest.mark.parametrize("name", ["span_corruption", "iid_denoising", "prefix_lm", "full_lm"])
def test_copies_are_recognized(tmp_path, name, compat):
    inner = {"span_corruption": SPAN, "prefix_lm": ("prefix_lm", "drop_noise_tokens")}
    module = copied(tmp_path, *inner.get(name, (name,)), compat=compat)
    ends = [] if name == "full_lm" else [trim]
    own = recognized([getattr(t5, name), *ends])
    assert recognized([getattr(module, name), *ends]) == own is not None


def test_copies_that_gin_wraps_are_recognized(tmp_path):
    module = copied(tmp_path, "denoise", "iid_noise_mask", gins="@gin.configurable\n")
    mine = partial(module.denoise, noise_density=0.15, noise_mask_fn=module.iid_noise_mask)
    mine = partial(mine, inputs_fn=UNIQUE[0], targets_fn=UNIQUE[1])
    assert recognized([*cuts, mine, trim]) == recognized([*cuts, noise(*UNIQUE), trim])


def test_a_copy_has_defaults_of_its_own(tmp_path):
    change = ("noise_density=0.15,", "noise_density=0.3,")
    module = copied(tmp_path, "span_corruption", change=change)
    assert recognized([module.span_corruption, trim])[1] == {"rate": 0.3, "mean": 3.0}
    given = partial(module.span_corruption, noise_density=0.15)
    assert recognized([given, trim])[1] == {"rate": 0.15, "mean": 3.0}


@pytest.mark.parametrize(
    ("names", "change"),
    [
        (("span_corruption",), ("max_length=65536", "max_length=512")),
        (("span_corruption",), ("batch_size=128", "batch_size=1")),
        (("span_corruption",), ("feature_key='targets'", "feature_key='inputs'")),
        (("span_corruption",), ("ds = dataset\n", "ds = dataset.skip(1)\n")),
        (
            ("span_corruption",),
            ("extra_tokens_per_span_inputs=1", "extra_tokens_per_span_inputs=2"),
        ),
        # In what it names, or what that names, or a function inside that.
        (SPAN, ("num_noise_tokens, 1)", "num_noise_tokens, 2)")),
        (SPAN, ("random_roll=False):", "random_roll=True):")),
        (SPAN, ("sentinel_id(vocabulary) + 1", "sentinel_id(vocabulary) + 2")),
        (SPAN, ("num_seeds=1", "num_seeds=2")),
        (("iid_denoising",), ("noise_density=0.15", "noise_density=0.5")),
        (("iid_denoising",), ("split_tokens_to_inputs_length", "split_tokens_to_targets_length")),
        (("prefix_lm", "drop_noise_tokens"), ("tf.logical_not(noise_mask)", "noise_mask")),
        (("full_lm",), ("  ds = seqio.preprocessors.append_eos(ds, output_features)\n", "")),
    ],
)
def test_copies_that_were_changed_are_not(tmp_path, names, change):
    module = copied(tmp_path, *names, change=change)
    steps = [getattr(module, names[0]), *([] if names[0] == "full_lm" else [trim])]
    assert recognized(steps) is None


@pytest.fixture
def bound():
    """Binds for one test."""
    yield gin.bind_parameter
    gin.clear_config()


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([t5.span_corruption, trim], "denoise.input_feature_key"),
        ([t5.iid_denoising, trim], "split_tokens.min_tokens_per_segment"),
        ([t5.prefix_lm, trim], "select_random_chunk.min_length"),
        ([*cuts, noise(*UNIQUE), trim], "sentinel_id.return_value"),
    ],
)
def test_what_gin_binds_is_refused_by_name(bound, steps, name):
    assert recognized(steps)
    bound(f"{T5}.{name}", 7)
    with pytest.raises(ValueError, match=f"^gin binds {name}, which .* Data.road='streaming'"):
        recognized(steps)


def test_what_gin_binds_elsewhere_is_no_matter(bound):
    bound("t5.data.preprocessors.filter_by_string_length.max_length", 7)
    assert recognized([t5.full_lm])
    bound(f"{T5}.unsupervised.preprocessors", [t5.full_lm])
    assert recognized([t5.unsupervised, trim]) is None  # it streams, as it is bound


def test_t5s_functions_are_what_is_known():
    assert all(callable(getattr(t5, name)) for name in KNOWN)


# What T5 makes of a text, and what archlab makes of it.

INPUTS, TARGETS = 64, 80


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory):
    """A SentencePiece vocabulary with T5's extra ids."""
    path = tmp_path_factory.mktemp("pieces") / "small.model"
    text = [
        " ".join(words)
        for words in itertools.permutations("the cat sees a dog under it".split(), 4)
    ]
    pieces.train(text, path, 280, "unigram")
    return seqio.SentencePieceVocabulary(str(path), extra_ids=100)


@pytest.fixture(params=["bytes", "sentencepiece"])
def vocabulary(request):
    """Both kinds of T5's."""
    if request.param == "bytes":
        return seqio.ByteVocabulary(extra_ids=100)
    return request.getfixturevalue("sentencepiece")


def documents(many=40) -> list[np.ndarray]:
    draw = np.random.default_rng(5)
    return [draw.integers(3, 200, draw.integers(5, 90)).astype(np.int32) for _ in range(many)]


def task(steps, vocabulary):
    """A task over the documents, not registered."""
    feature = seqio.Feature(vocabulary, add_eos=True)
    return seqio.Task(
        "spoken",
        source=seqio.FunctionDataSource(_ids, splits=["train"]),
        preprocessors=[seqio.CacheDatasetPlaceholder(), *steps],
        output_features={
            "inputs": dataclasses.replace(feature, required=False),
            "targets": feature,
        },
    )


def _ids(split, shuffle_files, seed=None):
    ragged = tf.ragged.constant([one.tolist() for one in documents()], dtype=tf.int32)
    return tf.data.Dataset.from_tensor_slices({"targets": ragged}).map(
        lambda one: {"targets": tf.ensure_shape(one["targets"], [None])}
    )


def theirs(steps, vocabulary) -> list[tuple[list[int], list[int]]]:
    lengths = {"inputs": INPUTS, "targets": TARGETS}
    dataset = task(steps, vocabulary).get_dataset(lengths, split="train", shuffle=False, seed=3)
    made = dataset.as_numpy_iterator()
    return [(one.get("inputs", np.zeros(0, int)).tolist(), one["targets"].tolist()) for one in made]


def ours(steps, vocabulary, kind=PAIR, row=None) -> list[tuple[list[int], list[int]]]:
    """The same text, its documents with their ends, as archlab's objective for the steps."""
    name, parameters = recognized(steps)
    objective = dataclasses.replace(OBJECTIVES[name], **parameters)
    own, row = tasks.vocabulary(task(steps, vocabulary)), row or Row(INPUTS, TARGETS, kind)
    raw = objective.raw(row, own)
    flat = np.concatenate([np.append(one, own.end) for one in documents()])
    rows = len(flat) // raw
    flat = flat[: rows * raw]
    ends = np.unique([*(np.flatnonzero(flat == own.end) + 1), *range(raw, len(flat) + 1, raw)])
    length_S = np.diff(ends, prepend=0)
    text = Text(flat, length_S, (ends - 1) // raw, rows)
    made = objective.examples(text, Chance((0,), 0, rows), row, own)
    return [(one.tolist(), other.tolist()) for one, other in made.listed()]


def rebuilt(inputs, targets, first):
    """The text of an example: each sentinel of the inputs replaced by its span of the targets."""
    spans_: list[list[int]] = [[]]
    for token in targets[:-1]:
        if first - 100 < token <= first:
            spans_.append([])
        else:
            spans_[-1].append(token)
    # Where the first token is hidden, its span stands before the first sentinel of the targets.
    hidden = iter(spans_[0 if spans_[0] else 1 :])
    found = []
    for token in inputs[:-1]:
        found += next(hidden) if first - 100 < token <= first else [token]
    return found


def without_ends(ids):
    return [token for token in ids if token != 1]


SPAN_STEPS = [
    [t5.span_corruption, trim],
    [partial(t5.span_corruption, mean_noise_span_length=8.0, noise_density=0.25), trim],
]


@pytest.mark.parametrize("steps", SPAN_STEPS)
def test_span_corruption_has_t5s_lengths_and_sentinels_and_text(steps, vocabulary):
    first = vocabulary.vocab_size - 1
    flat = np.concatenate(documents()).tolist()
    their, our = theirs(steps, vocabulary), ours(steps, vocabulary)
    for made in (their[:-1], our):  # the last of T5's is what is left
        sizes = {(len(inputs), len(targets)) for inputs, targets in made}
        assert len(made) > 20 and len(sizes) == 1
        for inputs, targets in made:
            used = [token for token in inputs if token > first - 100]
            assert used == [*range(first, first - len(used), -1)]
            assert [token for token in targets if token > first - 100] == used
            assert inputs[-1] == targets[-1] == 1
    assert {len(one) for one, _ in their[:-1]} == {len(one) for one, _ in our} == {INPUTS}
    assert {len(one) for _, one in their[:-1]} == {len(one) for _, one in our}
    text = [token for one in their for token in rebuilt(*one, first)]
    assert text == flat
    text = without_ends([token for one in our for token in rebuilt(*one, first)])
    assert text == flat[: len(text)] and len(text) > 0.95 * len(flat) - INPUTS


def test_iid_denoising_has_t5s_text_and_sentinels(vocabulary):
    first, steps = vocabulary.vocab_size - 1, [t5.iid_denoising, trim]
    flat = np.concatenate(documents()).tolist()
    text = [token for one in theirs(steps, vocabulary) for token in rebuilt(*one, first)]
    assert text == flat
    spans_ = []
    for inputs, targets in ours(steps, vocabulary):
        text = without_ends(rebuilt(inputs, targets, first))
        assert "".join(map(chr, text)) in "".join(map(chr, flat))
        used = [token for token in inputs if token > first - 100]
        assert used == [*range(first, first - len(used), -1)]
        spans_.append(len(used) / len(inputs))
    usual = [
        sum(token > first - 100 for token in one) / len(one) for one, _ in theirs(steps, vocabulary)
    ]
    assert np.mean(spans_) == pytest.approx(np.mean(usual), rel=0.1)


def test_full_lm_has_t5s_text(vocabulary):
    steps = [t5.full_lm]
    their = [targets for _, targets in theirs(steps, vocabulary)]
    our = ours(steps, vocabulary, DECODER, Row(TARGETS // 2, TARGETS // 2, DECODER))
    flat = [token for _, targets in our for token in targets]
    assert flat == [token for one in their for token in one][: len(flat)]
    assert {len(one) for one in their[:-1]} == {TARGETS}


def test_prefix_lm_has_t5s_text(vocabulary):
    steps = [t5.prefix_lm, trim]
    their = [[*inputs[:-1], *targets[:-1]] for inputs, targets in theirs(steps, vocabulary)]
    pieces_ = [
        one[at : at + INPUTS - 1].tolist()
        for one in documents()
        for at in range(0, len(one), INPUTS - 1)
    ]
    assert their == pieces_
    our = [token for one in ours(steps, vocabulary, DECODER) for side in one for token in side]
    flat = np.concatenate(documents()).tolist()
    assert without_ends(our) == flat[: len(without_ends(our))]
    splits = [len(one) / (len(one) + len(other)) for one, other in ours(steps, vocabulary, DECODER)]
    assert 0.4 < np.mean([share for share in splits if share]) < 0.6


@pytest.mark.parametrize(
    "inputs",
    [
        t5.noise_token_to_sentinel,
        t5.noise_token_to_random_token_or_sentinel,
        t5.permute_noise_tokens,
    ],
)
def test_forms_that_say_the_whole_text_say_t5s(inputs, vocabulary):
    first = vocabulary.vocab_size - 1
    is_all = inputs is t5.permute_noise_tokens
    steps = [*cuts, noise(inputs, density=1.0 if is_all else 0.15), trim]
    flat = np.concatenate(documents()).tolist()
    for made in (theirs(steps, vocabulary), ours(steps, vocabulary)):
        said = without_ends([token for _, targets in made for token in targets])
        assert said == flat[: len(said)] and len(said) > 0.9 * len(flat)
        assert all(len(one) == len(other) for one, other in made)
        if is_all:
            for one, other in made:
                assert collections.Counter(one) == collections.Counter(other)
            continue
        hidden = np.mean([one != other for pair in made for one, other in zip(*pair, strict=True)])
        assert hidden == pytest.approx(0.15, abs=0.02)
        shown = {a for pair in made for a, b in zip(*pair, strict=True) if a != b}
        assert first in shown and (shown == {first}) == (inputs is t5.noise_token_to_sentinel)


def test_dropped_tokens_are_t5s(vocabulary):
    steps = [*cuts, noise(t5.drop_noise_tokens, t5.drop_nonnoise_tokens), trim]
    for made in (theirs(steps, vocabulary), ours(steps, vocabulary)):
        share = sum(len(one) - 1 for _, one in made) / sum(len(a) + len(b) - 2 for a, b in made)
        assert share == pytest.approx(0.15, abs=0.02)
        counted = collections.Counter(token for pair in made for one in pair for token in one)
        whole = collections.Counter(np.concatenate(documents()).tolist())
        assert all(many <= whole[token] for token, many in counted.items() if token != 1)


def test_recognition_asks_for_no_t5_where_none_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "t5", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert recognized([t5.full_lm]) is None
