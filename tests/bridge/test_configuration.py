import json

import pytest

from archlab.bridge.configuration import Configuration

SAID = {
    "count": 3,
    "zero": 0,
    "true": True,
    "word": "relu",
    "rate": 0.5,
    "id": 7,
    "ids": [8, 9],
    "none": None,
    "inner": {"kind": "default"},
}
CONFIG = Configuration(SAID, "there/config.json")


def test_fields_are_read_as_what_they_are():
    assert CONFIG.count("count") == 3 and CONFIG.count("gone", 4) == 4
    assert CONFIG.number("rate") == 0.5 and CONFIG.number("count") == 3.0
    assert CONFIG.choice("word", {"relu": "a", "silu": "b"}) == "a"
    assert CONFIG.choice("none", {"a": 1, "b": 2}, "b") == 2
    assert CONFIG.flag("true") and not CONFIG.flag("gone", False)
    assert [CONFIG.first(name) for name in ("id", "ids", "none", "gone")] == [7, 8, None, None]
    assert CONFIG.within("inner").choice("kind", {"default": 1}) == 1
    CONFIG.only("word", "relu", "gelu")
    CONFIG.only("gone", "gelu")


@pytest.mark.parametrize(
    "ask, said",
    [
        (lambda: CONFIG.count("zero"), "there/config.json: zero=0; it counts something"),
        (lambda: CONFIG.count("true"), "true=True; it counts something"),
        (lambda: CONFIG.count("gone"), "gone=None; it has to be said"),
        (lambda: CONFIG.count("none"), "none=None; it has to be said"),
        (lambda: CONFIG.number("word"), "word='relu'; it is a number"),
        (lambda: CONFIG.choice("word", {"silu": 1, "gelu": 2}), "archlab has 'silu', 'gelu'"),
        (lambda: CONFIG.flag("count"), "count=3; it is true or false"),
        (lambda: CONFIG.only("word", "silu"), "word='relu'; archlab has only 'silu'"),
        (lambda: CONFIG.first("word"), "word='relu'; it is an id"),
        (lambda: CONFIG.first("true"), "true=True; it is an id"),
        (lambda: CONFIG.within("word"), "word='relu'; it holds names"),
        (
            lambda: CONFIG.within("inner").only("kind", "none"),
            "there/config.json: inner: kind='default'",
        ),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_is_named_with_its_place(ask, said):
    with pytest.raises(ValueError) as caught:
        ask()
    assert said in str(caught.value)


def test_a_file_is_read_and_no_file_is_told(tmp_path):
    with pytest.raises(ValueError, match="holds no config.json"):
        Configuration.read(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(SAID))
    assert Configuration.read(tmp_path).count("count") == 3
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json is not JSON"):
        Configuration.read(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="config.json holds no names"):
        Configuration.read(tmp_path)
