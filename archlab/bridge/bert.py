"""BERT: encoders with learnt positions, a layer norm after every sum, and a head that transforms.

BERT adds one of two learnt vectors to each token, for the first and the second of two texts.
archlab has one text in a segment: the first vector is added to the table of positions, and the
second is dropped. The head that says whether two texts belong together is left behind.

Source: Devlin et al. 2019 and its released code; the names are those of transformers'
BertForMaskedLM.
"""

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.family import ANY, Family, factors, whole
from archlab.bridge.table import ROWS, Pair, Table
from archlab.size import Size

ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "relu": "relu"}


def settings(config: Configuration) -> tuple[Size, Architecture]:
    """Reads what a config.json says.

    Args:
      config: of a BERT.

    Returns:
      The size and the architecture.

    Raises:
      ValueError: archlab has no such BERT.
    """
    config.only("position_embedding_type", "absolute")
    config.only("is_decoder", False)
    config.only("add_cross_attention", False)
    config.only("type_vocab_size", ROWS)
    embed, heads = config.count("hidden_size"), config.count("num_attention_heads")
    size = Size(
        layers=config.count("num_hidden_layers"),
        embed=embed,
        mlp=config.count("intermediate_size"),
        heads=heads,
        kv=embed // heads,
        vocab=config.count("vocab_size"),
        positions=config.count("max_position_embeddings", 512),
    )
    return size, Architecture(
        "encoder",
        position="learned",
        activation=config.choice("hidden_act", ACTIVATIONS, "gelu"),
        tied=config.flag("tie_word_embeddings", True),
        scaled=False,
        norm="layer",
        norm_place="post",
        epsilon=config.number("layer_norm_eps", 1e-12),
        bias=True,
        head="transformed",
    )


def fields(size: Size, architecture: Architecture) -> dict:
    """Says the same to transformers.

    Args:
      size: of the model.
      architecture: one that `BERT.lacks` nothing of.

    Returns:
      Fields of a config.json.

    Raises:
      ValueError: the heads are not as wide together as the stream, or share keys.
    """
    whole(BERT.title, size)
    words = {own: theirs for theirs, own in ACTIVATIONS.items()}
    return {
        "num_hidden_layers": size.layers,
        "hidden_size": size.embed,
        "intermediate_size": size.mlp,
        "num_attention_heads": size.heads,
        "vocab_size": size.vocab,
        "max_position_embeddings": size.positions,
        "type_vocab_size": ROWS,
        "hidden_act": words[architecture.activation],
        "layer_norm_eps": architecture.epsilon,
        "tie_word_embeddings": architecture.tied,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }


def table(size: Size, architecture: Architecture) -> Table:
    """Says how its weights are called.

    Args:
      size: of the model.
      architecture: of the model.

    Returns:
      The table.
    """
    by = factors(size, architecture)
    embedding, head = "bert.embeddings", "cls.predictions"

    def pair(path: str, name: str, layout: str, factor: float = 1.0) -> Pair:
        there = f"bert.encoder.layer.{{}}.{name}"
        return Pair(f"encoder/layers/{path}", there, layout, factor, size.layers)

    def product(path: str, layout: str, bias: str, name: str, factor: float = 1.0) -> list[Pair]:
        return [
            pair(f"attention/{path}", f"attention.{name}.weight", layout, factor),
            pair(f"attention/{bias}", f"attention.{name}.bias", layout.split()[0], factor),
        ]

    def norm(path: str, name: str) -> list[Pair]:
        return [
            pair(f"{path}/scale_D", f"{name}.weight", "D"),
            pair(f"{path}/bias_D", f"{name}.bias", "D"),
        ]

    pairs = [
        Pair("embedding/table_VD", f"{embedding}.word_embeddings.weight", "V D", by.table),
        Pair(
            "encoder/place_UD",
            f"{embedding}.position_embeddings.weight",
            "U D",
            by.table,
            plus=f"{embedding}.token_type_embeddings.weight",
        ),
        Pair("encoder/embedding_norm/scale_D", f"{embedding}.LayerNorm.weight", "D"),
        Pair("encoder/embedding_norm/bias_D", f"{embedding}.LayerNorm.bias", "D"),
        *product("query_DHK", "HK D", "query_bias_HK", "self.query", by.query),
        *product("key_DGK", "GK D", "key_bias_GK", "self.key"),
        *product("value_DGK", "GK D", "value_bias_GK", "self.value"),
        *product("out_HKD", "D HK", "out_bias_D", "output.dense"),
        *norm("attention_norm", "attention.output.LayerNorm"),
        pair("mlp/up_DF", "intermediate.dense.weight", "F D"),
        pair("mlp/up_bias_F", "intermediate.dense.bias", "F"),
        pair("mlp/down_FD", "output.dense.weight", "D F"),
        pair("mlp/down_bias_D", "output.dense.bias", "D"),
        *norm("mlp_norm", "output.LayerNorm"),
        Pair("head/transform_DD", f"{head}.transform.dense.weight", "d D"),
        Pair("head/transform_bias_D", f"{head}.transform.dense.bias", "D"),
        Pair("head/norm/scale_D", f"{head}.transform.LayerNorm.weight", "D", by.last),
        Pair("head/norm/bias_D", f"{head}.transform.LayerNorm.bias", "D", by.last),
        Pair("head/bias_V", f"{head}.bias", "V"),
    ]
    copies = {f"{head}.decoder.bias": f"{head}.bias"}
    if architecture.tied:
        copies[f"{head}.decoder.weight"] = f"{embedding}.word_embeddings.weight"
    else:
        pairs.append(Pair("head/head_DV", f"{head}.decoder.weight", "V D"))
    spare = (r"bert\.pooler\..*", r"cls\.seq_relationship\..*", r"bert\.embeddings\.position_ids")
    return Table(size, tuple(pairs), copies, spare)


BERT = Family(
    name="bert",
    title="BertForMaskedLM",
    words={
        "name": ("encoder",),
        "position": ("learned",),
        "activation": tuple(ACTIVATIONS.values()),
        "tied": ANY,
        "scaled": ANY,
        "norm": ("layer",),
        "norm_place": ("post",),
        "output_scale": ANY,
        "epsilon": ANY,
        "bias": (True,),
        "head": ("transformed",),
    },
    settings=settings,
    fields=fields,
    table=table,
    prefix="bert.",
    former={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
)
