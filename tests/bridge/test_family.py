import dataclasses

import pytest

from archlab.architecture import Architecture
from archlab.bridge.family import ANY, Family, plain
from archlab.refusal import Refusal
from archlab.size import Size


def test_what_may_be_anything_is_no_reason():
    assert family(name=("encoder",), epsilon=ANY).lacks(Architecture("encoder", epsilon=0.1)) == []


def family(**words) -> Family:
    return Family("made_up", "MadeUp", words, None, None, None)


def test_a_word_that_the_family_has_not_is_a_reason():
    mine = family(name=("encoder",), position=("rope", "none"))
    assert mine.lacks(Architecture("encoder", position="none")) == []
    found = mine.lacks(Architecture("causal_decoder", position="relative"))
    assert found == [
        "MadeUp has name 'encoder', not 'causal_decoder'",
        "MadeUp has position 'rope' or 'none', not 'relative'",
    ]


def test_what_a_family_does_not_speak_of_is_as_it_is_by_default():
    """So an ingredient that is new is a reason, until the family says that it has it."""
    mine = family(name=("encoder",))
    for field in dataclasses.fields(Architecture):
        if field.type == "bool" or field.type is bool:
            other = Architecture("encoder_decoder", **{field.name: not field.default})
            assert sum(f"has {field.name} " in line for line in mine.lacks(other)) == 1


def test_a_size_that_is_scaled_by_its_width_is_no_family_s():
    tiny = Size(layers=1, embed=8, mlp=8, heads=2, kv=4, vocab=9)
    plain("MadeUp", tiny)
    with pytest.raises(Refusal, match="MadeUp has no factors by width, .* Size.base_embed=4"):
        plain("MadeUp", dataclasses.replace(tiny, base_embed=4))
