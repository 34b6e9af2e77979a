"""ModernBERT: encoders with rotary positions, gates and windows, and no biases.

Source: Warner et al. 2024, section 2.1; the names are those of transformers' ModernBertForMaskedLM.
"""

from typing import Any

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.family import ANY, Family, factors, whole
from archlab.bridge.table import Pair, Table
from archlab.size import Size

ACTIVATIONS = {"gelu": "geglu_exact", "gelu_pytorch_tanh": "geglu", "silu": "swiglu"}
PLAIN = "default"  # rotary positions that nothing scales
FAR, NEAR = "full_attention", "sliding_attention"
BIASES = ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias")


def settings(config: Configuration) -> tuple[Size, Architecture]:
    """Reads what a config.json says.

    Args:
      config: of a ModernBERT.

    Returns:
      The size and the architecture.

    Raises:
      ValueError: archlab has no such ModernBERT.
    """
    for name in BIASES:
        config.only(name, False)
    config.only("decoder_bias", True)
    activation = config.choice("hidden_activation", ACTIVATIONS, "gelu")
    if config.choice("classifier_activation", ACTIVATIONS, "gelu") != activation:
        raise config.wrong("classifier_activation", "archlab has that of hidden_activation")
    embed, heads = config.count("hidden_size"), config.count("num_attention_heads")
    size = Size(
        layers=config.count("num_hidden_layers"),
        embed=embed,
        mlp=config.count("intermediate_size"),
        heads=heads,
        kv=embed // heads,
        vocab=config.count("vocab_size"),
    )
    far, near = _base(config, FAR, "global", 160_000.0), _base(config, NEAR, "local", 10_000.0)
    every, first = _globals(config, size.layers)
    windows: dict[str, Any] = {}
    if every != 1:
        windows = {"window": config.count("local_attention", 128) // 2}
        windows |= {"global_every": every, "global_first": first, "local_rotary_base": near}
    return size, Architecture(
        "encoder",
        position="rope",
        activation=activation,
        tied=config.flag("tie_word_embeddings", True),
        scaled=False,
        norm="layer",
        epsilon=config.number("norm_eps", 1e-5),
        embedding_norm=True,
        rotary_base=far,
        head="transformed",
        **windows,
    )


def _base(config: Configuration, kind: str, former: str, default: float) -> float:
    """The rotary base of a kind of layers, which had a field of its own before."""
    turns = config.within("rope_parameters").within(kind)
    turns.only("rope_type", PLAIN)
    return turns.number("rope_theta", config.number(f"{former}_rope_theta", default))


def _globals(config: Configuration, layers: int) -> tuple[int, int]:
    """Of how many layers one has no window, and which is the first; 0 and 0 if all have one."""
    kinds = config.words("layer_types")
    if kinds is None:
        return config.count("global_attn_every_n_layers", 3), 0
    far = [number for number, kind in enumerate(kinds) if kind == FAR]
    every = 0 if not far else far[1] - far[0] if len(far) > 1 else layers
    first = far[0] if far else 0
    said = [FAR if every and number % every == first else NEAR for number in range(layers)]
    if kinds != said:
        raise config.wrong("layer_types", "archlab has one layer without a window of so many")
    return every, first


def fields(size: Size, architecture: Architecture) -> dict:
    """Says the same to transformers.

    Args:
      size: of the model.
      architecture: one that `MODERNBERT.lacks` nothing of.

    Returns:
      Fields of a config.json.

    Raises:
      ValueError: the heads are not as wide together as the stream, or share keys.
    """
    whole(MODERNBERT.title, size)
    words = {own: theirs for theirs, own in ACTIVATIONS.items()}
    far = architecture.rotary_base
    near = architecture.local_rotary_base or far
    kinds = [FAR if architecture.is_global(number) else NEAR for number in range(size.layers)]
    return {
        "num_hidden_layers": size.layers,
        "hidden_size": size.embed,
        "intermediate_size": size.mlp,
        "num_attention_heads": size.heads,
        "vocab_size": size.vocab,
        "hidden_activation": words[architecture.activation],
        "classifier_activation": words[architecture.activation],
        "norm_eps": architecture.epsilon,
        "local_attention": 2 * architecture.window,
        "layer_types": kinds,
        "rope_parameters": {
            FAR: {"rope_type": PLAIN, "rope_theta": far},
            NEAR: {"rope_type": PLAIN, "rope_theta": near},
        },
        "tie_word_embeddings": architecture.tied,
        **dict.fromkeys(BIASES, False),
        "decoder_bias": True,
    }


def table(size: Size, architecture: Architecture) -> Table:
    """Says how its weights are called.

    The first layer reads the norm of the embedding as it is, and transformers stores no norm of it.

    Args:
      size: of the model.
      architecture: of the model.

    Returns:
      The table.
    """
    by = factors(size, architecture)

    def pair(path: str, name: str, layout: str, part: int = 0, **words) -> Pair:
        there = f"model.layers.{{}}.{name}.weight"
        here = f"encoder/layers/{path}"
        return Pair(here, there, layout, layers=size.layers, part=part, **words)

    pairs = [
        Pair("embedding/table_VD", "model.embeddings.tok_embeddings.weight", "V D", by.table),
        Pair("encoder/embedding_norm/scale_D", "model.embeddings.norm.weight", "D"),
        pair("attention_norm/scale_D", "attn_norm", "D", first=1),
        pair("attention/query_DHK", "attn.Wqkv", "3HK D", factor=by.query),
        pair("attention/key_DGK", "attn.Wqkv", "3GK D", 1),
        pair("attention/value_DGK", "attn.Wqkv", "3GK D", 2),
        pair("attention/out_HKD", "attn.Wo", "D HK"),
        pair("mlp_norm/scale_D", "mlp_norm", "D"),
        pair("mlp/gate_DF", "mlp.Wi", "2F D"),
        pair("mlp/up_DF", "mlp.Wi", "2F D", 1),
        pair("mlp/down_FD", "mlp.Wo", "D F"),
        Pair("encoder/norm/scale_D", "model.final_norm.weight", "D"),
        Pair("head/transform_DD", "head.dense.weight", "d D"),
        Pair("head/norm/scale_D", "head.norm.weight", "D", by.last),
        Pair("head/bias_V", "decoder.bias", "V"),
    ]
    copies = {}
    if architecture.tied:
        copies["decoder.weight"] = "model.embeddings.tok_embeddings.weight"
    else:
        pairs.append(Pair("head/head_DV", "decoder.weight", "V D"))
    return Table(size, tuple(pairs), copies)


MODERNBERT = Family(
    name="modernbert",
    title="ModernBertForMaskedLM",
    words={
        "name": ("encoder",),
        "position": ("rope",),
        "activation": tuple(ACTIVATIONS.values()),
        "tied": ANY,
        "scaled": ANY,
        "norm": ("layer",),
        "output_scale": ANY,
        "epsilon": ANY,
        "embedding_norm": (True,),
        "rotary_base": ANY,
        "local_rotary_base": ANY,
        "window": ANY,
        "global_every": ANY,
        "global_first": ANY,
        "head": ("transformed",),
    },
    settings=settings,
    fields=fields,
    table=table,
    length="max_position_embeddings",
)
