import dataclasses

import pytest

from archlab.architecture import Architecture
from archlab.bridge.family import ANY, Factors, Family, factors, whole
from archlab.size import Size
from tests.bridge import models


def family(**words) -> Family:
    return Family("made_up", "MadeUp", words, None, None, None)


def test_a_word_that_the_family_has_not_is_a_reason():
    mine = family(name=("encoder",), position=("rope", "none"))
    assert mine.lacks(models.SIZE, Architecture("encoder", position="none")) == []
    found = mine.lacks(models.SIZE, Architecture("causal_decoder", position="relative"))
    assert found == [
        "MadeUp has name 'encoder', not 'causal_decoder'",
        "MadeUp has position 'rope' or 'none', not 'relative'",
    ]


def test_what_may_be_anything_is_no_reason():
    mine = family(name=("encoder",), epsilon=ANY)
    assert mine.lacks(models.SIZE, Architecture("encoder", epsilon=0.1)) == []


@dataclasses.dataclass(frozen=True)
class Wider(Size):
    """A size that says more."""

    twist: int = 1


def test_what_a_size_says_besides_extents_is_a_reason():
    given = dataclasses.asdict(models.SIZE)
    mine, architecture = family(name=("encoder",)), Architecture("encoder")
    assert mine.lacks(Wider(**given), architecture) == []
    assert mine.lacks(Wider(**given, twist=3), architecture) == ["MadeUp has twist 1, not 3"]


def test_what_multiplies_by_nothing_else_needs_no_factors():
    for tied in (True, False):
        plain = Architecture("causal_decoder", tied=tied, scaled=False)
        assert factors(models.SIZE, plain) == Factors(1.0, 1.0, 1.0, 1.0)


def test_heads_that_are_not_whole_are_refused():
    whole("Mine", dataclasses.replace(models.SIZE, kv=8))
    with pytest.raises(ValueError, match="Mine has heads that are as wide together as the stream"):
        whole("Mine", models.SIZE)
    with pytest.raises(ValueError, match="Mine has a key head for each of 3 query heads"):
        whole("Mine", dataclasses.replace(models.SIZE, kv=8, kv_heads=1))


def test_what_a_family_does_not_speak_of_is_as_it_is_by_default():
    """So an ingredient that is new is a reason, until the family says that it has it."""
    mine = family(name=("encoder",))
    for field in dataclasses.fields(Architecture):
        if field.type == "bool" or field.type is bool:
            name = "causal_decoder" if field.name == "parallel" else "encoder_decoder"
            other = Architecture(name, **{field.name: not field.default})
            assert sum(f"has {field.name} " in line for line in mine.lacks(models.SIZE, other)) == 1
