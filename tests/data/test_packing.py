"""Packed rows equal those of a slow loop that writes one position at a time."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.batch import abstract
from archlab.data.objectives import Example
from archlab.data.packing import pack
from archlab.data.rows import DECODER, ENCODER, PAIR, Row

INPUTS, TARGETS = 9, 8
ROW = Row(INPUTS, TARGETS, DECODER)
IDS = st.integers(0, 300)  # 0 too: an id of padding within a text ends nothing


def example(inputs, targets, weights=None):
    weights = np.ones(len(targets)) if weights is None else weights
    return Example(
        np.asarray(inputs, np.int32), np.asarray(targets, np.int32), np.asarray(weights, np.float32)
    )


@st.composite
def rows_of(draw, kind):
    """Rows of examples that fit; rows may be empty, and inputs too."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        examples, inputs, targets = [], 0, 0
        for _ in range(draw(st.integers(0, 4))):
            right = draw(st.lists(IDS, min_size=1, max_size=6))
            left = draw(st.lists(IDS, max_size=5))
            left = right[::-1] if kind == ENCODER else left
            inputs, targets = inputs + len(left), targets + len(right)
            used = {PAIR: max(inputs - INPUTS, targets - TARGETS), ENCODER: targets - 17}
            if used.get(kind, inputs + targets - 17) > 0:
                break
            weights = [draw(st.sampled_from([0.0, 0.5, 1.0])) for _ in right]
            examples.append(example(left, right, weights))
        made.append(examples)
    return made


def slowly(rows, kind):
    """The same, one position after another, by the words of `Stream` and `Batch`."""
    last = TARGETS if kind == PAIR else INPUTS + TARGETS
    memory = INPUTS if kind == PAIR else last
    fields = ("tokens", "position", "start", "split", "end")
    out = {name: np.zeros((len(rows), memory), int) for name in [f"e_{one}" for one in fields]}
    out |= {name: np.zeros((len(rows), last), int) for name in [f"d_{one}" for one in fields]}
    for name in ("memory_start", "memory_end", "target", "weight"):
        out[name] = np.zeros((len(rows), last))

    def put(stack, row, start, place, token, split, end):
        values = (token, place, start, split, end)
        for field, value in zip(fields, values, strict=True):
            out[f"{stack}_{field}"][row, start + place] = value

    for row, examples in enumerate(rows):
        left = right = 0
        for one in examples:
            given_, learnt = one.inputs.tolist(), one.targets.tolist()
            if kind != DECODER:
                for place, token in enumerate(given_):
                    end = left + len(given_)
                    put("e", row, left, place, token, end, end)
            whole = learnt if kind == PAIR else given_ + learnt
            if kind == ENCODER:
                whole = learnt
            before = len(whole) - len(learnt)
            for place, token in enumerate(whole):
                at = right + place
                if kind != ENCODER:
                    read = whole[place - 1] if place else 0
                    split = right + before + 1 if before else right
                    put("d", row, right, place, read, split, right + len(whole))
                if kind == PAIR:
                    out["memory_start"][row, at] = left
                    out["memory_end"][row, at] = left + len(given_)
                out["target"][row, at] = token
                if place >= before:
                    out["weight"][row, at] = one.weights[place - before]
            left, right = left + len(given_), right + len(whole)
    return out


def flat(batch):
    """The arrays of a batch under the loop's names; what is not there is left out."""
    out = {name: getattr(batch, f"{name}_BL") for name in ("target", "weight")}
    for stack, stream in (("e", batch.encoder), ("d", batch.decoder)):
        if stream is not None:
            out |= {
                f"{stack}_{field.name.removesuffix('_BL')}": getattr(stream, field.name)
                for field in dataclasses.fields(stream)
            }
    if batch.memory_start_BL is not None:
        out |= {"memory_start": batch.memory_start_BL, "memory_end": batch.memory_end_BL}
    return out


@pytest.mark.parametrize("kind", [DECODER, PAIR, ENCODER])
@given(data=st.data())
def test_equals_the_slow_loop(kind, data):
    rows = data.draw(rows_of(kind))
    numbers = np.arange(len(rows), dtype=np.int32)
    batch = pack(rows, numbers, Row(INPUTS, TARGETS, kind))
    wanted, found = slowly(rows, kind), flat(batch)
    there = {DECODER: "d", ENCODER: "e", PAIR: "edm"}[kind]
    assert {name[0] for name in found} - {"t", "w"} == set(there)
    for name, array in found.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    np.testing.assert_array_equal(batch.objective_B, numbers)
    shapes = jax.tree.map(lambda one: (one.shape, one.dtype), batch)
    assert shapes == jax.tree.map(
        lambda one: (one.shape, one.dtype), abstract(kind, len(rows), INPUTS, TARGETS)
    )


def test_the_example_of_the_docstring():
    batch = pack([[example([5, 6], [7, 1])]], np.zeros(1, np.int32), Row(2, 3, DECODER))
    stream = batch.decoder
    assert stream.tokens_BL.tolist() == [[0, 5, 6, 7, 0]]
    assert stream.split_BL.tolist() == [[3, 3, 3, 3, 0]]
    assert stream.end_BL.tolist() == [[4, 4, 4, 4, 0]]
    assert batch.target_BL.tolist() == [[5, 6, 7, 1, 0]]
    assert batch.weight_BL.tolist() == [[0, 0, 1, 1, 0]]


def test_the_example_of_the_batch():
    examples = [example([21, 22], [23, 24]), example([], [25, 26])]
    stream = pack([examples], np.zeros(1, np.int32), Row(4, 3, DECODER)).decoder
    assert stream.tokens_BL.tolist() == [[0, 21, 22, 23, 0, 25, 0]]
    assert stream.position_BL.tolist() == [[0, 1, 2, 3, 0, 1, 0]]
    assert stream.start_BL.tolist() == [[0, 0, 0, 0, 4, 4, 0]]
    assert stream.split_BL.tolist() == [[3, 3, 3, 3, 4, 4, 0]]
    assert stream.end_BL.tolist() == [[4, 4, 4, 4, 6, 6, 0]]


def test_empty_inputs_give_an_empty_memory():
    examples = [example([5, 6], [7]), example([], [8, 1]), example([9], [1])]
    batch = pack([examples], np.zeros(1, np.int32), Row(4, 5, PAIR))
    assert batch.memory_start_BL.tolist() == [[0, 2, 2, 2, 0]]
    assert batch.memory_end_BL.tolist() == [[2, 2, 2, 3, 0]]


@pytest.mark.parametrize(
    ("kind", "inputs", "targets"),
    [(DECODER, 10, 8), (PAIR, 10, 1), (PAIR, 1, 9), (ENCODER, 18, 18)],
)
def test_what_does_not_fit_is_refused(kind, inputs, targets):
    fits = example([5], [6])
    long = example([5] * inputs, [6] * targets)
    with pytest.raises(ValueError, match=r"row 1 holds \d+ tokens or more and has room for \d+"):
        pack([[fits], [long]], np.zeros(2, np.int32), Row(INPUTS, TARGETS, kind))


def test_inputs_without_targets_end_where_their_segment_ends():
    stream = pack([[example([5, 6], []), example([], [7])]], np.zeros(1, np.int32), ROW).decoder
    assert stream.split_BL[0, :4].tolist() == [2, 2, 2, 0]
    assert stream.end_BL[0, :4].tolist() == [2, 2, 3, 0]
