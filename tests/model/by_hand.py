"""The transformer by hand: float64, one row, one position and one head at a time.

It reads `Architecture` and the weights by their names, and shares no line with `archlab/model`.
"""

import dataclasses

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


@dataclasses.dataclass
class Inputs:
    """What a decoder reads of an encoder: the states for each layer, its edges, and its places."""

    states: list
    edges: list
    places: np.ndarray


class Row:
    """One row of a batch, and all that is done to it."""

    def __init__(self, size, architecture, weights, row: int):
        self.size, self.own, self.weights, self.row = size, architecture, weights, row

    def logits(self, batch: Batch):
        own, weights = self.own, self.weights
        if batch.encoder is not None:
            name = "embedding" if own.shared else "encoder_embedding"
            stack = "decoder" if own.tied_stacks else "encoder"
            x, read = self.stack(stack, name, batch.encoder, "full")
        if batch.decoder is not None:
            inputs = None
            if batch.encoder is not None:
                edges = (batch.memory_start_BL[self.row], batch.memory_end_BL[self.row])
                states = [x] * self.size.layers
                if own.aligned:
                    states = [*read, x][: self.size.layers]
                places = batch.encoder.position_BL[self.row]
                inputs = Inputs(states, list(zip(*edges, strict=True)), places)
            x, _ = self.stack("decoder", "embedding", batch.decoder, own.visibility, inputs)
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

    def stack(self, name: str, table: str, stream: Stream, sees: str, inputs=None):
        """Where it ends, and what each of its layers read."""
        own, weights = self.own, self.weights[name]
        root = np.sqrt(self.size.embed) if own.scaled else 1.0
        places = stream.position_BL[self.row]
        if inputs is not None and own.merged:
            places = places + [past - first for first, past in inputs.edges]
        x = self.weights[table]["table_VD"][stream.tokens_BL[self.row]] * root
        if own.position == "learned":
            x = x + weights["place_UD"][places] * root
        if own.norm_place == "post" or own.embedding_norm:
            x = self.norm(x, weights["embedding_norm"])
        read = []
        for number in range(len(weights["layers"]["mlp"]["up_DF"])):
            layer = _of(weights["layers"], number)
            is_global = not own.window
            if own.global_every:
                is_global = number % own.global_every == own.global_first
            window = 0 if is_global else own.window
            keys = [self.seen(stream, sees, query, window) for query in range(len(x))]
            base = (own.rotary_base, own.rotary_stretch)
            if not is_global and own.local_rotary_base:
                base = (own.local_rotary_base, None)
            base = base if own.position == "rope" else None
            bias = weights.get("bias_RH")
            if bias is not None:
                bias = (bias, sees in ("prefix", "full") or own.tied_stacks)
            others = None
            if inputs is not None:
                inside = [list(range(*edge)) for edge in inputs.edges]
                if own.merged and window:
                    inside = [
                        [key for key in seen if place - inputs.places[key] <= window]
                        for seen, place in zip(inside, places, strict=True)
                    ]
                others = (inputs.states[number], inside, inputs.places)

            def attend(near, keys=keys, base=base, bias=bias, others=others):
                read.append(near)
                memories = [(near, keys, places)]
                if own.merged and others:
                    memories.append(others)
                return self.attention(near, places, memories, layer["attention"], base, bias)  # noqa: B023

            if own.parallel:  # both read one norm of the stream, which has both added to it
                near = (
                    x
                    if own.embedding_norm and not number
                    else self.norm(x, layer["attention_norm"])
                )
                x = x + attend(near) + self.mlp(near, layer["mlp"])
                continue
            x = self.added(x, layer, "attention", attend, number == 0)
            if others and not own.merged:

                def cross(near, others=others):
                    return self.attention(near, places, [others], layer["cross"], None, None)  # noqa: B023

                x = self.added(x, layer, "cross", cross)
            x = self.added(x, layer, "mlp", lambda near: self.mlp(near, layer["mlp"]))  # noqa: B023
        return (x if own.norm_place == "post" else self.norm(x, weights["norm"])), read

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

    def attention(self, x, places, memories, weights, base, bias):
        """One softmax over all memories: each its positions, the keys of each query, its places."""
        size, own = self.size, self.own
        out = np.zeros_like(x) + weights.get("out_bias_D", 0)
        for head in range(size.heads):
            group = head // (size.heads // size.kv_heads)
            asked = self.made(x, weights, "query", "DHK", head)
            if base is not None:
                asked = self.turned(asked, places, base)
            logits, values = [[] for _ in x], [[] for _ in x]
            for memory, keys, where in memories:
                named = self.made(memory, weights, "key", "DGK", group)
                value = self.made(memory, weights, "value", "DGK", group)
                if base is not None:
                    named = self.turned(named, where, base)
                for query, inside in enumerate(keys):
                    for key in inside:
                        logit = capped(
                            named[key] @ asked[query] / np.sqrt(size.kv), own.attention_cap
                        )
                        if bias is not None:
                            table, ahead = bias
                            logit += table[bucket(key - query, size.buckets, ahead), head]
                        logits[query].append(logit)
                        values[query].append(value[key])
            for query, logit in enumerate(logits):
                if logit:
                    share = np.exp(np.array(logit) - max(logit))
                    read = share / share.sum() @ np.array(values[query])
                    out[query] += read @ weights["out_HKD"][head]
        return out

    def made(self, x, weights, part: str, letters: str, head: int):
        """Queries, keys or values of one head."""
        made = x @ weights[f"{part}_{letters}"][:, head]
        if self.own.bias:
            made = made + weights[f"{part}_bias_{letters[1:]}"][head]
        if self.own.qk_norm and part != "value":
            root = np.sqrt((made**2).mean(-1, keepdims=True) + self.own.epsilon)
            made = made / root * weights[f"{part}_norm"]["scale_K"]
        return made

    def turned(self, vectors, places, base):
        return np.stack([turned(*one, *base) for one in zip(vectors, places, strict=True)])

    def mlp(self, x, weights):
        up = x @ weights["up_DF"] + weights.get("up_bias_F", 0)
        bend = BEND[self.own.activation]
        if "gate_DF" in weights:
            up = up * bend(x @ weights["gate_DF"] + weights.get("gate_bias_F", 0))
        else:
            up = bend(up)
        return up @ weights["down_FD"] + weights.get("down_bias_D", 0)
