"""Readers give every piece once an epoch, whole and as it was, whatever a batch is."""

import dataclasses
import functools
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab.data.bins import Bins
from archlab.data.cut import Cut
from archlab.data.examples import Examples
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.order import Chunks
from archlab.data.packing import pack
from archlab.data.readers import Packed, Stored, Whole, Windows, check_in_place
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary
from archlab.data.writer import write

V = Vocabulary()
PIECES = [
    (name, kind)
    for name, objective in OBJECTIVES.items()
    for kind in (DECODER, PAIR, ENCODER)
    if not objective.refusal(kind) and objective.takes_pieces(Row(40, 24, kind))
]


@functools.cache
def documents() -> list[np.ndarray]:
    """Documents of different tokens, some longer than a row, whose tokens tell where they are."""
    draw = np.random.default_rng(0)
    lengths = [*draw.integers(1, 60, 80), 63, 64, 65, 200, 500]
    return [draw.integers(3, V.text, length).astype(np.int32) for length in lengths]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A store of them, in several shards."""
    cut = Cut(V.size, V.end, documents=30)
    path = tmp_path_factory.mktemp("text") / "store"
    return write(path, [(one, len(one)) for one in documents()], cut)


@functools.cache
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Examples: most end in the end, some have no inputs, some are longer than a row."""
    draw, found = np.random.default_rng(1), []
    for number in range(90):
        sides = []
        for most in (30, 20):
            ids = draw.integers(3, V.text, draw.integers(0, most))
            sides.append(np.append(ids, V.end) if number % 3 else ids + np.int64(0))
        found.append(
            (sides[0] if number % 4 else sides[0][:0], np.append(sides[1], 5 + number % 9))
        )
    found += [(draw.integers(3, 200, 100), np.append(draw.integers(3, 200, 90), V.end))]
    found += [(np.append(draw.integers(3, 200, 70), V.end), draw.integers(3, 200, 30))]
    return [(one.astype(np.int32), other.astype(np.int32)) for one, other in found]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """A store of them: inputs and targets, and how many inputs."""
    path = tmp_path_factory.mktemp("examples") / "store"
    joined = [(np.concatenate(one), len(one[0])) for one in pairs()]
    return write(path, joined, Cut(V.size, V.end))


def listed(made: Examples) -> list[list[tuple[list[int], list[int]]]]:
    """The examples of each row, as lists."""
    rows: list = [[] for _ in range(int(made.row_S.max(initial=-1)) + 1)]
    for row, (inputs, targets) in zip(made.row_S, made.listed(), strict=True):
        rows[row].append((inputs.tolist(), targets.tolist()))
    return rows


def whole(store, name="causal_lm", kind=DECODER, inputs=40, targets=24, key=(0, 0, 0)):
    return Whole(store, OBJECTIVES[name], key, Row(inputs, targets, kind), V)


def pieces(room: int) -> list[list[int]]:
    """Each document with its end, cut at a room."""
    ended = [[*one.tolist(), V.end] for one in documents()]
    return [one[at : at + room] for one in ended for at in range(0, len(one), room)]


def test_an_epoch_of_whole_documents_has_each_piece_once(text):
    reader, orders = whole(text), []
    many = reader._packed.packed.rows
    for epoch in range(3):
        found = listed(reader.examples(np.arange(epoch * many, (epoch + 1) * many)))
        assert all(sum(len(one) for _, one in row) <= 64 for row in found)
        said = [targets for row in found for _, targets in row]
        assert sorted(said) == sorted(pieces(64))
        orders.append(said)
    assert orders[0] != orders[1] != orders[2]
    assert reader.epochs(many // 2) == pytest.approx(0.5, abs=0.02)


def test_documents_are_cut_only_if_they_are_longer_than_a_row(text):
    reader = whole(text)
    found = {
        tuple(targets) for row in listed(reader.examples(np.arange(200))) for _, targets in row
    }
    ended = {(*one.tolist(), V.end) for one in documents()}
    assert {one for one in ended if len(one) <= 64} <= found
    assert all(len(one) == 64 or one[-1] == V.end for one in found)


@pytest.mark.parametrize(("name", "kind"), PIECES)
def test_every_objective_that_takes_pieces_takes_whole_documents(text, name, kind):
    reader = whole(text, name, kind)
    made = reader.examples(np.arange(7))
    texts = {tuple(one) for one in pieces(64)}
    batch = pack(made, np.zeros(7, np.int32), reader.row, V.start)
    assert np.all(np.isfinite(batch.weight_BL)) and batch.weight_BL.sum() > 0
    if name in ("causal_lm", "prefix_lm", "prefix_lm_half"):
        joined = [(*inputs, *targets) for row in listed(made) for inputs, targets in row]
        assert {*joined} <= texts
    elif kind == ENCODER and name != "mntp":  # whose targets are moved by one
        assert {tuple(targets) for row in listed(made) for _, targets in row} <= texts


def test_which_objectives_take_pieces():
    assert {("causal_lm", DECODER), ("prefix_lm", DECODER), ("masked_lm", ENCODER)} <= {*PIECES}
    assert not [kind for _, kind in PIECES if kind == PAIR]


def stored(store, kind=PAIR, inputs=32, targets=24):
    return Stored(store, (0, 0, 0), Row(inputs, targets, kind), V.end)


def cut(ids: list[int], room: int) -> list[int]:
    """As SeqIO's `append_eos_after_trim` leaves what ends in the end, and its trimming the rest."""
    if len(ids) <= room:
        return ids
    return [*ids[: room - 1], V.end] if room and ids[-1] == V.end else ids[:room]


@pytest.mark.parametrize("kind", [PAIR, DECODER])
def test_an_epoch_of_stored_examples_has_each_of_them_once(examples, kind):
    reader, orders = stored(examples, kind), []
    many = reader._packed.packed.rows
    wanted = []
    for inputs, targets in pairs():
        said = cut(targets.tolist(), 24 if kind == PAIR else 56)
        wanted.append((cut(inputs.tolist(), 32 if kind == PAIR else 56 - len(said)), said))
    for epoch in range(2):
        found = listed(reader.examples(np.arange(epoch * many, (epoch + 1) * many)))
        orders.append([one for row in found for one in row])
        assert sorted(orders[-1]) == sorted(wanted)
    assert orders[0] != orders[1]
    assert reader.epochs(many) == 1
    assert reader.oddities() == ["2 of 92 examples are longer than a row and cut"]


def test_rows_of_examples_without_inputs_stay_aligned(examples):
    reader = stored(examples)
    made = reader.examples(np.arange(reader._packed.packed.rows))
    batch = pack(made, np.zeros(reader._packed.packed.rows, np.int32), reader.row)
    wanted, empty = {tuple(map(tuple, one)) for row in listed(made) for one in row}, 0
    ends_BL = batch.decoder.end_BL
    for row, column in zip(*np.nonzero(batch.decoder.position_BL == 0), strict=True):
        if not ends_BL[row, column]:
            continue  # padding
        low, high = batch.memory_start_BL[row, column], batch.memory_end_BL[row, column]
        inputs = tuple(batch.encoder.tokens_BL[row, low:high].tolist())
        targets = tuple(batch.target_BL[row, column : ends_BL[row, column]].tolist())
        assert (inputs, targets) in wanted
        empty += not inputs
    assert empty > 10


def readers(text, examples) -> list:
    """One of each kind."""
    raw = OBJECTIVES["span_corruption"].raw(Row(40, 24, PAIR), V)
    chunks = Chunks((0, 0, 0), text.tokens, (raw,), (1.0,))
    spans = OBJECTIVES["span_corruption"]
    return [
        Windows(text, chunks, 0, spans, (0, 0, 0), Row(40, 24, PAIR), V),
        whole(text, "prefix_lm"),
        whole(text, "masked_lm", ENCODER),
        stored(examples),
        stored(examples, DECODER),
    ]


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_rows_do_not_depend_on_what_a_batch_is(text, examples, first, many):
    for reader in readers(text, examples):
        together = listed(reader.examples(np.arange(first, first + sum(many))))
        apart, at = [], first
        for rows in many:
            apart += listed(reader.examples(np.arange(at, at + rows)))
            at += rows
        assert apart == together


def spent(reader, first: int) -> tuple[int, int]:
    """Calls of Python's and of NumPy's that 64 rows take, and bytes that they need at most."""
    calls = []
    tracemalloc.start()
    sys.setprofile(lambda frame, event, what: calls.append(event))
    try:
        reader.examples(np.arange(first, first + 64))
    finally:
        sys.setprofile(None)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return len(calls), most


def test_row_a_billion_costs_what_row_nought_costs(text, examples):
    for reader in readers(text, examples):
        reader.examples(np.arange(8))  # what is packed once
        pairs = zip(spent(reader, 0), spent(reader, 10**9), strict=True)
        assert all(late < 2 * early for early, late in pairs), type(reader)


def test_another_key_is_another_order(text):
    one, other, same = (
        listed(whole(text, key=key).examples(np.arange(9)))
        for key in ((0, 0, 0), (1, 0, 0), (0, 0, 0))
    )
    assert one == same != other


def test_an_epoch_s_key_is_made_once(monkeypatch):
    asked = []
    monkeypatch.setattr("archlab.data.readers.hashed", lambda *parts: asked.append(parts) or 7)
    packed = Packed(Bins(np.arange(10), np.arange(11)), (3, 4))
    number_S, row_S = packed.pieces(np.arange(5, 35))
    assert len(asked) == 4 and sorted(number_S[5:15].tolist()) == [*range(10)]
    assert row_S.tolist() == [*range(30)]


def test_what_an_encoder_reads_stands_in_place(tmp_path):
    same = [(np.asarray([5, V.mask, 7, 9, 8, 7]), 3), (np.arange(3, 103), 50)]
    store = write(tmp_path / "same", same, Cut(V.size, V.end))
    reader = stored(store, ENCODER, 20, 12)
    made = reader.examples(np.arange(reader._packed.packed.rows))
    assert made.is_in_place and reader._packed.packed.rows == 2
    assert sorted(sum(listed(made), [])) == sorted(
        [([5, V.mask, 7], [9, 8, 7]), ([*range(3, 35)], [*range(53, 85)])]
    )
    batch = pack(made, np.zeros(2, np.int32), reader.row)
    assert batch.decoder is None and batch.weight_BL.sum() == 3 + 32
    other = write(tmp_path / "other", [*same, (np.arange(3, 9), 2)], Cut(V.size, V.end))
    with pytest.raises(ValueError, match="example 2 has 2 inputs and 4 targets"):
        stored(other, ENCODER)
    check_in_place(np.asarray([], int), np.asarray([], int))


def test_what_is_odd_is_said(text, examples):
    windows, pieces_, *_ = readers(text, examples)
    assert pieces_.oddities() == ["85 documents, 4 longer than a row and cut into several"]
    few = dataclasses.replace(windows, chunks=Chunks((0,), text.tokens, (text.tokens + 1,), (1.0,)))
    assert any("fewer than a row takes; it repeats" in said for said in few.oddities())
