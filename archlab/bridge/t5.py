"""T5: 1.0, 1.1, Flan-T5, the LM-adapted ones, and whatever else differs in activation and tying.

Source: Raffel et al. 2020; the names are those of transformers' T5ForConditionalGeneration.
"""

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.family import ANY, Factors, Family, factors
from archlab.bridge.table import Pair, Table
from archlab.model.position import LONGEST
from archlab.refusal import Refusal
from archlab.size import Size

ACTIVATIONS = {"relu": "relu", "gated-gelu": "geglu", "gated-silu": "swiglu"}


def settings(config: Configuration) -> tuple[Size, Architecture]:
    """Reads what a config.json says.

    Args:
      config: of a T5.

    Returns:
      The size and the architecture.

    Raises:
      ValueError: archlab has no such T5.
    """
    encoder = config.count("num_layers")
    decoder = config.count("num_decoder_layers", encoder)
    config.only("relative_attention_max_distance", LONGEST)
    heads = config.count("num_heads")
    size = Size(
        layers=decoder,
        encoder_layers=0 if encoder == decoder else encoder,
        embed=config.count("d_model"),
        mlp=config.count("d_ff"),
        heads=heads,
        kv=config.count("d_kv"),
        vocab=config.count("vocab_size"),
        buckets=config.count("relative_attention_num_buckets", 32),
    )
    # transformers 5 says of every T5 that it is tied, and whether it scales its logits; before, one
    # word said both.
    is_first = config.flag("scale_decoder_outputs", config.flag("tie_word_embeddings", True))
    return size, Architecture(
        "encoder_decoder",
        position="relative",
        activation=config.choice("feed_forward_proj", ACTIVATIONS, "relu"),
        tied=is_first,
        scaled=is_first,
        epsilon=config.number("layer_norm_epsilon", 1e-6),
    )


def fields(size: Size, architecture: Architecture) -> dict:
    """Says the same to transformers.

    Args:
      size: of the model.
      architecture: one that `T5.lacks` nothing of.

    Returns:
      Fields of a config.json.

    Raises:
      ValueError: heads share keys.
    """
    if size.kv_heads != size.heads:
        raise Refusal(
            f"T5ForConditionalGeneration has a key head for each of {size.heads} query heads, and "
            f"Size.kv_heads={size.kv_heads}",
            "Size.kv_heads",
        )
    words = {own: theirs for theirs, own in ACTIVATIONS.items()}
    return {
        "num_layers": size.depth("encoder"),
        "num_decoder_layers": size.layers,
        "d_model": size.embed,
        "d_ff": size.mlp,
        "num_heads": size.heads,
        "d_kv": size.kv,
        "vocab_size": size.vocab,
        "relative_attention_num_buckets": size.buckets,
        "relative_attention_max_distance": LONGEST,
        "layer_norm_epsilon": architecture.epsilon,
        "feed_forward_proj": words[architecture.activation],
        "tie_word_embeddings": architecture.tied,
        "scale_decoder_outputs": architecture.tied,
        "is_encoder_decoder": True,
        "dropout_rate": 0.0,
    }


def table(size: Size, architecture: Architecture) -> Table:
    """Says how its weights are called.

    archlab divides attention logits by the root of the heads' width, and T5 does not: so its
    queries are larger here. Where the table is tied and scaled, what archlab reads off it is
    multiplied by the root of the width, and T5 divides its logits by it instead: so the table is
    smaller here.

    Args:
      size: of the model.
      architecture: of the model.

    Returns:
      The table.
    """
    by = factors(size, architecture, divides=True)
    pairs = [Pair("embedding/table_VD", "shared.weight", "V D", by.table)]
    if not architecture.tied:
        pairs.append(Pair("head/head_DV", "lm_head.weight", "V D"))
    for stack in ("encoder", "decoder"):
        pairs += _stack(stack, size, architecture, by)
    names = ("encoder.embed_tokens", "decoder.embed_tokens", "lm_head")
    copies = {f"{name}.weight": "shared.weight" for name in names}
    # Of T5X's first conversions; no T5 has positions between its stacks.
    spare = (r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",)
    return Table(size, tuple(pairs), copies, spare)


def _stack(stack: str, size: Size, architecture: Architecture, by: Factors) -> list[Pair]:
    def pair(path: str, name: str, layout: str, factor: float = 1.0) -> Pair:
        there = f"{stack}.block.{{}}.layer.{name}.weight"
        return Pair(f"{stack}/layers/{path}", there, layout, factor, size.depth(stack))

    def attention(path: str, name: str) -> list[Pair]:
        return [
            pair(f"{path}/query_DHK", f"{name}.q", "HK D", size.kv**0.5 * by.query),
            pair(f"{path}/key_DGK", f"{name}.k", "GK D"),
            pair(f"{path}/value_DGK", f"{name}.v", "GK D"),
            pair(f"{path}/out_HKD", f"{name}.o", "D HK"),
        ]

    parts = [*attention("attention", "0.SelfAttention")]
    parts.append(pair("attention_norm/scale_D", "0.layer_norm", "D"))
    number = 1
    if stack == "decoder":
        parts += attention("cross", "1.EncDecAttention")
        parts.append(pair("cross_norm/scale_D", "1.layer_norm", "D"))
        number = 2
    up = "wi_1" if architecture.is_gated else "wi"
    parts.append(pair("mlp/up_DF", f"{number}.DenseReluDense.{up}", "F D"))
    if architecture.is_gated:
        parts.append(pair("mlp/gate_DF", f"{number}.DenseReluDense.wi_0", "F D"))
    parts.append(pair("mlp/down_FD", f"{number}.DenseReluDense.wo", "D F"))
    parts.append(pair("mlp_norm/scale_D", f"{number}.layer_norm", "D"))
    last = by.last if stack == "decoder" else 1.0
    bias = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    return [
        *parts,
        Pair(f"{stack}/bias_RH", bias, "R H", by.near),
        Pair(f"{stack}/norm/scale_D", f"{stack}.final_layer_norm.weight", "D", last),
    ]


T5 = Family(
    name="t5",
    title="T5ForConditionalGeneration",
    words={
        "name": ("encoder_decoder",),
        "position": ("relative",),
        "activation": tuple(ACTIVATIONS.values()),
        "tied": ANY,
        "scaled": ANY,
        "output_scale": ANY,
        "epsilon": ANY,
    },
    settings=settings,
    fields=fields,
    table=table,
)
