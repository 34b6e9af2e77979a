import json
import math

import pytest

from archlab.evaluation.estimate import Estimate
from archlab.evaluation.lines import FILE, Line, add, read

ABOUT = {"weights": "w", "measure": "m", "formats": ["causal"], "step": 3, "seed": 0}


def test_lines_are_read_as_they_were_added_and_half_a_line_is_none(tmp_path):
    one = Line("a", "accuracy", Estimate(0.5, 0.25, 0.75, 9), 0.5, "causal", ("a note",))
    other = Line("b", "accuracy", Estimate(0.5, math.nan, math.nan, 1), math.nan, "causal")
    add(tmp_path, [one], ABOUT)
    add(tmp_path, [other], {**ABOUT, "step": 4})
    with (tmp_path / FILE).open("a") as file:
        file.write('{"measure": "x", "met')
    (first, about), (second, later) = read(tmp_path)
    assert first == one and about == ABOUT and later["step"] == 4
    assert repr(second) == repr(other)  # which says nan, that equals nothing
    assert read(tmp_path / "none") == []
    add(tmp_path, [one], {**ABOUT, "step": 5})
    assert [about["step"] for _, about in read(tmp_path)] == [3, 4, 5]


@pytest.mark.parametrize(
    "odd",
    [
        {"value": "x"},
        {"items": None},
        {"measure": []},
        {"interval": [1.0]},
        {"interval": "no"},
        {"notes": [1]},
        {"about": []},
        {"chance": 10**400},
    ],
)
def test_a_line_of_another_form_is_none(tmp_path, odd):
    one = Line("a", "accuracy", Estimate(0.5, 0.25, 0.75, 9), 0.5, "causal", ("a note",))
    add(tmp_path, [one], ABOUT)
    said = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(said | odd) + "\n3\n\xff")
    assert read(tmp_path) == []
