import pytest

from archlab.bridge.bert import BERT
from archlab.bridge.configuration import Configuration
from archlab.size import Size

# Published: google-bert/bert-base-uncased, config.json.
BASE = {
    "hidden_act": "gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 30522,
}


def test_a_published_configuration_is_read():
    size, architecture = BERT.settings(Configuration(BASE))
    assert size == Size(layers=12, embed=768, mlp=3072, heads=12, kv=64, vocab=30522, positions=512)
    assert (architecture.norm_place, architecture.epsilon) == ("post", 1e-12)
    assert (architecture.activation, architecture.head) == ("gelu", "transformed")


def test_it_has_as_many_parameters_as_published():
    """Hugging Face counts 110,106,428 in its file, with the pooler and the head of two texts."""
    table = BERT.table(*BERT.settings(Configuration(BASE)))
    pooler, pairs = 768 * 768 + 768, 2 * 768 + 2
    assert table.parameters + pooler + pairs == 110_106_428


@pytest.mark.parametrize(
    "field, value",
    [
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("type_vocab_size", 1),
        ("hidden_act", "silu"),
        ("hidden_size", None),
    ],
)
def test_what_archlab_has_not_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        BERT.settings(Configuration(BASE | {field: value}))


def test_heads_for_other_tasks_are_left():
    table = BERT.table(*BERT.settings(Configuration(BASE)))
    others = ["bert.pooler.dense.weight", "cls.seq_relationship.bias"]
    others.append("bert.embeddings.position_ids")
    assert table.check(table.shapes | dict.fromkeys(others, (1,))) == others
