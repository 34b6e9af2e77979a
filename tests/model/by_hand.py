"""The transformer by hand: float64, one row, one position and one head at a time.

It reads `Architecture` and the weights by their names, and shares no line with `archlab/model`.
"""

import numpy as np
from scipy.special import erf

from archlab.batch import Batch, Stream


def logits(size, architecture, weights: dict, batch: Batch) -> np.ndarray:
    """Scores every position of the last stack, [rows, positions, vocab]."""
    tree = wide(weights)
    rows = batch.target_BL.shape[0]
    return np.stack([Row(size, architecture, tree, row).logits(batch) for row in range(rows)])


def wide(tree):
    if isinstance(tree, dict):
        return {name: wide(leaf) for name, leaf in tree.items()}
    return np.asarray(tree, np.float64)


def _of(tree, number: int):
    """The weights of one layer."""
    return {
        name: _of(leaf, number) if isinstance(leaf, dict) else leaf[number]
        for name, leaf in tree.items()
    }


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


BEND = {
    "swiglu": lambda x: x / (1 + np.exp(-x)),
    "geglu": gelu_tanh,
    "geglu_exact": gelu,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
}


def capped(x, cap: float):
    return cap * np.tanh(x / cap) if cap else x


def turned(x, place: int, base: float, stretch: tuple[float, float, float] | None):
    half = len(x) // 2
    angles = place * base ** (-np.arange(half) / half)
    if stretch is not None:
        times, near, far = stretch
        turns = base ** (-np.arange(half) / half) / 2 / np.pi
        kept = np.interp(turns, [1 / far, 1 / near], [0, 1])
        angles = angles * kept + angles * (1 - kept) / times
    pairs = (x[:half] + 1j * x[half:]) * np.exp(1j * angles)
    return np.concatenate([pairs.real, pairs.imag])


def bucket(distance: int, buckets: int, ahead: bool) -> int:
    """T5's, from the paper's words: half exact, half logarithmic up to 128."""
    first = 0
    if ahead:
        buckets //= 2
        first = buckets if distance > 0 else 0
        back = abs(distance)
    else:
        back = max(-distance, 0)
    exact = buckets // 2
    if back < exact:
        return first + back
    far = exact + int(np.log(back / exact) / np.log(128 / exact) * (buckets - exact))
    return first + min(far, buckets - 1)


class Row:
    """One row of a batch, and all that is done to it."""

    def __init__(self, size, architecture, weights, row: int):
        self.size, self.own, self.weights, self.row = size, architecture, weights, row

    def logits(self, batch: Batch):
        own, weights, memory = self.own, self.weights, None
        if batch.encoder is not None:
            name = "embedding" if own.shared else "encoder_embedding"
            memory = x = self.stack("encoder", name, batch.encoder, "full", None, None)
        if batch.decoder is not None:
            edges = None
            if memory is not None:
                edges = (batch.memory_start_BL[self.row], batch.memory_end_BL[self.row])
            x = self.stack("decoder", "embedding", batch.decoder, own.visibility, memory, edges)
        head = weights.get("head", {})
        if own.head == "transformed":
            x = x @ head["transform_DD"] + head.get("transform_bias_D", 0)
            x = self.norm(BEND[own.activation](x), head["norm"])
        table = weights["embedding"]["table_VD"].T if own.tied else head["head_DV"]
        return capped(x @ table + head.get("bias_V", 0), own.logit_cap)

    def norm(self, x, weights):
        if self.own.norm == "layer":
            x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + self.own.epsilon) * weights["scale_D"]
        return x + weights.get("bias_D", 0)

    def stack(self, name: str, table: str, stream: Stream, sees: str, memory, edges):
        own, weights = self.own, self.weights[name]
        root = np.sqrt(self.size.embed) if own.scaled else 1.0
        places = stream.position_BL[self.row]
        x = self.weights[table]["table_VD"][stream.tokens_BL[self.row]] * root
        if own.position == "learned":
            x = x + weights["place_UD"][places] * root
        if own.norm_place == "post" or own.embedding_norm:
            x = self.norm(x, weights["embedding_norm"])
        depth = len(weights["layers"]["mlp"]["up_DF"])
        for number in range(depth):
            layer = _of(weights["layers"], number)
            is_global = not own.window
            if own.global_every:
                is_global = number % own.global_every == own.global_first
            keys = [
                self.seen(stream, sees, query, 0 if is_global else own.window)
                for query in range(len(x))
            ]
            base = (own.rotary_base, own.rotary_stretch)
            if not is_global and own.local_rotary_base:
                base = (own.local_rotary_base, None)
            bias = weights.get("bias_RH")

            def attend(near, memory=None, part="attention", keys=keys, base=base, bias=bias):
                is_own = memory is None
                ahead = sees in ("prefix", "full")
                return self.attention(
                    near,
                    near if is_own else memory,
                    layer[part],  # noqa: B023
                    keys,
                    places if is_own and own.position == "rope" else None,
                    base,
                    (bias, ahead) if is_own and bias is not None else None,
                )

            if own.parallel:  # both read one norm of the stream, which has both added to it
                read = (
                    x
                    if own.embedding_norm and not number
                    else self.norm(x, layer["attention_norm"])
                )
                x = x + attend(read) + self.mlp(read, layer["mlp"])
                continue
            x = self.added(x, layer, "attention", attend, number == 0)
            if memory is not None:
                inside = [list(range(*edge)) for edge in zip(*edges, strict=True)]
                x = self.added(
                    x,
                    layer,
                    "cross",
                    lambda near, inside=inside: attend(near, memory, "cross", inside),  # noqa: B023
                )
            x = self.added(x, layer, "mlp", lambda near: self.mlp(near, layer["mlp"]))  # noqa: B023
        return x if own.norm_place == "post" else self.norm(x, weights["norm"])

    def added(self, x, layer, name: str, sublayer, is_first: bool = False):
        own = self.own
        near = x
        if own.norm_place != "post" and not (own.embedding_norm and is_first):
            near = self.norm(x, layer[f"{name}_norm"])
        made = sublayer(near)
        if own.norm_place == "both":
            made = self.norm(made, layer[f"{name}_post_norm"])
        return self.norm(x + made, layer[f"{name}_norm"]) if own.norm_place == "post" else x + made

    def seen(self, stream: Stream, sees: str, query: int, window: int) -> list[int]:
        low, middle, high = (
            edge[self.row, query] for edge in (stream.start_BL, stream.split_BL, stream.end_BL)
        )
        return [
            key
            for key in range(low, high)
            if (key <= query or sees == "full" or (sees == "prefix" and key < middle))
            and (not window or abs(key - query) <= window)
        ]

    def attention(self, x, memory, weights, keys, places, base, bias):
        size, own = self.size, self.own
        out = np.zeros_like(x) + weights.get("out_bias_D", 0)
        for head in range(size.heads):
            group = head // (size.heads // size.kv_heads)
            asked = x @ weights["query_DHK"][:, head]
            named = memory @ weights["key_DGK"][:, group]
            value = memory @ weights["value_DGK"][:, group]
            if own.bias:
                asked = asked + weights["query_bias_HK"][head]
                named = named + weights["key_bias_GK"][group]
                value = value + weights["value_bias_GK"][group]
            if own.qk_norm:
                asked, named = (
                    one
                    / np.sqrt((one**2).mean(-1, keepdims=True) + own.epsilon)
                    * weights[f"{part}_norm"]["scale_K"]
                    for one, part in ((asked, "query"), (named, "key"))
                )
            if places is not None:
                asked, named = (
                    np.stack([turned(*one, *base) for one in zip(both, places, strict=True)])
                    for both in (asked, named)
                )
            for query, inside in enumerate(keys):
                if not inside:
                    continue
                logit = capped(named[inside] @ asked[query] / np.sqrt(size.kv), own.attention_cap)
                if bias is not None:
                    table, ahead = bias
                    logit = logit + [
                        table[bucket(key - query, size.buckets, ahead), head] for key in inside
                    ]
                share = np.exp(logit - logit.max())
                out[query] += share / share.sum() @ value[inside] @ weights["out_HKD"][head]
        return out

    def mlp(self, x, weights):
        up = x @ weights["up_DF"] + weights.get("up_bias_F", 0)
        bend = BEND[self.own.activation]
        if "gate_DF" in weights:
            up = up * bend(x @ weights["gate_DF"] + weights.get("gate_bias_F", 0))
        else:
            up = bend(up)
        return up @ weights["down_FD"] + weights.get("down_bias_D", 0)
