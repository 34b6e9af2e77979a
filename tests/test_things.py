"""Things are followed, checked and built of any dataclasses, here of three of the test's own."""

import dataclasses

import pytest

from archlab import things
from archlab.bindings import Binding, ConfigError, Place, Reference
from archlab.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Leaf:
    number: int
    share: float = 0.5

    def __post_init__(self):
        if self.number < 0:
            raise Refusal(f"number={self.number}", "Leaf.number")
        if self.share < 0:
            raise ValueError("share is below 0")


@dataclasses.dataclass(frozen=True)
class Branch:
    leaf: Leaf
    word: str | None = None


@dataclasses.dataclass(frozen=True)
class Run:
    branches: tuple[Branch, ...] | str
    pair: tuple[float, float] | None = None


KINDS = {kind.__name__: kind for kind in (Run, Branch, Leaf)}


def bind(key, value, line=3):
    scoped, _, field = key.rpartition(".")
    scope, _, name = scoped.rpartition("/")
    return Binding(scope, name, field, value, Place("a.gin", line))


TREE = [
    bind("Run.branches", [Reference("left", "Branch"), Reference("right", "Branch")], 1),
    bind("Branch.leaf", Reference("", "Leaf"), 2),
    bind("Leaf.number", 1, 3),
    bind("right/Leaf.number", 2, 4),
]


def check(bindings):
    things.check_whole(bindings, things.tree(bindings), KINDS, "a.gin")


def test_a_scope_goes_before_and_reaches_what_its_thing_refers_to():
    check(TREE)
    assert things.tree(TREE).make(KINDS) == Run((Branch(Leaf(1)), Branch(Leaf(2))))
    assert things.of(TREE, "left", "Leaf")["number"].value == 1
    assert things.of(TREE, "right", "Leaf")["number"].value == 2


def test_a_thing_remembers_its_place_in_a_list_and_who_refers_to_it():
    whole = things.tree([*TREE, bind("Run.pair", [1, 2.5])])
    found = [(one.name, one.scope, one.number) for one in whole.all()]
    left = [("Branch", "left", 0), ("Leaf", "left", 0)]
    right = [("Branch", "right", 1), ("Leaf", "right", 1)]
    assert found == [("Run", "", None), *left, *right]
    assert [one.source and one.source.place.line for one in whole.all()] == [None, 1, 2, 1, 2]
    assert whole.read == {*(one.key for one in TREE), "Run.pair"}
    assert whole.make(KINDS).pair == (1, 2.5)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_needed_line_is_missed(number):
    with pytest.raises(ConfigError, match="is not set anywhere"):
        check(TREE[:number] + TREE[number + 1 :])


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
        check([*TREE, *both, bind(key, 0.3, 9)])
    assert str(caught.value).startswith("a.gin:9: ") and said in str(caught.value)


def test_nothing_refers_to_it():
    with pytest.raises(ConfigError, match=r"nothing refers to @Leaf\(\)"):
        check([bind("Run.branches", "named"), bind("Leaf.number", 1)])


@pytest.mark.parametrize(
    "wrong, said",
    [
        (bind("right/Leaf.number", -2, 9), "a.gin:9: number=-2"),
        (bind("Leaf.number", -2, 9), "a.gin:9: number=-2"),
        (bind("right/Leaf.share", -0.1, 9), "a.gin:2: share is below 0"),  # says no setting
    ],
)
def test_what_a_class_refuses_names_the_line(wrong, said):
    kept = [one for one in TREE if one.key != wrong.key]
    with pytest.raises(ConfigError) as caught:
        things.tree([*kept, wrong]).make(KINDS)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "about, stage, line",
    [
        ("Leaf.number", 0, 3),
        ("Leaf.number", 1, 4),
        ("Leaf.number", None, 3),
        ("Leaf.share", 1, 2),
        ("Branch.word", 0, 5),
        ("Branch.word", 1, 1),
        ("oak", None, 5),
        ("oak", 1, 5),
        ("Run.pair", None, None),
        ("elm", None, None),
        ("", None, None),
    ],
)
def test_the_place_of_a_refusal(about, stage, line):
    whole = things.tree([*TREE, bind("left/Branch.word", "oak", 5)])
    place = whole.place(Refusal("cannot be", about, stage))
    assert place == (line and Place("a.gin", line))
