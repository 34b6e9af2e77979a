import dataclasses

import pytest

from archlab.bridge.configuration import Configuration
from archlab.bridge.llama import LLAMA
from archlab.size import Size

# Published: the config.json of TinyLlama 1.1B, of its first checkpoints.
TINY = {
    "hidden_act": "silu",
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_attention_heads": 32,
    "num_hidden_layers": 22,
    "num_key_value_heads": 4,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "vocab_size": 32000,
}
# Published: meta-llama/Llama-3.2-1B, config.json.
LONG = {
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}


def test_a_published_configuration_is_read():
    size, architecture = LLAMA.settings(Configuration(TINY))
    assert size == Size(layers=22, embed=2048, mlp=5632, heads=32, kv_heads=4, kv=64, vocab=32000)
    assert (architecture.name, architecture.position) == ("causal_decoder", "rope")
    assert (architecture.activation, architecture.tied) == ("swiglu", False)


def test_bases_and_epsilons_are_read_where_they_stand():
    newer = {"rope_type": "default", "rope_theta": 5e5}
    for said in ({"rope_theta": 5e5}, {"rope_theta": 1.0, "rope_parameters": newer}):
        _, architecture = LLAMA.settings(Configuration(TINY | said | {"rms_norm_eps": 1e-5}))
        assert (architecture.rotary_base, architecture.epsilon) == (5e5, 1e-5)


@pytest.mark.parametrize(
    "said, stretch",
    [
        ({"rope_scaling": LONG}, (32.0, 2048.0, 8192.0)),
        ({"rope_parameters": LONG | {"rope_theta": 5e5}}, (32.0, 2048.0, 8192.0)),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, (2.0, 0.0, 0.0)),
        ({"rope_scaling": LONG | {"low_freq_factor": 3.0}}, (32.0, 2048.0, 8192 / 3)),
        ({"rope_parameters": {"rope_type": "default"}}, None),
    ],
)
def test_stretched_wavelengths_are_read_and_said(said, stretch):
    size, architecture = LLAMA.settings(Configuration(TINY | {"rope_theta": 5e5} | said))
    assert architecture.rotary_stretch == stretch and architecture.rotary_base == 5e5
    again = LLAMA.fields(size, architecture)
    size_again, found = LLAMA.settings(Configuration(again))
    assert size_again == size
    assert (found.rotary_stretch or ()) == pytest.approx(stretch or (), rel=1e-12)


def test_it_has_as_many_parameters_as_published():
    """Zhang et al. 2024, and as Hugging Face counts those of its file."""
    assert LLAMA.table(*LLAMA.settings(Configuration(TINY))).parameters == 1_100_048_384


@pytest.mark.parametrize(
    "field, value",
    [
        ("attention_bias", True),
        ("mlp_bias", True),
        ("rms_norm_eps", 0.0),
        ("rope_theta", "far"),
        ("rope_scaling", {"type": "dynamic", "factor": 2.0}),
        ("rope_scaling", {"rope_type": "llama3", "factor": 8.0}),
        ("rope_scaling", {"rope_type": "linear"}),
        ("rope_scaling", LONG | {"low_freq_factor": 0}),
        ("rope_scaling", LONG | {"low_freq_factor": 5.0}),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 10000.0}),
        ("hidden_act", "relu"),
        ("hidden_size", None),
    ],
)
def test_what_archlab_has_not_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match="epsilon" if field == "rms_norm_eps" else field):
        LLAMA.settings(Configuration(TINY | {field: value}))


def test_heads_that_do_not_divide_the_width_are_refused():
    size, architecture = LLAMA.settings(Configuration(TINY))
    with pytest.raises(ValueError, match="Size.heads=12 does not divide Size.embed=2048"):
        LLAMA.fields(dataclasses.replace(size, heads=12), architecture)


def test_angles_that_old_files_hold_are_left():
    table = LLAMA.table(*LLAMA.settings(Configuration(TINY)))
    old = "model.layers.3.self_attn.rotary_emb.inv_freq"
    assert table.check(table.shapes | {old: (32,)}) == [old]
