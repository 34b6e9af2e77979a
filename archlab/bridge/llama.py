"""Llama: causal decoders with rotary positions, gates, and one norm ahead of each part.

Source: Touvron et al. 2023, section 2.2; the names are those of transformers' LlamaForCausalLM.
"""

import math

from archlab.architecture import TURN, Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.family import ANY, Family, factors
from archlab.bridge.table import Pair, Table
from archlab.refusal import Refusal
from archlab.size import Size

ACTIVATIONS = {"silu": "swiglu", "gelu_pytorch_tanh": "geglu", "gelu": "geglu_exact"}
# What transformers calls rotary positions: as their base has them, all stretched, or the long ones.
PLAIN, LINEAR, LONG = "default", "linear", "llama3"


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
    turns = config.within("rope_parameters")
    if not turns.says("rope_type"):  # before, the base stood alone, and the rest in rope_scaling
        turns = config.within("rope_scaling")
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
        scaled=False,
        epsilon=config.number("rms_norm_eps", 1e-6),
        rotary_base=turns.number("rope_theta", config.number("rope_theta", TURN)),
        rotary_stretch=_stretch(turns),
    )


def _stretch(turns: Configuration) -> tuple[float, float, float] | None:
    """Which rotary wavelengths are longer than their base has them."""
    words = {word: word for word in (PLAIN, LINEAR, LONG)}
    kind = turns.choice("rope_type" if turns.says("rope_type") else "type", words, PLAIN)
    if kind == PLAIN:
        return None
    times = turns.number("factor")
    if kind == LINEAR:
        return times, 0.0, 0.0
    length = turns.count("original_max_position_embeddings")
    low, high = turns.number("low_freq_factor"), turns.number("high_freq_factor")
    if not 0 < low <= high:
        raise turns.wrong("low_freq_factor", f"it is above 0, and at most high_freq_factor={high}")
    return times, length / high, length / low


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
    turns = _turns(architecture.rotary_stretch)
    return {
        "num_hidden_layers": size.layers,
        "hidden_size": size.embed,
        "intermediate_size": size.mlp,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": size.kv,
        "vocab_size": size.vocab,
        "hidden_act": words[architecture.activation],
        "rms_norm_eps": architecture.epsilon,
        "rope_theta": architecture.rotary_base,
        "rope_parameters": {**turns, "rope_theta": architecture.rotary_base},
        **({"rope_scaling": turns} if architecture.rotary_stretch else {}),
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": architecture.tied,
    }


def _turns(stretch: tuple[float, float, float] | None) -> dict:
    """What transformers calls a stretch."""
    if stretch is None:
        return {"rope_type": PLAIN}
    times, near, far = stretch
    if not far:
        return {"rope_type": LINEAR, "factor": times}
    return {
        "rope_type": LONG,
        "factor": times,
        "original_max_position_embeddings": math.ceil(far),
        "low_freq_factor": math.ceil(far) / far,
        "high_freq_factor": math.ceil(far) / near,
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

    def pair(path: str, name: str, layout: str, factor: float = 1.0) -> Pair:
        there = f"model.layers.{{}}.{name}.weight"
        return Pair(f"decoder/layers/{path}", there, layout, factor, size.layers)

    pairs = [
        Pair("embedding/table_VD", "model.embed_tokens.weight", "V D", by.table),
        pair("attention_norm/scale_D", "input_layernorm", "D"),
        pair("attention/query_DHK", "self_attn.q_proj", "HK D", by.query),
        pair("attention/key_DGK", "self_attn.k_proj", "GK D"),
        pair("attention/value_DGK", "self_attn.v_proj", "GK D"),
        pair("attention/out_HKD", "self_attn.o_proj", "D HK"),
        pair("mlp_norm/scale_D", "post_attention_layernorm", "D"),
        pair("mlp/gate_DF", "mlp.gate_proj", "F D"),
        pair("mlp/up_DF", "mlp.up_proj", "F D"),
        pair("mlp/down_FD", "mlp.down_proj", "D F"),
        Pair("decoder/norm/scale_D", "model.norm.weight", "D", by.last),
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
        "tied": ANY,
        "scaled": ANY,
        "output_scale": ANY,
        "epsilon": ANY,
        "rotary_base": ANY,
        "rotary_stretch": ANY,
    },
    settings=settings,
    fields=fields,
    table=table,
    length="max_position_embeddings",
)
