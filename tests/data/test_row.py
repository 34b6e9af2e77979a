"""An encoder-decoder has a side for each, the others one room for both."""

import pytest

from archlab.data.row import DECODER, ENCODER, KINDS, PAIR, Row


def test_the_kinds_are_those_of_batches():
    assert KINDS == (DECODER, PAIR, ENCODER) == ("decoder", "encoder_decoder", "encoder")


@pytest.mark.parametrize(
    ("inputs", "targets", "pair", "other"),
    [(5, 3, True, True), (6, 2, False, True), (2, 4, False, True), (8, 0, False, True)]
    + [(0, 0, True, True), (5, 4, False, False), (6, 3, False, False), (9, 0, False, False)],
)
def test_what_a_row_holds(inputs, targets, pair, other):
    for kind, holds in [(PAIR, pair), (DECODER, other), (ENCODER, other)]:
        row = Row(5, 3, kind)
        assert row.total == 8
        assert row.holds(inputs, targets) is holds
