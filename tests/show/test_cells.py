"""Positions come back from JSON as they were."""

import json

import pytest

from archlab import form
from archlab.show import cells
from tests.show import by_hand


@pytest.mark.parametrize(
    "batch, name", [("DECODER", "prefix_decoder"), ("PAIR", "encoder_decoder")]
)
def test_positions_come_back(batch, name):
    for positions in by_hand.read(getattr(by_hand, batch), name).stacks.values():
        kept = json.loads(json.dumps(cells.columns(positions)))
        assert form.wrong(kept, cells.FORM) is None
        assert cells.positions(kept) == positions


def test_lists_of_other_lengths_are_refused():
    kept = cells.columns(by_hand.read(by_hand.DECODER, "prefix_decoder").stacks["decoder"])
    with pytest.raises(ValueError):
        cells.positions({**kept, "weight": kept["weight"][:-1]})
