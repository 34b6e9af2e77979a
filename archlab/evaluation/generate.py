"""Continues a text, token by token, keeping the keys and values of what was read.

A decoder reads the prompt as the inputs of a segment, exactly as in training: 0, then the prompt,
in one pass; an encoder-decoder reads it in its encoder. Every later token is one pass over one
position.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from archlab.batch import Stream
from archlab.model.stack import Cache
from archlab.model.transformer import Transformer

SEEDS = 2**32  # JAX keeps 32 bits of one
COLD = 1e-30  # the temperature below which all that is not likeliest is out of reach
BLOCK = 64  # lengths are rounded up to it, so that prompts of about one length compile once


def _up(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _only(value: int) -> np.ndarray:
    return np.full((1, 1), value, np.int32)


def prompted(prompt: list[int], length: int, start: int = 0) -> Stream:
    """Lays a prompt out as one segment of one row.

    Example, prompt 7 8 in a row of 5:
      tokens_BL    0 7 8 0 0
      position_BL  0 1 2 0 0
      split_BL     3 3 3 0 0
      end_BL       3 3 3 0 0

    Args:
      prompt: ids.
      length: of the row, at least one more than the prompt.
      start: id that a decoder reads before them.

    Returns:
      NumPy arrays of one row.
    """
    read = len(prompt) + 1
    tokens_BL, position_BL, edge_BL = (np.zeros((1, length), np.int32) for _ in range(3))
    tokens_BL[0, :read] = [start, *prompt]
    position_BL[0, :read] = np.arange(read)
    edge_BL[0, :read] = read
    return Stream(tokens_BL, position_BL, np.zeros_like(edge_BL), edge_BL, edge_BL)


def encoded(prompt: list[int], length: int) -> Stream:
    """Lays a prompt out as an encoder reads it: all of it in view, no 0 before it.

    Args:
      prompt: ids.
      length: of the row, at least as long as the prompt.

    Returns:
      NumPy arrays of one row.
    """
    tokens_BL, position_BL, edge_BL = (np.zeros((1, length), np.int32) for _ in range(3))
    tokens_BL[0, : len(prompt)] = prompt
    position_BL[0, : len(prompt)] = np.arange(len(prompt))
    edge_BL[0, : len(prompt)] = len(prompt)
    return Stream(tokens_BL, position_BL, np.zeros_like(edge_BL), edge_BL, edge_BL)


def empty(model: Transformer, memory: int, source: int) -> Cache:
    """Makes room for what a decoder will read.

    Args:
      model: whose cache it is.
      memory: positions of its own that are kept.
      source: positions of the encoder that are kept; 0 for a decoder alone.

    Returns:
      Zeros; no position of them is seen before it is written.
    """
    size = model.size

    def pair(length: int):
        shape = (size.layers, 1, length, size.kv_heads, size.kv)
        return (jnp.zeros(shape, model.dtype), jnp.zeros(shape, model.dtype))

    return Cache(pair(memory), pair(source) if source else None)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=5)
def _read(model, weights, stream, memory_BMD, edges, cache, offset, last):
    given = {"params": weights}
    with jax.default_matmul_precision(model.precision):
        x_BLD, cache = model.apply(
            given, stream, memory_BMD, edges, cache, offset, method=model.decode
        )
        last_BLD = jax.lax.dynamic_slice_in_dim(x_BLD, last, 1, axis=1)
        return model.apply(given, last_BLD, method=model.score)[0, 0], cache


@functools.partial(jax.jit, static_argnums=0)
def _encode(model, weights, stream):
    with jax.default_matmul_precision(model.precision):
        return model.apply({"params": weights}, stream, method=model.encode)


def choose(logits_V: jax.Array, temperature: float, key: jax.Array, allowed: int) -> int:
    """Picks the next token.

    Args:
      logits_V: float32 scores of the vocabulary.
      temperature: 0 takes the likeliest; 1 draws from the model's own distribution; higher is
        more even.
      key: randomness, for one token.
      allowed: ids from it on are rows of the table that no token has.

    Returns:
      The id.
    """
    logits_V = jnp.where(jnp.arange(logits_V.shape[0]) < allowed, logits_V, -jnp.inf)
    if temperature == 0:
        return int(jnp.argmax(logits_V))
    # The likeliest at 0 and none below: no temperature is too low to be divided by.
    logits_V = (logits_V - jnp.max(logits_V)) / max(temperature, COLD)
    return int(jax.random.categorical(key, logits_V))


def _check_places(model: Transformer, source: int, read: int, tokens: int) -> None:
    """Refuses a text that is longer than a table of positions."""
    most = model.size.positions
    if model.architecture.position != "learned":
        return
    if source > most:
        raise ValueError(
            f"the encoder is to read {source} tokens, and its table has {most} positions"
        )
    if read + tokens - 1 > most:
        raise ValueError(
            f"{read} tokens are read and {tokens} more are to follow, and the table has {most} "
            f"positions; {most - read + 1} more would do"
        )


def generate(
    model: Transformer,
    weights: dict,
    prompt: list[int],
    tokens: int,
    end: int,
    allowed: int,
    temperature: float = 0.0,
    seed: int = 0,
    start: int = 0,
) -> list[int]:
    """Continues a prompt.

    Args:
      model: a decoder or an encoder-decoder.
      weights: of the model.
      prompt: ids; an encoder-decoder needs at least one.
      tokens: at most how many to add, 1 or more.
      end: id at which to stop.
      allowed: how many ids the vocabulary has.
      temperature: see `choose`.
      seed: of the draws, 0 or more, below 2**32; unused at temperature 0.
      start: id that a decoder reads first.

    Returns:
      The ids added, without the prompt and without the end.

    Raises:
      ValueError: an encoder alone, a number out of range, nothing to encode, or more than a table
        of positions has room for.
    """
    kind = model.architecture.kind
    if kind == "encoder":
        raise ValueError("an encoder fills masks in place and does not continue text")
    if tokens < 1 or not 0 <= temperature < math.inf:
        raise ValueError(
            f"tokens={tokens}, temperature={temperature}; at least 1 token, at 0 or more"
        )
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed={seed}; it is 0 or more, below {SEEDS}")
    memory_BMD, source, decoder_prompt = None, 0, prompt
    if kind == "encoder_decoder":
        if not prompt:
            raise ValueError("the prompt is empty; an encoder-decoder needs something to read")
        source, decoder_prompt = len(prompt), []
        memory_BMD = _encode(model, weights, encoded(prompt, _up(source)))
    read = len(decoder_prompt) + 1
    _check_places(model, source, read, tokens)
    length = _up(read)
    cache = empty(model, _up(read + tokens), _up(source) if source else 0)
    stream = prompted(decoder_prompt, length, start)
    keys = jax.random.split(jax.random.key(seed), tokens)
    found: list[int] = []
    position = 0
    while True:
        edges = None
        if source:
            wide = stream.tokens_BL.shape
            edges = (np.zeros(wide, np.int32), np.full(wide, source, np.int32))
        last = read - 1 if position == 0 else 0
        logits_V, cache = _read(model, weights, stream, memory_BMD, edges, cache, position, last)
        token = choose(logits_V, temperature, keys[len(found)], allowed)
        if token == end:
            return found
        found.append(token)
        if len(found) == tokens:
            return found
        position = read + len(found) - 1
        memory_BMD = None
        stream = Stream(
            tokens_BL=_only(token),
            position_BL=_only(position),
            start_BL=_only(0),
            split_BL=_only(read),
            end_BL=_only(position + 1),
        )
