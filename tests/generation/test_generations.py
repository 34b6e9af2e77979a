"""What a run says is kept once, and the latest of each question is found."""

import json

from archlab.generation import generations
from archlab.generation.manner import Manner

USUAL, DRAWN = Manner(), Manner(temperature=0.5, seed=3)


def test_what_was_said_before_is_kept_once(tmp_path):
    for _ in range(2):
        generations.add(tmp_path, 7, USUAL, [("a", "bc"), ("é\n", "")])
    generations.add(tmp_path, 7, DRAWN, [("a", "x")])
    generations.add(tmp_path, 9, USUAL, [("a", "bd")])
    found = generations.read(tmp_path)
    assert [(one.step, one.prompt, one.text) for one in found] == [
        *[(7, "a", "bc"), (7, "é\n", ""), (7, "a", "x"), (9, "a", "bd")]
    ]
    assert found[0].odd == {} and found[2].odd == {"temperature": 0.5, "seed": 3}
    assert [one.text for one in generations.latest(found)] == ["bd", "", "x"]
    assert [one.step for one in generations.latest(reversed(found))] == [9, 7, 7]


def test_a_line_that_is_half_written_is_none(tmp_path):
    assert generations.read(tmp_path) == []
    generations.add(tmp_path, 1, USUAL, [("a", "b")])
    with (tmp_path / generations.FILE).open("a") as file:
        file.write('[]\n{"step": 1}\n' + json.dumps({"step": "2"}) + '\n{"step": 1, "pro')
    assert [one.text for one in generations.read(tmp_path)] == ["b"]
    generations.add(tmp_path, 1, USUAL, [("c", "d")])
    assert [one.text for one in generations.read(tmp_path)] == ["b", "d"]


def test_a_prompt_that_is_no_utf8_is_kept(tmp_path):
    generations.add(tmp_path, 1, USUAL, [("é\\\udcff", "犬")])
    assert [(one.prompt, one.text) for one in generations.read(tmp_path)] == [("é\\\udcff", "犬")]
