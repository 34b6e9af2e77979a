"""Rows follow from their number alone, whoever asks for them, and cover the text."""

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from archlab.batch import abstract
from archlab.data import sources
from archlab.data.objectives.table import OBJECTIVES, UL2
from archlab.data.pipeline import Rows
from archlab.data.recipes import Recipe
from archlab.data.row import DECODER, ENCODER, KINDS, PAIR, Row
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
CASES = [
    (name, kind) for name in OBJECTIVES for kind in KINDS if not OBJECTIVES[name].refusal(kind)
]
MIXTURES = {
    "ul2": {name: 1 for name in UL2},
    "three": {"causal_lm": 1, "span_corruption": 4, "fim": 2},
    "two": {"prefix_lm": 1, "iid_denoising": 2.5},
    "in place": {"masked_lm": 1, "masked_diffusion": 1},
}
KIND = {"ul2": PAIR, "three": DECODER, "two": PAIR, "in place": ENCODER}


@pytest.fixture(scope="module")
def recipe(recipes):
    """Makes a mixture of objectives, all over the text of the folder."""
    content = recipes["causal_lm"].content

    def made(**rates):
        tasks = [
            {
                **content["tasks"][0],
                "name": f"folder_{name}",
                "objective": name,
                "parameters": {},
                "rate": rate,
            }
            for name, rate in rates.items()
        ]
        return Recipe("mine", {**content, "tasks": tasks})

    return made


def rows_of(recipe, kind, inputs=40, targets=24, seed=0, stage=0, **settings):
    return Rows(recipe, inputs, targets, kind, seed, stage, **settings)


def same(one, other):
    """Whether two batches are equal to the bit."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


def cut(batch, low, high):
    return jax.tree.map(lambda array: array[low:high], batch)


def joined(batches):
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *batches)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_rows_do_not_depend_on_how_they_are_asked_for(recipe, name, kind):
    whole = rows_of(recipe(**{name: 1}), kind).batch(5, 12)
    assert jax.tree.map(lambda one: (one.shape, one.dtype), whole) == jax.tree.map(
        lambda one: (one.shape, one.dtype), abstract(kind, 12, 40, 24)
    )
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(whole))
    again = rows_of(recipe(**{name: 1}), kind)
    for low, high in [(4, 12), (0, 4), (7, 8), (3, 9)]:
        assert same(again.batch(5 + low, high - low), cut(whole, low, high))


@pytest.mark.parametrize("documents", ["joined", "whole"])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_hosts_read_the_same_rows_however_many_they_are(recipe, mixture, documents):
    if documents == "whole" and mixture != "in place":
        return
    made = recipe(**MIXTURES[mixture])
    rows, step = 16, 10**6  # a step that is far from the first
    one = rows_of(made, KIND[mixture], documents=documents)
    alone = [one.batch(at * rows, rows) for at in (0, 1, step, step + 1)]

    def read(hosts, at):
        parts = [
            lambda many, host=host: np.split(np.arange(many), hosts)[host] for host in range(hosts)
        ]
        readers = [rows_of(made, KIND[mixture], documents=documents, own=own) for own in parts]
        return joined([reader.batch(at * rows, rows) for reader in readers])

    for hosts in (1, 2, 4, 8):
        assert same(read(hosts, step), alone[2])
    # And where a host's rows are not neighbours.
    third = rows_of(
        made, KIND[mixture], documents=documents, own=lambda many: np.arange(many)[1::3]
    )
    odd = jax.tree.map(lambda array: array[1::3], alone[2])
    assert same(third.batch(step * rows, rows), odd)
    # And after a change of hosts.
    assert all(
        same(read(hosts, at), wanted)
        for hosts, at, wanted in zip((2, 8, 4, 1), (0, 1, step, step + 1), alone, strict=True)
    )


@pytest.mark.parametrize("mixture", MIXTURES)
def test_seed_and_stage_change_training_rows_only(recipe, mixture):
    def asked(seed, stage, split):
        made = rows_of(recipe(**MIXTURES[mixture]), KIND[mixture], 40, 24, seed, stage, split=split)
        return made.batch(0, 6)

    for split, is_same in [("train", False), ("validation", True)]:
        first = asked(0, 0, split)
        assert same(first, asked(0, 0, split))
        assert [same(first, asked(*who, split)) for who in [(1, 0), (0, 1)]] == [is_same] * 2
    assert not same(asked(0, 0, "train"), asked(0, 0, "validation"))


def test_a_registered_mixture_gives_each_task_its_share(recipes):
    recipe = recipes["both"]
    assert recipe.objectives == ["folder_prefix_lm", "folder_span_corruption"]
    batch = rows_of(recipe, PAIR).batch(0, 1024)
    assert np.bincount(batch.objective_B).tolist() == [256, 768]
    # Sentinels are where the task says that they are, and nowhere else.
    is_hidden = np.any(batch.encoder.tokens_BL >= V.size - V.sentinels, axis=1)
    assert is_hidden.tolist() == (batch.objective_B == 1).tolist()


def test_rates_hold_at_every_row(recipe):
    made = rows_of(recipe(**MIXTURES["ul2"]), PAIR)
    count = np.cumsum(np.arange(7) == made.batch(0, 70).objective_B[:, None], axis=0)
    share = np.arange(1, 71)[:, None] / 7
    assert np.abs(count - share).max() < 1


@pytest.mark.parametrize("unit", ["tokens", "loss_tokens"])
def test_rates_may_count_what_rows_hold(recipe, unit):
    made = rows_of(recipe(causal_lm=1, span_corruption=1), DECODER, 100, 60, unit=unit)
    batch = made.batch(0, 600)
    is_text = batch.decoder.end_BL > 0 if unit == "tokens" else batch.weight_BL
    many = [float(is_text[batch.objective_B == task].sum()) for task in range(2)]
    assert many[0] == pytest.approx(many[1], rel=0.02)
    assert rows_of(recipe(causal_lm=1), DECODER, unit=unit).batch(0, 2).decoder is not None


def text(folder, split="train"):
    """The tokens of the folder, by reading its files again."""
    documents = sources.folder(folder).documents(split)
    return [token for one in documents for token in [*V.encode(one.text), V.end]]


def back(inputs, targets):
    """The text of a corrupted example: each sentinel of the inputs replaced by its span."""
    spans, last = {}, None
    for token in targets[:-1]:
        if token >= V.size - V.sentinels:
            last = spans.setdefault(token, [])
        else:
            last.append(token)
    found = [spans.get(token, [token]) for token in inputs[:-1]]
    return list(itertools.chain.from_iterable(found))


def said(name, examples):
    """The text of a row's examples."""
    found = []
    for inputs, targets in ((left.tolist(), right.tolist()) for left, right in examples):
        if name.endswith("span_corruption"):
            found += back(inputs, targets)
        else:
            found += targets if name.endswith("masked_lm") else inputs + targets
    return found


@pytest.mark.parametrize("split", sources.SPLITS)
@pytest.mark.parametrize(
    ("kind", "rates"),
    [
        (DECODER, {"causal_lm": 1}),
        (ENCODER, {"masked_lm": 1}),
        (PAIR, {"span_corruption": 1}),
        (DECODER, {"prefix_lm": 1, "span_corruption": 3}),
        (PAIR, {"prefix_lm": 2, "span_corruption": 1, "prefix_lm_fixed": 1}),
    ],
)
def test_an_epoch_covers_the_text_once(recipe, corpus, kind, rates, split):
    made = rows_of(recipe(**rates), kind, 24, 16, split=split)
    whole = text(corpus[0].folder, split)
    row = Row(24, 16, kind)
    raw = [OBJECTIVES[name].raw(row, V) for name in rates]
    chunk = sum(many * length for many, length in zip(rates.values(), raw, strict=True))
    chunks = max(1, len(whole) // chunk)
    rows, spelled = chunks * sum(rates.values()), "".join(map(chr, [*whole, *whole[:chunk]]))
    phases = []
    for epoch in range(2):
        covered, starts = np.zeros(len(whole), int), []
        for task, _, examples in made.examples(epoch * rows, rows):
            listed = examples.listed()
            for at in range(rows):
                own = [listed[number] for number in np.flatnonzero(examples.row_S == at)]
                if not own:
                    continue
                tokens = said(made.objectives[task], own)
                assert len(tokens) == raw[task]
                starts.append(spelled.index("".join(map(chr, tokens))))
                covered[np.arange(starts[-1], starts[-1] + len(tokens)) % len(whole)] += 1
        assert len(starts) == rows and starts != sorted(starts)
        assert covered.max() == 1 and covered.sum() == chunks * chunk
        phases.append(min(starts))
    assert made.epochs(rows) == {f"folder_{name}": pytest.approx(1) for name in rates}
    assert phases[0] != phases[1]


def test_what_is_wrong_is_refused(recipe):
    with pytest.raises(ValueError, match="causal_lm does not fit an encoder"):
        rows_of(recipe(causal_lm=1), ENCODER)
    for documents, name in [("whole", "span_corruption"), ("whole", "fim")]:
        with pytest.raises(ValueError, match=f"folder_{name} takes text of a fixed length"):
            rows_of(recipe(**{name: 1}), DECODER, documents=documents)
    content = recipe(causal_lm=1).content
    task = content["tasks"][0]
    stores = [{**task["stores"], "validation": None}, {"train": task["stores"]["train"]}]
    for one in stores:
        made = Recipe("mine", {**content, "tasks": [{**task, "stores": one}]})
        assert made.has("train") and not made.has("validation")
        rows_of(made, DECODER)
        with pytest.raises(ValueError, match="mine has no validation text"):
            rows_of(made, DECODER, split="validation")


def test_a_task_keeps_the_parameters_that_it_was_registered_with(recipe):
    content = recipe(span_corruption=1).content
    tasks = [{**content["tasks"][0], "parameters": {"rate": 0.5, "mean": 2.0}}]
    made = rows_of(Recipe("mine", {**content, "tasks": tasks}), PAIR, 40, 40)
    batch, plain = made.batch(0, 4), rows_of(recipe(span_corruption=1), PAIR, 40, 40).batch(0, 4)
    how = dataclasses.replace(OBJECTIVES["span_corruption"], rate=0.5, mean=2.0)
    hidden = np.sum(batch.encoder.tokens_BL >= V.size - V.sentinels, axis=1)
    assert hidden.tolist() == [how.sentinels(made.row, V)] * 4
    assert batch.weight_BL.sum() > 2 * plain.weight_BL.sum()


def test_what_is_odd_is_said(recipe, corpus):
    def warned(inputs, targets, kind=PAIR, **rates):
        return "\n".join(rows_of(recipe(**rates), kind, inputs, targets).warnings)

    assert warned(200, 200, prefix_lm=1) == ""
    many = len(list(sources.folder(corpus[0].folder).documents("train")))
    assert f"folder_prefix_lm: {many} documents, " in warned(24, 8, prefix_lm=1)
    assert "longer than a row and cut" in warned(24, 8, prefix_lm=1)
    # A text of 221 tokens hides 33 in 11 spans, and both sides have their end.
    loose = "folder_span_corruption: fills 61% of its rows, at most 200 of 200 inputs and 45 of 200"
    assert loose in warned(200, 200, span_corruption=1)
    assert "fills" not in warned(200, 45, span_corruption=1)
    assert "folder_ul2_x64: hides a single span" in warned(200, 200, prefix_lm=1, ul2_x64=1)
    tokens = len(text(corpus[0].folder))
    made = rows_of(recipe(causal_lm=1), DECODER, tokens, 10)
    assert f"has {tokens} tokens, fewer than a row takes; it repeats" in "\n".join(made.warnings)
    batch = made.batch(0, 1)
    assert batch.target_BL[0, :10].tolist() == batch.target_BL[0, tokens:].tolist()


def test_what_trains_imports_no_tensorflow():
    code = "import sys, archlab.data.pipeline; print(*{one.split('.')[0] for one in sys.modules})"
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    assert {"archlab", "grain", "numpy"} <= {*told}
    assert not {"tensorflow", "seqio", "tensorflow_datasets", "torch"} & {*told}
