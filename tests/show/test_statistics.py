"""Statistics, against a slow loop over positions."""

import dataclasses
import math
import statistics as python

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.show.statistics import NONE, TOTAL, Stack, Statistics, statistics, table
from tests import drawn
from tests.show import by_hand

WORDS = by_hand.BYTES
NAMES = ["first", "second", "never"]  # batches are drawn with rows of the first two


@st.composite
def batches(draw):
    kind = draw(st.sampled_from(["decoder", "encoder_decoder", "encoder"]))
    rows, inputs, targets = (draw(st.integers(*span)) for span in ((1, 5), (5, 17), (3, 11)))
    batch = drawn.batch(kind, rows, inputs, targets, WORDS.size, draw(st.integers(0, 9999)))
    random = np.random.default_rng(draw(st.integers(0, 9999)))
    # Ends and padding in the text, and weights that are no ones.
    special = random.integers(0, 3, batch.target_BL.shape)
    is_special = random.random(batch.target_BL.shape) < 0.2
    return dataclasses.replace(
        batch,
        target_BL=np.where(is_special, special, batch.target_BL).astype(np.int32),
        weight_BL=batch.weight_BL * random.choice([0.25, 1, 3], batch.weight_BL.shape),
    )


def is_natural(token):
    return token in range(2, 3 + 256)


def ratio(part, whole):
    return part / whole if whole else math.nan


def slowly(batch, rows, name):
    """The same, a position at a time."""
    held = {stack: getattr(batch, stack) for stack in ("encoder", "decoder")}
    held = {stack: stream for stack, stream in held.items() if stream is not None}
    spans = {stack: [] for stack in held}
    room = dict.fromkeys(held, 0)
    filled = dict.fromkeys(held, 0)
    learnt = natural = sentinels = source = 0
    weight = 0.0
    for row in rows:
        for number, (stack, stream) in enumerate(held.items()):
            ends = stream.end_BL[row].tolist()
            starts = stream.start_BL[row].tolist()
            spans[stack] += [b - a for a, b in set(zip(starts, ends, strict=True)) if b]
            for at, end in enumerate(ends):
                room[stack] += 1
                filled[stack] += end > 0
                is_last = number == len(held) - 1
                said = (batch.target_BL if is_last else stream.tokens_BL)[row][at]
                if end:
                    sentinels += said in range(WORDS.size - WORDS.sentinels, WORDS.size)
                    source += is_natural(said)
                if is_last and batch.weight_BL[row][at] > 0:
                    learnt += 1
                    weight += batch.weight_BL[row][at]
                    natural += is_natural(said)
    many = len(rows)
    stacks = {
        stack: Stack(
            ratio(filled[stack], room[stack]),
            (min(found), python.median(found), max(found)) if found else (math.nan,) * 3,
        )
        for stack, found in spans.items()
    }
    return Statistics(
        name,
        many,
        ratio(len(spans[list(held)[-1]]), many),
        stacks,
        ratio(sum(filled.values()), sum(room.values())),
        ratio(learnt, many),
        ratio(learnt, sum(room.values())),
        ratio(natural, many),
        ratio(sentinels, many),
        ratio(source, many),
        ratio(weight, learnt),
    )


@given(batch=batches())
def test_they_are_those_of_a_slow_loop(batch):
    found = statistics(batch, WORDS, NAMES)
    rows = range(len(batch.objective_B))
    expected = [
        slowly(batch, [row for row in rows if batch.objective_B[row] == task], name)
        for task, name in enumerate(NAMES)
    ]
    expected.append(slowly(batch, list(rows), TOTAL))
    # As text, in full, in which not-a-number equals itself.
    assert list(map(repr, map(plain, found))) == list(map(repr, map(plain, expected)))


def plain(one):
    fields = dataclasses.asdict(one)
    stacks = fields.pop("stacks")
    lengths = [
        list(map(float, stack["lengths"])) + [float(stack["text"])] for stack in stacks.values()
    ]
    name, rows = fields.pop("name"), fields.pop("rows")
    return [name, rows, list(stacks), lengths, [float(value) for value in fields.values()]]


def test_rows_counted_by_hand():
    (one,) = statistics(by_hand.PAIR, WORDS, ["first"])
    assert one == Statistics(
        name="first",
        rows=1,
        segments=1.0,
        stacks={"encoder": Stack(1.0, (4.0,) * 3), "decoder": Stack(1.0, (3.0,) * 3)},
        text=1.0,
        learnt=3.0,  # <S0> z <end>
        share=3 / 7,
        natural=1.0,  # z
        sentinels=2.0,  # one in each stack
        source=3.0,  # x y z
        weight=1.0,
    )
    masked = statistics(by_hand.ENCODER, WORDS, by_hand.NAMES)[1]
    assert (masked.source, masked.natural, masked.learnt, masked.text) == (4, 1, 1, 1)
    decoder = statistics(by_hand.DECODER, WORDS, by_hand.NAMES)[1]
    assert decoder.text == 6 / 7 and decoder.source == 6 and decoder.weight == 3.5 / 4
    assert decoder.stacks["decoder"].lengths == (2, 3, 4)


def test_one_task_needs_no_total_and_several_have_one():
    assert [one.name for one in statistics(by_hand.PAIR, WORDS, ["first"])] == ["first"]
    names = [one.name for one in statistics(by_hand.PAIR, WORDS, by_hand.NAMES)]
    assert names == [*by_hand.NAMES, TOTAL]


def test_a_table_for_people():
    shown = table(statistics(by_hand.PAIR, WORDS, by_hand.NAMES))
    assert shown["rows"] == ["1", "0", "1"]
    assert shown["encoder segment, min · median · max"][0] == "4 · 4 · 4"
    assert shown["decoder positions with text"] == ["100.0%", NONE, "100.0%"]
    assert shown["loss tokens, share of positions"] == ["42.9%", NONE, "42.9%"]
    assert shown["mean weight of a loss token"] == ["1", NONE, "1"]
    assert all(len(values) == 3 for values in shown.values())
    alone = table(statistics(by_hand.DECODER, WORDS, ["first", "second"])[1:2])
    assert alone["decoder segment, min · median · max"] == ["2 · 3 · 4"]
    assert alone["mean weight of a loss token"] == ["0.875"]
    assert "decoder positions with text" not in alone, "of one stack it is said already"


@pytest.mark.parametrize("value, said", [(7.0, "7"), (7.5, "7.5"), (123456.0, "123,456")])
def test_lengths_are_whole_unless_they_are_not(value, said):
    one = statistics(by_hand.DECODER, WORDS, ["first", "second"])[1]
    one = dataclasses.replace(one, stacks={"decoder": Stack(1.0, (value,) * 3)})
    assert table([one])["decoder segment, min · median · max"] == [f"{said} · {said} · {said}"]
