import pytest

from archlab.architecture import ACTIVATIONS, VISIBILITY, Architecture


@pytest.mark.parametrize(
    "name, stacks, visibility",
    [
        ("causal_decoder", ("decoder",), "causal"),
        ("prefix_decoder", ("decoder",), "prefix"),
        ("encoder_decoder", ("encoder", "decoder"), "causal"),
        ("encoder", ("encoder",), "full"),
    ],
)
def test_each_architecture_is_its_stacks_and_who_sees_whom(name, stacks, visibility):
    found = Architecture(name)
    assert (found.stacks, found.visibility) == (stacks, visibility)
    assert found.kind == "_".join(stacks)


def test_these_are_all():
    assert len(VISIBILITY) == 4


def test_what_is_gated_is_told():
    told = {name: Architecture("encoder", activation=name).is_gated for name in ACTIVATIONS}
    assert told == {"swiglu": True, "geglu": True, "relu": False}


@pytest.mark.parametrize(
    "field, value",
    [("name", "decoder"), ("position", "alibi"), ("activation", "gelu")],
)
def test_an_unknown_word_is_refused_with_those_that_are_known(field, value):
    with pytest.raises(ValueError, match=f"Architecture.{field}='{value}' is not one of"):
        Architecture(**{"name": "encoder", field: value})
