"""Examples come back as they were kept; what is no such file is named."""

import json

import pytest

from archlab.show import cells, examples
from archlab.show.cells import Cell, Position
from archlab.show.examples import AHEAD, KEPT, Example
from tests.show import by_hand


def kept(batch="DECODER", name="prefix_decoder"):
    row = by_hand.read(getattr(by_hand, batch), name)
    stacks = {name: examples.cut(positions) for name, positions in row.stacks.items()}
    return Example(1, "a stage", row.objective, "half of it", stacks)


def test_examples_come_back(tmp_path):
    assert examples.read(tmp_path) == []
    both = [kept(), kept("PAIR", "encoder_decoder")]
    examples.write(tmp_path, both)
    assert examples.read(tmp_path) == both
    assert [path.name for path in tmp_path.iterdir()] == [examples.FILE]


@pytest.mark.parametrize("length, learnt", [(KEPT, KEPT - 1), (500, 0), (500, 99), (500, 400)])
def test_what_is_learnt_is_kept(length, learnt):
    whole = [
        Position(Cell(str(at), "text"), None, float(at >= learnt), False, False, False)
        for at in range(length)
    ]
    found = examples.cut(whole)
    assert found.length == length and sum(map(len, found.parts.values())) <= KEPT
    for at, part in found.parts.items():
        assert part == whole[at : at + len(part)]
    shown = [one for part in found.parts.values() for one in part]
    assert shown[0] == whole[0] and whole[learnt] in shown
    if learnt > KEPT:
        assert whole[learnt - AHEAD] in shown and whole[learnt - AHEAD - 1] not in shown


@pytest.mark.parametrize("wrong", ["{", "[]", '{"examples": [{}]}', "cut", "empty", "half"])
def test_what_is_no_such_file_is_named(tmp_path, wrong):
    if wrong in ("cut", "empty", "half"):
        examples.write(tmp_path, [kept()])
        said = json.loads((tmp_path / examples.FILE).read_text())
        part = said["examples"][0]["stacks"]["decoder"]["parts"][0]
        if wrong == "cut":
            part["reads"].pop()
        elif wrong == "half":
            part["predicts"][1] = None
        else:
            part |= {name: [] for name in cells.FORM}
        wrong = json.dumps(said)
    (tmp_path / examples.FILE).write_text(wrong)
    with pytest.raises(ValueError, match=r"examples\.json is not (JSON|as archlab writes it)"):
        examples.read(tmp_path)
