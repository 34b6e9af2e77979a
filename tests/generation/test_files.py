import json

import pytest

from archlab.generation import files
from archlab.generation.generate import Text


def test_what_was_said_stands_beside_its_prompt_and_whatever_else_stood_there(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_text('{"prompt": "a", "id": 17}\n\n{"prompt": "é\\u2028"}\n', encoding="utf-8")
    asked = files.read(path)
    assert asked == [{"prompt": "a", "id": 17}, {"prompt": "é\u2028"}]
    said = [(Text([5, 6], -1.5, True), "bc"), (Text([], -0.5, False), "")]
    found = list(files.lines(asked, said))
    assert not any("\n" in line for line in found)
    more = {"text": "bc", "tokens": 2, "nats": -1.5, "ended": True}
    assert json.loads(found[0]) == {"prompt": "a", "id": 17, **more}
    assert json.loads(found[1])["ended"] is False


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "holds no lines; each is to be like"),
        ('{"prompt": "a"}\n{"prompt"\n', ":2 is not JSON"),
        ('{"prompt": 3}', ":1 is not like"),
        ('\n["a"]', ":2 is not like"),
        ('{"text": "a"}', ":1 is not like"),
    ],
)
def test_a_line_that_is_no_prompt_is_named(tmp_path, text, said):
    path = tmp_path / "many.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"many.jsonl.?{said}".replace(".?:", ":")):
        files.read(path)
