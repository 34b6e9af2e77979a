import dataclasses

import pytest

from archlab.architecture import Architecture
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal
from archlab.size import Size
from archlab.surgery.choices import Surgery
from archlab.surgery.compatibility import FREE, check, differences

SIZE = Size(layers=4, embed=16, mlp=24, heads=4, kv=6, vocab=40)
OWN = Transformer(SIZE, Architecture("causal_decoder"))


def other(size: dict | None = None, **ingredients) -> Transformer:
    architecture = dataclasses.replace(OWN.architecture, **ingredients)
    return Transformer(dataclasses.replace(SIZE, **size or {}), architecture)


def test_every_free_setting_is_one():
    fields = {
        f"{kind.__name__}.{one.name}"
        for kind in (Architecture, Size)
        for one in dataclasses.fields(kind)
    }
    assert FREE <= fields


@pytest.mark.parametrize(
    "new, about",
    [
        (other({"embed": 24}), "Size.embed"),
        (other({"heads": 8, "kv_heads": 4}), "Size.heads"),
        (other({"experts": 3}), "Size.experts"),
        (other(activation="geglu"), "Architecture.activation"),
        (other(scaled=False), "Architecture.scaled"),
        (other(norm="layer", name="encoder"), "Architecture.norm"),
    ],
)
def test_what_weights_mean_is_not_changed(new, about):
    field = about.split(".")[1]
    was = getattr(OWN.size, field, None) or getattr(OWN.architecture, field, None)
    for surgery in (Surgery(), None):
        with pytest.raises(Refusal) as caught:
            check(OWN, new, surgery)
        if surgery:
            assert f"the weights that there are were made for {was or 0!r}" in str(caught.value)
            assert caught.value.about == about


def test_without_surgery_only_who_sees_whom_may_differ():
    check(OWN, OWN, None)
    check(OWN, other(name="prefix_decoder"), None)
    for new, about, said in [
        (other(name="encoder"), "Stage.architecture", "has other weights than causal_decoder; St"),
        (other({"layers": 5}), "Size.layers", "=5, and the .* made for 4; Stage.surgery = @Surg"),
        (other(rotary_base=5e5), "Architecture.rotary_base", "made for 10000.0; Stage.surgery"),
        (other({"mlp": 25}), "Size.mlp", "made for 24$"),
    ]:
        with pytest.raises(Refusal, match=said) as caught:
            check(OWN, new, None)
        assert caught.value.about == about
    relative = other(position="relative")
    switched = other(position="relative", name="prefix_decoder")
    with pytest.raises(Refusal, match="different buckets .* use 'rope' or 'none', or Stage.surg"):
        check(relative, switched, None)
    check(relative, switched, Surgery())


def test_surgery_with_nothing_to_do_is_refused():
    with pytest.raises(Refusal, match="nothing to do") as caught:
        check(OWN, OWN, Surgery())
    assert caught.value.about == "Stage.surgery"


def test_what_differs_is_told():
    assert differences(OWN, other({"vocab": 50}, name="encoder")) == {
        "Architecture.name": ("causal_decoder", "encoder"),
        "Size.vocab": (40, 50),
    }


def test_layers_that_add_nothing_have_to_leave_the_stream_alone():
    post, deep = other(norm_place="post"), {"layers": 8}
    for field in ("cross", "depth"):
        with pytest.raises(Refusal, match=f"{field}='silent', and .*'post' .* 'pre' and 'both'"):
            check(post, other(deep, norm_place="post"), Surgery(**{field: "silent"}))
    mixed = {"window": 3, "global_every": 2}
    with pytest.raises(Refusal, match="the decoder's layer 1 its layer 2, .*'stack'") as caught:
        check(other(**mixed), other(deep, **mixed), Surgery(depth="silent"))
    assert caught.value.about == "Surgery.depth"
    check(other(**mixed), other(deep, **mixed), Surgery(depth="stack"))
    check(other(**mixed), other({"layers": 2}, **mixed), Surgery(depth="silent"))
    check(other(window=3), other(deep, window=3), Surgery(depth="silent"))
