import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab import form

VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def own(value):
    """The form that a value has."""
    if isinstance(value, dict):
        return {name: own(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [tuple(map(own, value))]
    return type(value)


@given(VALUES)
def test_a_value_has_its_own_form_and_needs_no_more_than_that(value):
    assert form.wrong(value, own(value)) is None
    assert form.wrong(value, object) is None


@pytest.mark.parametrize(
    "value, kind, where",
    [
        (3, str, ""),
        ({}, {"a": int}, "a"),
        ({"a": None}, {"a": (int, form.NONE)}, None),
        ({}, {"a": (int, form.NONE)}, None),
        ({"a": {"b": "x"}}, {"a": {"b": form.NUMBER}}, "a.b"),
        ({"a": {"b": 1, "c": []}}, {"a": {str: int}}, "a.c"),
        ([{"a": 1}, {"b": 1}], [{"a": int}], "1.a"),
        ({"a": 1}, [int], ""),
        ([], {"a": int}, ""),
        ({"a": [1]}, {"a": ([str], {"b": int})}, "a"),
    ],
)
def test_the_first_wrong_place_is_named(value, kind, where):
    assert form.wrong(value, kind) == where


@pytest.mark.parametrize(
    "raw, said",
    [
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b'"\xff"', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"9" * 5000, "is not JSON"),
        (b'{"b": 1' + b"0" * 400 + b"}", "is not JSON"),
        (b"3", "is not as archlab writes it: it, where names should be, is missing or odd"),
        (b'{"a": 1}', "is not as archlab writes it: b is missing or odd"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path, raw, said):
    path = tmp_path / "x.json"
    path.write_bytes(raw)
    with pytest.raises(ValueError) as caught:
        form.read(path, {"b": int})
    assert str(caught.value) == f"{path} {said}"


def test_what_is_right_is_read_and_what_is_not_there_is_said(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"b": 3, "é": [1.5]}))
    assert form.read(path, {"b": int}) == {"b": 3, "é": [1.5]}
    with pytest.raises(ValueError, match="other.json is not there"):
        form.read(tmp_path / "other.json")


def test_lines_are_objects_or_named(tmp_path):
    path = tmp_path / "a.jsonl"
    raw = b'{"a": 1}\r\n\n  \n{"b": "\\u2028"}'
    assert [*form.objects(path, raw)] == [(1, {"a": 1}), (4, {"b": "\u2028"})]
    for raw, said in [(b"{}\n{", ":2 is not JSON"), (b"\n[]", ":2 is not like {\"name\": …}"),
                      (b'{"a": "\xff"}', ":1 is not JSON")]:  # fmt: skip
        with pytest.raises(ValueError, match=f"a.jsonl{said}"):
            [*form.objects(path, raw)]
