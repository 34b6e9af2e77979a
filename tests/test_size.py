import dataclasses

import pytest

from archlab.size import OPTIONAL, Size

GOOD = {"layers": 2, "embed": 16, "mlp": 24, "heads": 4, "kv": 6, "vocab": 40}


def test_key_heads_are_as_many_as_query_heads_unless_said():
    assert Size(**GOOD).kv_heads == 4
    assert Size(**GOOD, kv_heads=2).kv_heads == 2


@pytest.mark.parametrize("field", [*GOOD, "buckets"])
@pytest.mark.parametrize("value", [0, -3])
def test_an_extent_is_at_least_one(field, value):
    with pytest.raises(ValueError, match=f"Size.{field}={value}; .* at least 1"):
        Size(**{**GOOD, field: value})


@pytest.mark.parametrize("field", OPTIONAL)
def test_an_extent_that_may_be_0_is_not_below_it(field):
    assert getattr(Size(**GOOD, **{field: 0}), field) == 0
    with pytest.raises(ValueError, match=f"Size.{field}=-1; .* at least 0"):
        Size(**GOOD, **{field: -1})


def test_an_encoder_is_as_deep_as_the_decoder_unless_said():
    assert [Size(**GOOD).depth(stack) for stack in ("encoder", "decoder")] == [2, 2]
    deep = Size(**GOOD, encoder_layers=5)
    assert [deep.depth(stack) for stack in ("encoder", "decoder")] == [5, 2]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"kv_heads": 3}, r"kv_heads=3 does not divide Size.heads=4; .* \[1, 2, 4\]"),
        ({"choices": 2}, "Size.choices=2, and there are Size.experts=0 .* at most 1"),
        ({"experts": 4, "choices": 5}, "Size.choices=5, .* Size.experts=4 .* at most 4"),
        ({"base_kv": 6}, "Size.base_kv=6 .* Size.base_embed does not say"),
        ({"kv": 5}, "Size.kv=5 is odd; .*: 6"),
        ({"buckets": 30}, "Size.buckets=30; .* a multiple of 4: 32"),
        ({"buckets": 256}, "Size.buckets=256; .* room for 252"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(change, said):
    with pytest.raises(ValueError, match=said):
        Size(**{**GOOD, **change})


def test_a_size_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Size(**GOOD).layers = 3


def test_a_model_is_as_much_wider_than_its_base_as_it_says():
    assert (Size(**GOOD).ratio, Size(**GOOD).kv_ratio) == (1, 1)
    assert Size(**GOOD, base_embed=16).ratio == 1
    scaled = Size(**GOOD, base_embed=4, base_kv=3)
    assert (scaled.ratio, scaled.kv_ratio) == (0.25, 0.5)


def test_a_stack_that_is_left_alone_is_as_deep_as_it_was():
    size = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, encoder_layers=5)
    assert size.within(("encoder", "decoder")) == size
    depths = [size.within((stack,)) for stack in ("encoder", "decoder")]
    assert [(one.layers, one.encoder_layers) for one in depths] == [(5, 0), (2, 0)]
