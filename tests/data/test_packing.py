"""Packed rows equal those of a slow loop that writes one position at a time."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.batch import abstract
from archlab.data.examples import Examples
from archlab.data.packing import pack
from archlab.data.row import DECODER, ENCODER, PAIR, Row

INPUTS, TARGETS = 9, 8
ROW = Row(INPUTS, TARGETS, DECODER)
IDS = st.integers(0, 300)  # 0 too: an id of padding within a text ends nothing
IN_PLACE = "decoder, in place"  # masked next-token prediction: all in view, read one late


@dataclasses.dataclass(frozen=True)
class Example:
    """One example, by itself."""

    inputs: list[int]
    targets: list[int]
    weights: list[float]


def example(inputs, targets, weights=None):
    return Example(inputs, targets, [1.0] * len(targets) if weights is None else weights)


def flat(rows, is_in_place=False, is_joined=False, is_weighted=True):
    """Examples of rows as objectives make them."""
    found = [(number, one) for number, row in enumerate(rows) for one in row]

    def tokens(lists, kind=np.int32):
        return np.asarray([one for ones in lists for one in ones], kind)

    given_S, learnt_S = (
        np.asarray([len(getattr(one, side)) for _, one in found], np.int64)
        for side in ("inputs", "targets")
    )
    sides = joined_T = None
    if is_joined:
        joined_T = tokens([*one.inputs, *one.targets] for _, one in found)
    else:
        sides = tokens(one.inputs for _, one in found), tokens(one.targets for _, one in found)
    counted = tokens((one.weights for _, one in found), np.float32) if is_weighted else None
    row_S = np.asarray([number for number, _ in found], np.int64)
    return Examples(row_S, given_S, learnt_S, joined_T, sides, counted, is_in_place)


@st.composite
def rows_of(draw, kind):
    """Rows of examples that fit; rows may be empty, and inputs too."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        examples, inputs, targets = [], 0, 0
        for _ in range(draw(st.integers(0, 4))):
            right = draw(st.lists(IDS, min_size=1, max_size=6))
            left = draw(st.lists(IDS, max_size=5))
            left = right[::-1] if kind in (ENCODER, IN_PLACE) else left
            inputs, targets = inputs + len(left), targets + len(right)
            used = {PAIR: max(inputs - INPUTS, targets - TARGETS)}
            used |= dict.fromkeys([ENCODER, IN_PLACE], targets - 17)
            if used.get(kind, inputs + targets - 17) > 0:
                break
            weights = [draw(st.sampled_from([0.0, 0.5, 1.0])) for _ in right]
            examples.append(example(left, right, weights))
        made.append(examples)
    return made


def slowly(rows, kind, begin):
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
            given_, learnt = one.inputs, one.targets
            if kind in (ENCODER, PAIR):
                for place, token in enumerate(given_):
                    end = left + len(given_)
                    put("e", row, left, place, token, end, end)
            whole = given_ + learnt if kind == DECODER else learnt
            before = len(whole) - len(learnt)
            for place, token in enumerate(whole):
                at = right + place
                if kind != ENCODER:
                    said = given_ if kind == IN_PLACE else whole
                    read = said[place - 1] if place else begin
                    split = right + before + 1 if before else right
                    split = right + len(whole) if kind == IN_PLACE else split
                    put("d", row, right, place, read, split, right + len(whole))
                if kind == PAIR:
                    out["memory_start"][row, at] = left
                    out["memory_end"][row, at] = left + len(given_)
                out["target"][row, at] = token
                if place >= before:
                    out["weight"][row, at] = one.weights[place - before]
            left, right = left + len(given_), right + len(whole)
    return out


def arrays(batch):
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


@pytest.mark.parametrize("kind", [DECODER, PAIR, ENCODER, IN_PLACE])
@given(data=st.data(), begin=st.sampled_from([0, 0, 7]), is_joined=st.booleans())
def test_equals_the_slow_loop(kind, data, begin, is_joined):
    rows = data.draw(rows_of(kind))
    own = DECODER if kind == IN_PLACE else kind
    numbers = np.arange(len(rows), dtype=np.int32)
    is_in_place = kind in (ENCODER, IN_PLACE)
    examples = flat(rows, is_in_place, is_joined and not is_in_place)
    batch = pack(examples, numbers, Row(INPUTS, TARGETS, own), begin)
    wanted, found = slowly(rows, kind, begin), arrays(batch)
    assert {name[0] for name in found} - {"t", "w"} == {*{PAIR: "edm", ENCODER: "e"}.get(kind, "d")}
    for name, array in found.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    np.testing.assert_array_equal(batch.objective_B, numbers)
    shapes = jax.tree.map(lambda one: (one.shape, one.dtype), batch)
    assert shapes == jax.tree.map(
        lambda one: (one.shape, one.dtype), abstract(own, len(rows), INPUTS, TARGETS)
    )


@pytest.mark.parametrize("kind", [DECODER, PAIR, ENCODER, IN_PLACE])
@given(data=st.data(), is_weighted=st.booleans(), is_alike=st.booleans())
def test_rows_may_come_in_any_order(kind, data, is_weighted, is_alike):
    rows = data.draw(rows_of(kind))
    rows = rows[:1] * 3 if is_alike else rows
    own = Row(INPUTS, TARGETS, DECODER if kind == IN_PLACE else kind)
    numbers, is_in_place = np.arange(len(rows), dtype=np.int32), kind in (ENCODER, IN_PLACE)
    place = np.asarray(data.draw(st.permutations(range(len(rows)))))
    made = flat(rows, is_in_place, is_weighted=is_weighted)
    there = pack(dataclasses.replace(made, row_S=place[made.row_S]), numbers, own, 7)
    here = pack(made, numbers, own, 7)
    for name, array in arrays(there).items():
        np.testing.assert_array_equal(array[place], arrays(here)[name], err_msg=name)


@pytest.mark.parametrize("kind", [DECODER, PAIR, ENCODER, IN_PLACE])
@given(data=st.data(), rows=st.integers(2, 4))
def test_rows_that_are_alike_are_laid_out_once(kind, data, rows):
    (row, *_) = data.draw(rows_of(kind))
    again = [
        [example(one.inputs, [*one.targets[1:], number]) for one in row] for number in range(rows)
    ]
    is_in_place, own = kind in (ENCODER, IN_PLACE), DECODER if kind == IN_PLACE else kind
    made = flat(again, is_in_place, is_weighted=False)
    batch = pack(made, np.zeros(rows, np.int32), Row(INPUTS, TARGETS, own), 7)
    wanted, found = slowly(again, kind, 7), arrays(batch)
    for name, array in found.items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
        is_layout = name not in ("e_tokens", "d_tokens", "target")
        assert not is_layout or not row or array.strides[0] == 0, name


@pytest.mark.parametrize("kind", [DECODER, PAIR, ENCODER, IN_PLACE])
@given(data=st.data())
def test_every_target_counts_unless_it_is_said(kind, data):
    rows = data.draw(rows_of(kind))
    ones = [[example(one.inputs, one.targets) for one in row] for row in rows]
    own = Row(INPUTS, TARGETS, DECODER if kind == IN_PLACE else kind)
    numbers, is_in_place = np.zeros(len(rows), np.int32), kind in (ENCODER, IN_PLACE)
    said, unsaid = (
        pack(flat(ones, is_in_place, is_weighted=is_weighted), numbers, own)
        for is_weighted in (True, False)
    )
    assert jax.tree.all(jax.tree.map(np.array_equal, said, unsaid))


@pytest.mark.parametrize("kind", [DECODER, PAIR, ENCODER, IN_PLACE])
@given(data=st.data(), cut=st.integers(0, 3))
def test_a_row_is_packed_alone_as_among_others(kind, data, cut):
    rows = data.draw(rows_of(kind))
    own = Row(INPUTS, TARGETS, DECODER if kind == IN_PLACE else kind)

    def packed(low, high):
        is_in_place = kind in (ENCODER, IN_PLACE)
        return pack(flat(rows[low:high], is_in_place), np.arange(low, high, dtype=np.int32), own)

    whole = packed(0, len(rows))
    for low, high in [(0, cut), (cut, len(rows))]:
        if low < high <= len(rows):
            part = jax.tree.map(lambda array, low=low, high=high: array[low:high], whole)
            assert jax.tree.all(jax.tree.map(np.array_equal, packed(low, high), part))


def packed(examples, row, **settings):
    return pack(flat([examples], **settings), np.zeros(1, np.int32), row)


def test_the_example_of_the_docstring():
    batch = packed([example([5, 6], [7, 1])], Row(2, 3, DECODER))
    stream = batch.decoder
    assert stream.tokens_BL.tolist() == [[0, 5, 6, 7, 0]]
    assert stream.split_BL.tolist() == [[3, 3, 3, 3, 0]]
    assert stream.end_BL.tolist() == [[4, 4, 4, 4, 0]]
    assert batch.target_BL.tolist() == [[5, 6, 7, 1, 0]]
    assert batch.weight_BL.tolist() == [[0, 0, 1, 1, 0]]


def test_the_example_of_the_batch():
    stream = packed(
        [example([21, 22], [23, 24]), example([], [25, 26])], Row(4, 3, DECODER)
    ).decoder
    assert stream.tokens_BL.tolist() == [[0, 21, 22, 23, 0, 25, 0]]
    assert stream.position_BL.tolist() == [[0, 1, 2, 3, 0, 1, 0]]
    assert stream.start_BL.tolist() == [[0, 0, 0, 0, 4, 4, 0]]
    assert stream.split_BL.tolist() == [[3, 3, 3, 3, 4, 4, 0]]
    assert stream.end_BL.tolist() == [[4, 4, 4, 4, 6, 6, 0]]


def test_a_decoder_names_masked_tokens_one_late_with_all_in_view():
    batch = packed([example([5, 9, 7], [5, 6, 7], [0, 1, 0])], Row(2, 2, DECODER), is_in_place=True)
    assert batch.decoder.tokens_BL.tolist() == [[0, 5, 9, 0]]  # so that it predicts 6 reading 5
    assert batch.decoder.split_BL.tolist() == batch.decoder.end_BL.tolist() == [[3, 3, 3, 0]]
    assert batch.target_BL.tolist() == [[5, 6, 7, 0]]
    assert batch.weight_BL.tolist() == [[0, 1, 0, 0]]


def test_empty_inputs_give_an_empty_memory():
    batch = packed([example([5, 6], [7]), example([], [8, 1]), example([9], [1])], Row(4, 5, PAIR))
    assert batch.memory_start_BL.tolist() == [[0, 2, 2, 2, 0]]
    assert batch.memory_end_BL.tolist() == [[2, 2, 2, 3, 0]]


@pytest.mark.parametrize(
    ("kind", "inputs", "targets", "holds"),
    [(DECODER, 10, 8, 18), (PAIR, 10, 1, 10), (PAIR, 1, 9, 9), (ENCODER, 18, 18, 18)],
)
def test_what_does_not_fit_is_refused(kind, inputs, targets, holds):
    rows = [[example([5], [6])], [example([5] * inputs, [6] * targets)], []]
    room = {DECODER: 17, ENCODER: 17, PAIR: 9 if inputs > 9 else 8}[kind]
    with pytest.raises(ValueError, match=f"^row 1 holds {holds} tokens and has room for {room}$"):
        pack(flat(rows, kind == ENCODER), np.zeros(3, np.int32), Row(INPUTS, TARGETS, kind))


def test_inputs_without_targets_end_where_their_segment_ends():
    stream = packed([example([5, 6], []), example([], [7])], ROW).decoder
    assert stream.split_BL[0, :4].tolist() == [2, 2, 2, 0]
    assert stream.end_BL[0, :4].tolist() == [2, 2, 3, 0]


def test_rows_without_examples_are_padding():
    for kind in (DECODER, PAIR, ENCODER):
        batch = pack(flat([[], []], kind == ENCODER), np.zeros(2, np.int32), Row(3, 2, kind))
        assert all(not leaf.any() for leaf in jax.tree.leaves(batch))
