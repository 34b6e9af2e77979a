"""Bindings are checked against any dataclasses, here against three of the test's own."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab import bindings
from archlab.bindings import Binding, ConfigError, Place, Reference


@dataclasses.dataclass(frozen=True)
class Leaf:
    number: int
    share: float = 0.5


@dataclasses.dataclass(frozen=True)
class Branch:
    leaf: Leaf
    word: str | None = None


@dataclasses.dataclass(frozen=True)
class Run:
    branches: tuple[Branch, ...] | str
    pair: tuple[float, float] | None = None
    is_open: bool = False


KINDS = {kind.__name__: kind for kind in (Run, Branch, Leaf)}
HERE = Place("a.gin", 3)


def bind(key, value, line=3):
    scoped, _, field = key.rpartition(".")
    scope, _, name = scoped.rpartition("/")
    return Binding(scope, name, field, value, Place("a.gin", line))


@pytest.mark.parametrize(
    "key, value",
    [
        ("Leaf.number", 3),
        ("Leaf.share", 3),
        ("Leaf.share", 0.1),
        ("Branch.word", None),
        ("Branch.word", "x"),
        ("Branch.leaf", Reference("", "Leaf")),
        ("Run.branches", [Reference("left", "Branch"), Reference("right", "Branch")]),
        ("Run.branches", ()),
        ("Run.branches", "named"),
        ("Run.pair", [1, 2.5]),
        ("Run.is_open", True),
    ],
)
def test_a_right_value_passes(key, value):
    bindings.check(bind(key, value), KINDS)


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("Leaf.number", 3.0, "a whole number"),
        ("Leaf.number", True, "a whole number"),
        ("Leaf.number", [3], "a whole number"),
        ("Leaf.share", False, "a number"),
        ("Leaf.share", math.inf, "a number"),
        ("Leaf.share", "nan", "a number"),
        ("Run.pair", [0, math.nan], "[a number, a number] or None"),
        ("Branch.word", 3, "a word in quotes or None"),
        ("Branch.leaf", Reference("", "Branch"), "@Leaf()"),
        ("Branch.leaf", None, "@Leaf()"),
        ("Run.branches", [Reference("", "Leaf")], "[@Branch(), ...] or a word in quotes"),
        ("Run.pair", [1, 2, 3], "[a number, a number] or None"),
        ("Run.pair", ["a", "b"], "[a number, a number] or None"),
        ("Run.is_open", 1, "True or False"),
        ("Run.is_open", "False", "did you mean False?"),
    ],
)
def test_a_wrong_value_says_what_would_be_right(key, value, said):
    with pytest.raises(ConfigError) as caught:
        bindings.check(bind(key, value), KINDS)
    assert str(caught.value).startswith(f"a.gin:3: {key}={value!r}; it takes ")
    assert str(caught.value).endswith(said)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_a_plain_value_fits_its_own_type_and_a_union_with_it(value):
    kind = type(value)
    for other in (int, str, bool, type(None)):
        assert bindings.fits(value, other) == (kind is other)
        assert bindings.fits(value, other | list) == (kind is other)
    assert bindings.fits(value, float) == (kind in (int, float) and math.isfinite(value))


def test_a_whole_number_that_is_no_float_does_not_fit_one():
    assert bindings.fits(10**400, int) and not bindings.fits(10**400, float)


def test_twice_names_both_places():
    one, other = bind("Leaf.number", 1), bind("right/Leaf.number", 2)
    bindings.check_once([one, other])
    with pytest.raises(ConfigError, match=r"^b.gin:7: Leaf.number is bound already, in a.gin:3$"):
        bindings.check_once([one, other, dataclasses.replace(one, place=Place("b.gin", 7))])


def test_references_are_found_at_any_depth():
    one, two, three = (Reference("", name) for name in ("Run", "Leaf", "Branch"))
    assert bindings.references([one, {"a": (two,), three: 1}]) == [one, three, two]
    assert bindings.references("@Run()") == []
    assert [repr(one), repr(Reference("a", "Leaf", called=False))] == ["@Run()", "@a/Leaf"]
