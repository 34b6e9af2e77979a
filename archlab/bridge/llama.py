"""Llama: causal decoders with rotary positions, gates, and one norm ahead of each part.

Source: Touvron et al. 2023, section 2.2; the names are those of transformers' LlamaForCausalLM.
"""

from archlab.architecture import EPSILON, TURN, Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.family import Family
from archlab.bridge.table import Pair, Table
from archlab.refusal import Refusal
from archlab.size import Size

ACTIVATIONS = {"silu": "swiglu", "gelu_pytorch_tanh": "geglu"}


def settings(config: Configuration) -> tuple[Size, Architecture]:
    """Reads what a config.json says.

    Args:
      config: of a Llama.

    Returns:
      The size and the architecture.

    Raises:
      ValueError: archlab has no such Llama.
    """
    config.only("attention_bias", False)
    config.only("mlp_bias", False)
    config.only("rms_norm_eps", EPSILON)
    for turns in (config, config.within("rope_parameters"), config.within("rope_scaling")):
        turns.only("rope_theta", TURN)
        turns.only("rope_type", "default")
        turns.only("type", "default")
    embed, heads = config.count("hidden_size"), config.count("num_attention_heads")
    size = Size(
        layers=config.count("num_hidden_layers"),
        embed=embed,
        mlp=config.count("intermediate_size"),
        heads=heads,
        kv_heads=config.count("num_key_value_heads", heads),
        kv=config.count("head_dim", embed // heads),
        vocab=config.count("vocab_size"),
    )
    return size, Architecture(
        "causal_decoder",
        position="rope",
        activation=config.choice("hidden_act", ACTIVATIONS, "silu"),
        tied=config.flag("tie_word_embeddings", False),
    )


def fields(size: Size, architecture: Architecture) -> dict:
    """Says the same to transformers.

    Args:
      size: of the model.
      architecture: one that `LLAMA.lacks` nothing of.

    Returns:
      Fields of a config.json.

    Raises:
      ValueError: the heads do not divide the width, which transformers asks for.
    """
    if size.embed % size.heads:
        raise Refusal(
            f"LlamaForCausalLM wants heads that divide the width, and Size.heads={size.heads} does "
            f"not divide Size.embed={size.embed}",
            "Size.heads",
        )
    words = {own: theirs for theirs, own in ACTIVATIONS.items()}
    return {
        "num_hidden_layers": size.layers,
        "hidden_size": size.embed,
        "intermediate_size": size.mlp,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": size.kv,
        "vocab_size": size.vocab,
        "hidden_act": words[architecture.activation],
        "rms_norm_eps": EPSILON,
        "rope_theta": TURN,
        "rope_parameters": {"rope_type": "default", "rope_theta": TURN},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": architecture.tied,
    }


def table(size: Size, architecture: Architecture) -> Table:
    """Says how its weights are called.

    What archlab reads off the embedding table is multiplied by the root of the width, and Llama's
    is not: so the table is smaller here, and where logits are read off it too, the last norm makes
    up for that.

    Args:
      size: of the model.
      architecture: of the model.

    Returns:
      The table.
    """
    root = size.embed**0.5

    def pair(path: str, name: str, layout: str) -> Pair:
        there = f"model.layers.{{}}.{name}.weight"
        return Pair(f"decoder/layers/{path}", there, layout, layers=size.layers)

    pairs = [
        Pair("embedding/table_VD", "model.embed_tokens.weight", "V D", 1 / root),
        pair("attention_norm/scale_D", "input_layernorm", "D"),
        pair("attention/query_DHK", "self_attn.q_proj", "HK D"),
        pair("attention/key_DGK", "self_attn.k_proj", "GK D"),
        pair("attention/value_DGK", "self_attn.v_proj", "GK D"),
        pair("attention/out_HKD", "self_attn.o_proj", "D HK"),
        pair("mlp_norm/scale_D", "post_attention_layernorm", "D"),
        pair("mlp/gate_DF", "mlp.gate_proj", "F D"),
        pair("mlp/up_DF", "mlp.up_proj", "F D"),
        pair("mlp/down_FD", "mlp.down_proj", "D F"),
        Pair("decoder/norm/scale_D", "model.norm.weight", "D", root if architecture.tied else 1.0),
    ]
    copies = {}
    if architecture.tied:
        copies["lm_head.weight"] = "model.embed_tokens.weight"
    else:
        pairs.append(Pair("head/head_DV", "lm_head.weight", "V D"))
    # Angles, which follow from the configuration.
    spare = (r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq",)
    return Table(size, tuple(pairs), copies, spare)


LLAMA = Family(
    name="llama",
    title="LlamaForCausalLM",
    words={
        "name": ("causal_decoder",),
        "position": ("rope",),
        "activation": tuple(ACTIVATIONS.values()),
        "tied": (True, False),
    },
    settings=settings,
    fields=fields,
    table=table,
)
