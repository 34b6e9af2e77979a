import dataclasses

import pytest

from archlab.bridge.configuration import Configuration
from archlab.bridge.t5 import T5
from archlab.size import Size

# Published: google/t5-v1_1-small and google-t5/t5-small, config.json.
SMALL = {
    "d_ff": 1024,
    "d_kv": 64,
    "d_model": 512,
    "feed_forward_proj": "gated-gelu",
    "layer_norm_epsilon": 1e-06,
    "num_decoder_layers": 8,
    "num_heads": 6,
    "num_layers": 8,
    "relative_attention_num_buckets": 32,
    "tie_word_embeddings": False,
    "vocab_size": 32128,
}
FIRST = {
    "d_ff": 2048,
    "d_kv": 64,
    "d_model": 512,
    "layer_norm_epsilon": 1e-06,
    "num_heads": 8,
    "num_layers": 6,
    "relative_attention_num_buckets": 32,
    "vocab_size": 32128,
}


def test_published_configurations_are_read():
    size, architecture = T5.settings(Configuration(SMALL))
    assert size == Size(layers=8, embed=512, mlp=1024, heads=6, kv=64, vocab=32128)
    assert (architecture.activation, architecture.tied) == ("geglu", False)
    size, architecture = T5.settings(Configuration(FIRST))
    assert size == Size(layers=6, embed=512, mlp=2048, heads=8, kv=64, vocab=32128)
    assert (architecture.activation, architecture.tied) == ("relu", True)


def test_stacks_may_differ_in_depth():
    size, architecture = T5.settings(Configuration(SMALL | {"num_decoder_layers": 3}))
    assert (size.depth("encoder"), size.depth("decoder")) == (8, 3)
    assert T5.fields(size, architecture)["num_layers"] == 8


def test_published_models_have_as_many_parameters_as_published():
    """As Hugging Face counts those of their files."""
    for said, count in ((SMALL, 76_961_152), (FIRST, 60_506_624)):
        size, architecture = T5.settings(Configuration(said))
        assert T5.table(size, architecture).parameters == count


def test_one_word_said_whether_logits_are_scaled_and_now_another_does():
    for old, new, tied in ((True, None, True), (False, None, False), (True, False, False)):
        said = FIRST | {"tie_word_embeddings": old, "scale_decoder_outputs": new}
        assert T5.settings(Configuration(said))[1].tied is tied


@pytest.mark.parametrize(
    "field, value",
    [
        ("num_decoder_layers", 0),
        ("relative_attention_max_distance", 64),
        ("layer_norm_epsilon", "1e-5"),
        ("feed_forward_proj", "gated-tanh"),
        ("relative_attention_num_buckets", 7),
        ("d_kv", "64"),
    ],
)
def test_what_archlab_has_not_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field.removeprefix("relative_attention_num_")):
        T5.settings(Configuration(SMALL | {field: value}))


def test_keys_that_heads_share_are_refused():
    size, architecture = T5.settings(Configuration(SMALL))
    with pytest.raises(
        ValueError, match="a key head for each of 6 query heads, and Size.kv_heads=2"
    ):
        T5.fields(dataclasses.replace(size, kv_heads=2), architecture)


def test_the_bias_that_old_files_hold_is_left():
    size, architecture = T5.settings(Configuration(SMALL))
    table = T5.table(size, architecture)
    old = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    assert table.check(table.shapes | {old: (32, 6)}) == [old]
