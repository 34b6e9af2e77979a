"""Bindings are checked against any dataclasses, here against three of the test's own."""

import dataclasses

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
    assert bindings.fits(value, float) == (kind in (int, float))


TREE = [
    bind("Run.branches", [Reference("left", "Branch"), Reference("right", "Branch")], 1),
    bind("Branch.leaf", Reference("", "Leaf"), 2),
    bind("Leaf.number", 1, 3),
    bind("right/Leaf.number", 2, 4),
]


def test_what_is_whole_passes_and_the_scope_goes_before():
    bindings.check_whole(TREE, KINDS, "a.gin")
    bindings.check_once(TREE)
    assert bindings.of(TREE, "left", "Leaf")["number"].value == 1
    assert bindings.of(TREE, "right", "Leaf")["number"].value == 2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_needed_line_is_missed(number):
    with pytest.raises(ConfigError, match="is not set anywhere"):
        bindings.check_whole(TREE[:number] + TREE[number + 1 :], KINDS, "a.gin")


@pytest.mark.parametrize(
    "key, said",
    [
        ("rihgt/Leaf.share", "no @rihgt/Leaf() is used, did you mean 'right/Leaf'?"),
        ("Leaf.share", "left/Leaf.share, right/Leaf.share say otherwise; bind those"),
    ],
)
def test_what_nothing_reads_is_refused(key, said):
    both = [bind("left/Leaf.share", 0.1), bind("right/Leaf.share", 0.2)]
    with pytest.raises(ConfigError, match="has no effect") as caught:
        bindings.check_whole([*TREE, *both, bind(key, 0.3, 9)], KINDS, "a.gin")
    assert str(caught.value).startswith("a.gin:9: ") and said in str(caught.value)


def test_nothing_refers_to_it():
    with pytest.raises(ConfigError, match=r"nothing refers to @Leaf\(\)"):
        bindings.check_whole(
            [bind("Run.branches", "named"), bind("Leaf.number", 1)], KINDS, "a.gin"
        )


def test_twice_names_both_places():
    with pytest.raises(ConfigError, match=r"^b.gin:7: Leaf.number is bound already, in a.gin:3$"):
        bindings.check_once([*TREE, dataclasses.replace(TREE[2], value=5, place=Place("b.gin", 7))])


def test_references_are_found_at_any_depth():
    one, two, three = (Reference("", name) for name in ("Run", "Leaf", "Branch"))
    assert bindings.references([one, {"a": (two,), three: 1}]) == [one, three, two]
    assert bindings.references("@Run()") == []
    assert [repr(one), repr(Reference("a", "Leaf", called=False))] == ["@Run()", "@a/Leaf"]
