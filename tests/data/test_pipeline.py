"""Rows follow from their number alone, and cover the text."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from archlab.data import sources
from archlab.data.order import BLOCK, Order
from archlab.data.pipeline import Rows
from archlab.data.prefetch import Prefetch
from archlab.data.recipes import Recipe
from archlab.data.rows import OBJECTIVES
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
KIND = {"causal_lm": "decoder", "masked_lm": "encoder"}
EVERY = [*OBJECTIVES, "both"]


def rows(recipes, name, inputs=24, targets=8, seed=0, stage=0, **settings):
    kind = settings.pop("kind", KIND.get(name, "encoder_decoder"))
    return Rows(recipes[name], inputs, targets, kind, seed, stage, **settings)


def same(one, other):
    """Whether two batches are equal to the bit."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


def cut(batch, low, high):
    return jax.tree.map(lambda array: array[low:high], batch)


def text(folder, split="train"):
    """The tokens of the folder, by reading its files again."""
    documents = sources.folder(folder).documents(split)
    return [token for one in documents for token in [*V.encode(one.text), V.end]]


@pytest.mark.parametrize("name", EVERY)
def test_rows_do_not_depend_on_how_they_are_asked_for(recipes, name):
    whole = rows(recipes, name).batch(5, 12)
    again = rows(recipes, name)
    for low, high in [(4, 12), (0, 4), (7, 8), (3, 9)]:
        assert same(again.batch(5 + low, high - low), cut(whole, low, high))


@pytest.mark.parametrize("name", EVERY)
def test_seed_and_stage_change_training_rows_only(recipes, name):
    def asked(seed, stage, split):
        return rows(recipes, name, seed=seed, stage=stage, split=split).batch(0, 6)

    for split, is_same in [("train", False), ("validation", True)]:
        first = asked(0, 0, split)
        assert same(first, asked(0, 0, split))
        assert [same(first, asked(*who, split)) for who in [(1, 0), (0, 1)]] == [is_same] * 2
    assert not same(asked(0, 0, "train"), asked(0, 0, "validation"))


def test_a_mixture_gives_each_task_its_share(recipes):
    recipe = recipes["both"]
    assert recipe.objectives == ["folder_prefix_lm", "folder_span_corruption"]
    batch = rows(recipes, "both").batch(0, 1024)
    assert np.bincount(batch.objective_B).tolist() == [256, 768]
    # Sentinels are where the task says that they are, and nowhere else.
    is_hidden = np.any(batch.encoder.tokens_BL >= V.size - V.sentinels, axis=1)
    assert is_hidden.tolist() == (batch.objective_B == 1).tolist()


@pytest.mark.parametrize("split", sources.SPLITS)
@pytest.mark.parametrize("name", ["causal_lm", "masked_lm", "span_corruption"])
def test_an_epoch_covers_the_text_once(recipes, corpus, name, split):
    made = rows(recipes, name, targets=8, split=split)
    whole, raw = text(corpus[0].folder, split), OBJECTIVES[name].raw(made.row)
    chunks, phases = len(whole) // raw, []
    who = (0, 0) if split == "train" else (split, split)
    by_rank = {Order((1.0,), *who).place(number): number for number in range(BLOCK)}
    spelled = "".join(map(chr, [*whole, *whole[:raw]]))
    for epoch in range(2):
        starts = []
        for rank in range(epoch * chunks, (epoch + 1) * chunks):
            tokens = []
            for one in made.examples(by_rank[0, rank])[1]:
                tokens += one.targets.tolist() if name != "span_corruption" else back(one)
            assert len(tokens) == raw
            starts.append(spelled.index("".join(map(chr, tokens))))
        assert starts != sorted(starts)
        covered = np.zeros(len(whole), int)
        for start in starts:
            covered[np.arange(start, start + raw) % len(whole)] += 1
        assert covered.max() == 1 and covered.sum() == chunks * raw
        phases.append(starts[0] % raw)
    assert made.epochs(chunks) == {f"folder_{name}": pytest.approx(1)}
    assert phases[0] != phases[1]


def back(one):
    """The text of a corrupted example: each sentinel of the inputs replaced by its span."""
    targets, found = one.targets[:-1].tolist(), []
    for token in one.inputs[:-1].tolist():
        if token < V.size - V.sentinels:
            found.append(token)
            continue
        span = targets[targets.index(token) + 1 :]
        ends = [at for at, other in enumerate(span) if other >= V.size - V.sentinels]
        found += span[: ends[0]] if ends else span
    return found


def test_what_is_wrong_is_refused(recipes):
    with pytest.raises(ValueError, match="causal_lm does not fit an encoder"):
        rows(recipes, "causal_lm", kind="encoder")
    content = recipes["causal_lm"].content
    task = content["tasks"][0]
    stores = [{**task["stores"], "validation": None}, {"train": task["stores"]["train"]}]
    for one in stores:
        recipe = Recipe("mine", {**content, "tasks": [{**task, "stores": one}]})
        assert recipe.has("train") and not recipe.has("validation")
        Rows(recipe, 24, 8, "decoder", 0, 0)
        with pytest.raises(ValueError, match="mine has no validation text"):
            Rows(recipe, 24, 8, "decoder", 0, 0, "validation")


def test_what_is_odd_is_said(recipes, corpus):
    def said(*who, **settings):
        return "\n".join(rows(recipes, *who, **settings).warnings)

    assert said("prefix_lm", 200, 200) == ""
    many = len(list(sources.folder(corpus[0].folder).documents("train")))
    assert f"folder_prefix_lm: {many} documents, " in said("prefix_lm")
    assert "longer than a row and cut" in said("prefix_lm")
    assert "folder_span_corruption fills" in said("span_corruption", 200, 200)
    tokens = len(text(corpus[0].folder))
    made = rows(recipes, "causal_lm", inputs=tokens, targets=10)
    assert f"has {tokens} tokens, fewer than a row takes; it repeats" in "\n".join(made.warnings)
    batch = made.batch(0, 1)
    assert batch.target_BL[0, :10].tolist() == batch.target_BL[0, tokens:].tolist()


def test_prefetched_batches_are_those_asked_for(recipes):
    made = rows(recipes, "both")
    with Prefetch(made, 3, 4, 5) as ahead:
        found = list(ahead)
        assert list(ahead) == []  # at its end it stays
    assert len(found) == 5
    for number, batch in enumerate(found):
        assert same(batch, made.batch(3 + 4 * number, 4))
    assert ahead.waited > 0


def test_what_trains_imports_no_tensorflow():
    code = "import sys, archlab.data.pipeline; print(*{one.split('.')[0] for one in sys.modules})"
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    assert {"archlab", "grain", "numpy"} <= {*said}
    assert not {"tensorflow", "seqio", "tensorflow_datasets", "torch"} & {*said}


def test_batches_are_numpy_arrays(recipes):
    for name in EVERY:
        batch = rows(recipes, name).batch(0, 2)
        assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(batch))
        assert batch.objective_B.dtype == np.int32
