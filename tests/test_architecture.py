import math

import pytest

from archlab.architecture import (
    ACTIVATIONS,
    PLACES,
    POSITIONS,
    RUNGS,
    VISIBILITY,
    Architecture,
)
from archlab.refusal import Refusal


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
    assert {name for name, is_gated in told.items() if is_gated} == {
        "swiglu",
        "geglu",
        "geglu_exact",
    }


WORDS = ("name", "position", "activation", "norm", "norm_place", "head")


@pytest.mark.parametrize("field", WORDS)
def test_an_unknown_word_is_refused_with_those_that_are_known(field):
    with pytest.raises(Refusal, match=f"Architecture.{field}='alibi' is not one of") as caught:
        Architecture(**{"name": "encoder", field: "alibi"})
    assert caught.value.about == f"Architecture.{field}"


@pytest.mark.parametrize(
    "about, settings, said",
    [
        ("window", {"window": -1}, "-1; it is a number, 0 or more"),
        ("attention_cap", {"attention_cap": math.nan}, "nan; it is a number, 0 or more"),
        ("logit_cap", {"logit_cap": math.inf}, "inf; it is a number, 0 or more"),
        ("epsilon", {"epsilon": 0.0}, "0.0; it is a number above 0"),
        ("output_scale", {"output_scale": 0.0}, "0.0; it is a number above 0"),
        ("rotary_base", {"rotary_base": 1.0}, "1.0; it is a number above 1"),
        ("local_rotary_base", {"local_rotary_base": 0.5, "window": 3}, "0.5; .* above 1, or 0"),
        ("rotary_base", {"rotary_base": 5e5, "position": "none"}, "'none' turns nothing"),
        (
            "local_rotary_base",
            {"local_rotary_base": 9.0, "window": 3, "position": "learned"},
            "'learned' turns nothing",
        ),
        ("rotary_stretch", {"rotary_stretch": (2.0, 9.0)}, "it is .times, near, far"),
        ("rotary_stretch", {"rotary_stretch": (0.0, 1.0, 2.0)}, "with times above 0"),
        ("rotary_stretch", {"rotary_stretch": (2.0, 3.0, 2.0)}, "near ≤ far"),
        ("rotary_stretch", {"rotary_stretch": (2.0, 0.0, 2.0)}, "0 < near"),
        (
            "rotary_stretch",
            {"rotary_stretch": (2.0, 0.0, 0.0), "position": "none"},
            "'none' turns nothing",
        ),
        ("local_rotary_base", {"local_rotary_base": 9.0}, "9.0; no layer has a window"),
        ("global_every", {"global_every": 3}, "3; no layer has a window"),
        (
            "global_first",
            {"window": 9, "global_every": 3, "global_first": 3},
            "3; one of .* before",
        ),
        ("global_first", {"window": 9, "global_first": 1}, "1; one of "),
        ("embedding_norm", {"embedding_norm": True, "norm_place": "post"}, "has that norm anyway"),
        ("parallel", {"parallel": True, "norm_place": "both"}, "'both'; 'pre' has it"),
        ("shared", {"shared": False}, "False; an architecture of kind decoder has one stack"),
    ],
)
def test_what_cannot_be_or_changes_nothing_is_refused(about, settings, said):
    with pytest.raises(Refusal, match=said) as caught:
        Architecture("causal_decoder", **settings)
    assert caught.value.about == f"Architecture.{about}"


def test_what_stands_between_attention_and_hidden_layer_forbids_that_they_are_parallel():
    with pytest.raises(Refusal, match="a decoder reads its encoder between the two"):
        Architecture("encoder_decoder", parallel=True)
    assert Architecture("encoder_decoder", merged=True, parallel=True).parallel


@pytest.mark.parametrize("field", RUNGS)
def test_only_two_stacks_can_be_tied_merged_or_aligned(field):
    for name in VISIBILITY:
        if name == "encoder_decoder":
            assert getattr(Architecture(name, **{field: True}), field)
            continue
        with pytest.raises(Refusal, match=f"{field}=True; an .* has one stack") as caught:
            Architecture(name, **{field: True})
        assert caught.value.about == f"Architecture.{field}"


def test_merged_attention_has_no_bias_by_distance():
    with pytest.raises(Refusal, match="merged=True; with .*'relative'.* or 'none' go with it"):
        Architecture("encoder_decoder", "relative", merged=True)
    for position in set(POSITIONS) - {"relative"}:
        assert Architecture("encoder_decoder", position, merged=True).merged


@pytest.mark.parametrize(
    "tied, merged, aligned, handed, unread",
    [
        (False, False, False, "end", 0),
        (True, True, False, "end", 0),
        (False, False, True, "states", 1),
        (False, True, True, "states", 1),
        (True, False, True, "states", 0),
        (True, True, True, "keys", 0),
    ],
)
def test_what_an_encoder_hands_on_is_what_nobody_makes_again(tied, merged, aligned, handed, unread):
    rungs = {"tied_stacks": tied, "merged": merged, "aligned": aligned}
    found = Architecture("encoder_decoder", **rungs)
    assert (found.handed, found.unread) == (handed, unread)


@pytest.mark.parametrize("name", VISIBILITY)
@pytest.mark.parametrize("place", PLACES)
def test_every_architecture_takes_every_ingredient(name, place):
    made = Architecture(
        name,
        "learned",
        "gelu",
        tied=False,
        norm="layer",
        norm_place=place,
        bias=True,
        embedding_norm=place != "post",
        window=7,
        global_every=3,
        qk_norm=True,
        attention_cap=50.0,
        logit_cap=30.0,
        shared=name != "encoder_decoder",
        head="transformed",
    )
    assert made.kind == Architecture(name).kind


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, "111111111"),
        ({"window": 64}, "000000000"),
        ({"window": 64, "global_every": 3}, "100100100"),  # ModernBERT
        ({"window": 64, "global_every": 2, "global_first": 1}, "010101010"),  # Gemma 2
        ({"window": 64, "global_every": 6, "global_first": 5}, "000001000"),  # Gemma 3
    ],
)
def test_some_layers_see_past_the_window(settings, expected):
    architecture = Architecture("encoder", **settings)
    assert "".join(str(int(architecture.is_global(number))) for number in range(9)) == expected


def test_ingredients_go_on_under_another_name_but_for_those_of_two_stacks():
    own = Architecture("encoder_decoder", "learned", bias=True, shared=False)
    assert own.named("encoder") == Architecture("encoder", "learned", bias=True)
    assert own.named("encoder_decoder") == own
    top = Architecture("encoder_decoder", **dict.fromkeys(RUNGS, True))
    assert top.named("prefix_decoder") == Architecture("prefix_decoder")
    assert Architecture("encoder", bias=True).named("encoder_decoder") == Architecture(
        "encoder_decoder", bias=True
    )
