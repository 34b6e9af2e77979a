"""Which objective fits which row, and that it fills the row to the last token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data.objectives import span_lengths
from archlab.data.rows import DECODER, ENCODER, OBJECTIVES, PAIR, Row
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
LEGAL = {
    ("causal_lm", DECODER),
    ("prefix_lm", DECODER),
    ("prefix_lm", PAIR),
    ("span_corruption", DECODER),
    ("span_corruption", PAIR),
    ("masked_lm", ENCODER),
}
LENGTHS = st.integers(2, 120)


def chance(seed):
    return np.random.default_rng(seed)


def made(name, row, seed):
    """The text of a row with its ends, and the examples made of it."""
    key = chance(seed)
    raw = OBJECTIVES[name].raw(row)
    tokens = key.integers(3, V.text, raw).astype(np.int32)
    ends = np.sort(key.choice(np.arange(1, raw + 1), min(4, raw), replace=False))
    tokens[ends - 1] = V.end
    return tokens, ends, OBJECTIVES[name].examples(tokens, ends, key, row, V)


def filled(examples):
    return sum(len(one.inputs) for one in examples), sum(len(one.targets) for one in examples)


@pytest.mark.parametrize("kind", [DECODER, PAIR, ENCODER])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_fits_what(name, kind):
    row = Row(64, 64, kind)
    if (name, kind) in LEGAL:
        assert OBJECTIVES[name].check(name, row, V) == []
    else:
        reason = f"^{name} does not fit an? {kind}: (it|use) .*"
        with pytest.raises(ValueError, match=reason):
            OBJECTIVES[name].check(name, row, V)


def test_a_refusal_names_what_would_fit():
    for name, kind, instead in [
        ("causal_lm", PAIR, "prefix_lm"),
        ("causal_lm", ENCODER, "masked_lm"),
        ("masked_lm", PAIR, "span_corruption"),
    ]:
        with pytest.raises(ValueError, match=f"use {instead}$"):
            OBJECTIVES[name].check(name, Row(8, 8, kind), V)


@pytest.mark.parametrize(("name", "kind"), sorted(LEGAL))
def test_text_that_a_row_of_t5_takes(name, kind):
    assert OBJECTIVES[name].raw(Row(512, 114, kind)) == (568 if name == "span_corruption" else 626)


@given(inputs=LENGTHS, targets=LENGTHS, seed=st.integers(0, 99))
def test_one_stream_is_exactly_full(inputs, targets, seed):
    for name, kind in [("causal_lm", DECODER), ("prefix_lm", DECODER), ("masked_lm", ENCODER)]:
        row = Row(inputs, targets, kind)
        tokens, ends, examples = made(name, row, seed)
        given_, learnt = filled(examples)
        assert (learnt if kind == ENCODER else given_ + learnt) == inputs + targets
        # Each piece of a document is an example of its own.
        edges = sorted({0, *ends.tolist(), len(tokens)})
        pieces = [tokens[low:high].tolist() for low, high in zip(edges, edges[1:], strict=False)]
        texts = [[*([] if kind == ENCODER else one.inputs), *one.targets] for one in examples]
        assert texts == pieces
        if name == "prefix_lm":
            for one, piece in zip(examples, pieces, strict=True):
                assert len(one.inputs) in (range(1, len(piece)) if len(piece) > 1 else [0])


@given(inputs=LENGTHS, targets=LENGTHS, seed=st.integers(0, 99))
def test_both_sides_of_a_prefix_pair_are_exactly_full(inputs, targets, seed):
    tokens, _, examples = made("prefix_lm", Row(inputs, targets, PAIR), seed)
    assert filled(examples) == (inputs, targets)
    assert np.concatenate([[*one.inputs, *one.targets] for one in examples]).tolist() == [*tokens]
    assert len(examples) == 2
    assert all(len(one.inputs) and len(one.targets) for one in examples)


def test_every_split_of_a_prefix_pair_occurs():
    found = {len(made("prefix_lm", Row(9, 7, PAIR), seed)[2][0].inputs) for seed in range(200)}
    # Two halves of 8: neither gives all, nor nothing, and together they give 9.
    assert found == {first for first in range(1, 8) if 1 <= 9 - first <= 7}


@given(inputs=LENGTHS, targets=LENGTHS, kind=st.sampled_from([PAIR, DECODER]))
def test_span_corruption_takes_the_longest_text_that_fits(inputs, targets, kind):
    def fits(length):
        return all(np.less_equal(span_lengths(length), (inputs, targets)))

    raw = OBJECTIVES["span_corruption"].raw(Row(inputs, targets, kind))
    assert raw == max((n for n in range(2, inputs + targets + 2) if fits(n)), default=0)


@pytest.mark.parametrize("targets", [114, 200])
def test_span_corruption_fills_its_inputs(targets):
    _, _, examples = made("span_corruption", Row(512, targets, PAIR), 0)
    assert filled(examples) == (512, 114)


def test_too_few_sentinels_are_refused_with_numbers():
    row = Row(4096, 1024, PAIR)
    needed = OBJECTIVES["span_corruption"].spans(row)
    assert needed > V.sentinels == 121
    match = f"inputs=4096 needs {needed} sentinels, and the vocabulary has {V.sentinels}"
    with pytest.raises(ValueError, match=match):
        OBJECTIVES["span_corruption"].check("span_corruption", row, V)


@given(inputs=LENGTHS, targets=LENGTHS)
def test_as_many_sentinels_as_said_are_used(inputs, targets):
    row = Row(inputs, targets, PAIR)
    how = OBJECTIVES["span_corruption"]
    if how.raw(row) < 2:
        with pytest.raises(ValueError, match=f"fill a row of inputs={inputs}, targets={targets}"):
            how.check("span_corruption", row, V)
        return
    said = how.check("span_corruption", row, V)
    _, _, (one,) = made("span_corruption", row, 0)
    used = int(np.sum(one.inputs > V.size - 1 - V.sentinels))
    assert used == how.spans(row)
    assert (["single span" in line for line in said] == [True]) if used == 1 else said == []


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("causal_lm", Row(0, 1, DECODER)),
        ("prefix_lm", Row(1, 40, PAIR)),
        ("prefix_lm", Row(40, 1, PAIR)),
        ("masked_lm", Row(0, 1, ENCODER)),
        ("span_corruption", Row(2, 40, PAIR)),
        ("span_corruption", Row(40, 2, PAIR)),
    ],
)
def test_a_row_that_is_too_short_is_refused(name, row):
    with pytest.raises(ValueError, match=f"{name} cannot fill a row of inputs={row.inputs}"):
        OBJECTIVES[name].check(name, row, V)


def test_chance_decides_and_nothing_else():
    for name, kind in sorted(LEGAL - {("causal_lm", DECODER)}):
        row = Row(40, 24, kind)
        tokens = np.arange(3, 3 + OBJECTIVES[name].raw(row), dtype=np.int32)
        ends = np.asarray([len(tokens)])
        drawn = [
            [
                (one.inputs.tolist(), one.targets.tolist(), one.weights.tolist())
                for one in OBJECTIVES[name].examples(tokens, ends, chance(seed), row, V)
            ]
            for seed in (1, 1, 2)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
