import pytest

from archlab.bridge.configuration import Configuration
from archlab.bridge.gpt2 import GPT2
from archlab.size import Size

# Published: openai-community/gpt2-xl, config.json.
XL = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-05,
    "n_ctx": 1024,
    "n_embd": 1600,
    "n_head": 25,
    "n_layer": 48,
    "n_positions": 1024,
    "vocab_size": 50257,
}


def test_a_published_configuration_is_read():
    size, architecture = GPT2.settings(Configuration(XL))
    assert size == Size(
        layers=48, embed=1600, mlp=6400, heads=25, kv=64, vocab=50257, positions=1024
    )
    assert (architecture.norm, architecture.epsilon, architecture.bias) == ("layer", 1e-5, True)
    assert (architecture.activation, architecture.position) == ("gelu_tanh", "learned")


def test_it_has_as_many_parameters_as_published():
    """As Hugging Face counts those of its file."""
    assert GPT2.table(*GPT2.settings(Configuration(XL))).parameters == 1_557_611_200


@pytest.mark.parametrize(
    "field, value",
    [
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("add_cross_attention", True),
        ("activation_function", "tanh"),
        ("n_embd", None),
    ],
)
def test_what_archlab_has_not_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        GPT2.settings(Configuration(XL | {field: value}))


def test_masks_that_old_files_hold_are_left():
    table = GPT2.table(*GPT2.settings(Configuration(XL)))
    old = [f"transformer.h.7.attn.{name}" for name in ("bias", "masked_bias")]
    assert table.check(table.shapes | dict.fromkeys(old, (1, 1))) == old
