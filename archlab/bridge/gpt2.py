"""GPT-2: causal decoders with learnt positions, layer norms and biases.

Source: Radford et al. 2019, section 2.3; the names are those of transformers' GPT2LMHeadModel,
whose products keep what goes in ahead of what comes out.
"""

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.family import ANY, Family, factors, whole
from archlab.bridge.table import Pair, Table
from archlab.size import Size

ACTIVATIONS = {
    "gelu_new": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "gelu_pytorch_tanh": "gelu_tanh",
}


def settings(config: Configuration) -> tuple[Size, Architecture]:
    """Reads what a config.json says.

    Args:
      config: of a GPT-2.

    Returns:
      The size and the architecture.

    Raises:
      ValueError: archlab has no such GPT-2.
    """
    config.only("scale_attn_weights", True)
    config.only("scale_attn_by_inverse_layer_idx", False)
    config.only("add_cross_attention", False)
    embed, heads = config.count("n_embd"), config.count("n_head")
    size = Size(
        layers=config.count("n_layer"),
        embed=embed,
        mlp=config.count("n_inner", 4 * embed),
        heads=heads,
        kv=embed // heads,
        vocab=config.count("vocab_size"),
        positions=config.count("n_positions", 1024),
    )
    return size, Architecture(
        "causal_decoder",
        position="learned",
        activation=config.choice("activation_function", ACTIVATIONS, "gelu_new"),
        tied=config.flag("tie_word_embeddings", True),
        scaled=False,
        norm="layer",
        epsilon=config.number("layer_norm_epsilon", 1e-5),
        bias=True,
    )


def fields(size: Size, architecture: Architecture) -> dict:
    """Says the same to transformers.

    Args:
      size: of the model.
      architecture: one that `GPT2.lacks` nothing of.

    Returns:
      Fields of a config.json.

    Raises:
      ValueError: the heads are not as wide together as the stream, or share keys.
    """
    whole(GPT2.title, size)
    words = {own: theirs for theirs, own in reversed(ACTIVATIONS.items())}
    return {
        "n_layer": size.layers,
        "n_embd": size.embed,
        "n_inner": size.mlp,
        "n_head": size.heads,
        "n_positions": size.positions,
        "vocab_size": size.vocab,
        "activation_function": words[architecture.activation],
        "layer_norm_epsilon": architecture.epsilon,
        "tie_word_embeddings": architecture.tied,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
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

    def pair(path: str, name: str, layout: str, part: int = 0, factor: float = 1.0) -> Pair:
        there = f"transformer.h.{{}}.{name}"
        return Pair(f"decoder/layers/{path}", there, layout, factor, size.layers, part)

    pairs = [
        Pair("embedding/table_VD", "transformer.wte.weight", "V D", by.table),
        Pair("decoder/place_UD", "transformer.wpe.weight", "U D", by.table),
        pair("attention_norm/scale_D", "ln_1.weight", "D"),
        pair("attention_norm/bias_D", "ln_1.bias", "D"),
        pair("attention/query_DHK", "attn.c_attn.weight", "D 3HK", factor=by.query),
        pair("attention/key_DGK", "attn.c_attn.weight", "D 3GK", 1),
        pair("attention/value_DGK", "attn.c_attn.weight", "D 3GK", 2),
        pair("attention/query_bias_HK", "attn.c_attn.bias", "3HK", factor=by.query),
        pair("attention/key_bias_GK", "attn.c_attn.bias", "3GK", 1),
        pair("attention/value_bias_GK", "attn.c_attn.bias", "3GK", 2),
        pair("attention/out_HKD", "attn.c_proj.weight", "HK D"),
        pair("attention/out_bias_D", "attn.c_proj.bias", "D"),
        pair("mlp_norm/scale_D", "ln_2.weight", "D"),
        pair("mlp_norm/bias_D", "ln_2.bias", "D"),
        pair("mlp/up_DF", "mlp.c_fc.weight", "D F"),
        pair("mlp/up_bias_F", "mlp.c_fc.bias", "F"),
        pair("mlp/down_FD", "mlp.c_proj.weight", "F D"),
        pair("mlp/down_bias_D", "mlp.c_proj.bias", "D"),
        Pair("decoder/norm/scale_D", "transformer.ln_f.weight", "D", by.last),
        Pair("decoder/norm/bias_D", "transformer.ln_f.bias", "D", by.last),
    ]
    copies = {}
    if architecture.tied:
        copies["lm_head.weight"] = "transformer.wte.weight"
    else:
        pairs.append(Pair("head/head_DV", "lm_head.weight", "V D"))
    # Masks, which follow from the configuration.
    spare = (r"transformer\.h\.\d+\.attn\.(masked_)?bias",)
    return Table(size, tuple(pairs), copies, spare)


GPT2 = Family(
    name="gpt2",
    title="GPT2LMHeadModel",
    words={
        "name": ("causal_decoder",),
        "position": ("learned",),
        "activation": tuple(ACTIVATIONS.values()),
        "tied": ANY,
        "scaled": ANY,
        "norm": ("layer",),
        "output_scale": ANY,
        "epsilon": ANY,
        "bias": (True,),
    },
    settings=settings,
    fields=fields,
    table=table,
    prefix="transformer.",
)
