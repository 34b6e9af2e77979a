"""A position is read back as it was, and nothing else is taken for one."""

import json

import pytest

from archlab.ledger import Flops, Ledger
from archlab.train.meter import Losses, Meter
from archlab.train.position import Position


def position() -> Position:
    ledger = Ledger(Flops(3, 4, 5), 6, 7, 8.5, 9, 1.25)
    losses = Losses({"a": 1.5}, {"a": 2.0}, 0.25, 1.0)
    return Position(
        22, 1, 9, Meter(ledger, losses, 0.5, 1e-3, validated=2.5), {"weights/table_VD": 2**32 - 1}
    )


def test_a_position_is_read_back():
    kept = json.loads(json.dumps(position().as_dict()))
    assert Position.restored(kept) == position()


@pytest.mark.parametrize("name", ["total_step", "stage", "step", "bit_sums", "sha256", "meter"])
def test_a_position_that_was_changed_is_refused(name):
    kept = json.loads(json.dumps(position().as_dict()))
    for change in (None, "x", 10**6):
        with pytest.raises(ValueError, match="its position is not what was saved"):
            Position.restored({**kept, name: change})
    del kept[name]
    with pytest.raises(ValueError, match="its position is not what was saved"):
        Position.restored(kept)
