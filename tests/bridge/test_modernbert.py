import pytest

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.modernbert import FAR, MODERNBERT, NEAR
from archlab.size import Size

# Published: answerdotai/ModernBERT-base, config.json.
BASE = {
    "attention_bias": False,
    "classifier_activation": "gelu",
    "classifier_bias": False,
    "decoder_bias": True,
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0,
    "hidden_activation": "gelu",
    "hidden_size": 768,
    "intermediate_size": 1152,
    "local_attention": 128,
    "local_rope_theta": 10000.0,
    "mlp_bias": False,
    "norm_bias": False,
    "norm_eps": 1e-05,
    "num_attention_heads": 12,
    "num_hidden_layers": 22,
    "vocab_size": 50368,
}


def read(**change) -> tuple[Size, Architecture]:
    return MODERNBERT.settings(Configuration(BASE | change))


def test_a_published_configuration_is_read():
    size, architecture = read()
    assert size == Size(layers=22, embed=768, mlp=1152, heads=12, kv=64, vocab=50368)
    assert architecture.window == 64
    assert (architecture.global_every, architecture.global_first) == (3, 0)
    assert (architecture.rotary_base, architecture.local_rotary_base) == (160_000, 10_000)


def test_it_has_as_many_parameters_as_published():
    """As Hugging Face counts those of its file."""
    assert MODERNBERT.table(*read()).parameters == 149_655_232


@pytest.mark.parametrize(
    "layers, far, every, first",
    [(6, [0, 3], 3, 0), (7, [2, 5], 3, 2), (4, [1], 4, 1), (4, [], 0, 0), (5, [1, 3], 2, 1)],
)
def test_a_list_of_layers_is_a_pattern(layers, far, every, first):
    kinds = [FAR if number in far else NEAR for number in range(layers)]
    size, architecture = read(num_hidden_layers=layers, layer_types=kinds)
    assert (architecture.global_every, architecture.global_first) == (every, first)
    assert [architecture.is_global(number) for number in range(layers)] == [
        number in far for number in range(layers)
    ]
    assert MODERNBERT.fields(size, architecture)["layer_types"] == kinds


def test_where_no_layer_has_a_window_there_is_none():
    for change in ({"global_attn_every_n_layers": 1}, {"layer_types": [FAR] * 22}):
        _, architecture = read(**change)
        assert architecture.window == architecture.local_rotary_base == 0


def test_bases_are_read_where_they_stand_now():
    turns = {FAR: {"rope_theta": 7e4}, NEAR: {"rope_theta": 6e3}}
    _, architecture = read(rope_parameters=turns)
    assert (architecture.rotary_base, architecture.local_rotary_base) == (7e4, 6e3)


@pytest.mark.parametrize(
    "field, value",
    [
        ("attention_bias", True),
        ("norm_bias", True),
        ("decoder_bias", False),
        ("classifier_activation", "silu"),
        ("hidden_activation", "relu"),
        ("layer_types", [FAR, NEAR, NEAR, FAR, FAR, *[NEAR] * 17]),
        ("layer_types", [FAR, NEAR]),
        ("layer_types", 3),
        ("rope_parameters", {FAR: {"rope_type": "yarn"}}),
    ],
)
def test_what_archlab_has_not_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        read(**{field: value})
