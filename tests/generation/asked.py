"""Small models that are asked what comes next, and what they say when they read all anew."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from archlab import batch as batches
from archlab.architecture import Architecture
from archlab.batch import Stream
from archlab.model.sight import Reach
from archlab.model.transformer import Transformer
from archlab.size import Size

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2, positions=24)
DECODERS = ["causal_decoder", "prefix_decoder", "encoder_decoder"]


def made(name: str, position: str = "rope", seed: int = 1, size: Size = SIZE, **words):
    """A model of drawn weights."""
    model = Transformer(size, Architecture(name, position, tied=False, **words))
    shapes = jax.eval_shape(
        model.init, jax.random.key(0), batches.abstract(model.architecture.kind, 1, 4, 4)
    )
    rng = np.random.default_rng(seed)

    def draw(keys, one) -> np.ndarray:
        is_scale = "scale" in keys[-1].key
        return rng.normal(float(is_scale), 0.1 if is_scale else 0.5, one.shape).astype(np.float32)

    return model, jax.tree_util.tree_map_with_path(draw, shapes["params"])


def logits(model: Transformer, weights: dict, prompts: list, said: list) -> list[np.ndarray]:
    """What it says of each text at the end of the prompt and after every token, without a cache.

    Each text is a row of its own, at the row's beginning, as training has it.
    """
    is_pair = model.architecture.kind == "encoder_decoder"
    inputs = [[] if is_pair else list(prompt) for prompt in prompts]
    read = [[0, *prompt, *more] for prompt, more in zip(inputs, said, strict=True)]
    split = [0 if is_pair else len(prompt) + 1 for prompt in inputs]
    source = row(list(map(list, prompts)), [0] * len(prompts)) if is_pair else None
    found_BLV = np.asarray(_read(model, weights, row(read, split), source))
    return [
        found_LV[len(prompt) : len(prompt) + len(more) + 1]
        for found_LV, prompt, more in zip(found_BLV, inputs, said, strict=True)
    ]


def row(texts: list[list[int]], splits: list[int], length: int = 0) -> Stream:
    """Rows that begin with one text each, as long as the longest or longer."""
    arrays = np.zeros((5, len(texts), max([length, *map(len, texts)])), np.int32)
    for number, (text, split) in enumerate(zip(texts, splits, strict=True)):
        here = slice(len(text))
        arrays[0, number, here], arrays[1, number, here] = text, np.arange(len(text))
        arrays[3, number, here], arrays[4, number, here] = split, len(text)
    return Stream(*arrays)


@functools.partial(jax.jit, static_argnums=0)
def _read(model, weights, stream, source):
    memory, reach, given = None, None, {"params": weights}
    if source is not None:
        memory = model.apply(given, source, method=model.encode)
        end_B = jnp.max(source.end_BL, axis=1, keepdims=True)
        edges = (jnp.zeros_like(stream.end_BL), jnp.broadcast_to(end_B, stream.end_BL.shape))
        reach = Reach(*edges, source.position_BL)
    x_BLD, _ = model.apply(given, stream, memory, reach, method=model.decode)
    return model.apply(given, x_BLD, method=model.score)


def filled(model: Transformer, weights: dict, texts: list[list[int]], length=0) -> np.ndarray:
    """What an encoder says at each position of texts."""
    stream = row(texts, [0] * len(texts), length)
    return np.asarray(_fill(model, weights, stream))


@functools.partial(jax.jit, static_argnums=0)
def _fill(model, weights, stream):
    def read(model, stream):
        return model.score(model.head.transform(model.encode(stream).state_BMD))

    return model.apply({"params": weights}, stream, method=read)


def nats(logits_V: np.ndarray) -> np.ndarray:
    """Logs of probabilities, in float64."""
    wide_V = logits_V.astype(np.float64)
    wide_V = wide_V - wide_V.max(-1, keepdims=True)
    return wide_V - np.log(np.exp(wide_V).sum(-1, keepdims=True))


def strings(symbols: int, end: int, most: int) -> list[tuple[int, ...]]:
    """All texts that come to an end within so many tokens, or are cut there."""
    inner = [one for one in range(symbols) if one != end]
    ended = [
        (*text, end) for length in range(most) for text in itertools.product(inner, repeat=length)
    ]
    return ended + list(itertools.product(inner, repeat=most))
