"""What a decoder has read, kept as keys and values, so that a token more is one position more."""

import dataclasses

import jax
import jax.numpy as jnp

from archlab.batch import Stream
from archlab.model.sight import Reach
from archlab.model.stack import Cache
from archlab.model.transformer import Transformer


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Reading:
    """What rows have read so far.

    Args:
      cache: keys and values of it.
      length: int32 scalar, place of the first token that is said, the same in all rows.
      read_B: int32, positions that were read of each row before that place.
      source_B: int32, positions that its encoder read; None for a decoder alone.
    """

    cache: Cache
    length: jax.Array
    read_B: jax.Array
    source_B: jax.Array | None


def empty(model: Transformer, rows: int, memory: int, source: int) -> Cache:
    """Makes room for what a decoder will read.

    Args:
      model: whose cache it is.
      rows: of the batch.
      memory: positions of its own that are kept.
      source: positions of the encoder that are kept; 0 for a decoder alone.

    Returns:
      Zeros; no position of them is seen before it is written.
    """
    size = model.size

    def pair(length: int):
        shape = (size.layers, rows, length, size.kv_heads, size.kv)
        return (jnp.zeros(shape, model.dtype), jnp.zeros(shape, model.dtype))

    return Cache(pair(memory), pair(source) if source else None)


def begin(
    model: Transformer, weights: dict, stream: Stream, source: Stream | None, room: int
) -> tuple[jax.Array, Reading]:
    """Reads prompts in one pass.

    Args:
      model: a decoder or an encoder-decoder.
      weights: of the model.
      stream: from `prompts.prompted`.
      source: from `prompts.encoded`; None for a decoder alone.
      room: tokens that may follow.

    Returns:
      logits_BV, float32, of what comes next; and what was read.
    """
    rows, length = stream.tokens_BL.shape
    given, memory, source_B, reach, places = {"params": weights}, None, None, None, 0
    with jax.default_matmul_precision(model.precision):
        if source is not None:
            memory = model.apply(given, source, method=model.encode)
            source_B, places = jnp.max(source.end_BL, axis=1), source.tokens_BL.shape[1]
            reach = reached(source_B, stream, source.position_BL)
        cache = empty(model, rows, length + room, places)
        x_BLD, cache = model.apply(given, stream, memory, reach, cache, 0, method=model.decode)
        logits_BLV = model.apply(given, x_BLD[:, -1:], method=model.score)
    read_B = stream.position_BL[:, -1] + 1
    return logits_BLV[:, 0], Reading(cache, jnp.int32(length), read_B, source_B)


def further(
    model: Transformer, weights: dict, reading: Reading, token_B: jax.Array, count: jax.Array
) -> tuple[jax.Array, Reading]:
    """Reads one more token of each row.

    Args:
      model: a decoder or an encoder-decoder.
      weights: of the model.
      reading: what was read before.
      token_B: int32 ids.
      count: int32 scalar, how many were read since `begin`.

    Returns:
      logits_BV, float32, of what comes next; and what was read with these tokens.
    """
    place = reading.length + count
    wide_BL = jnp.zeros_like(token_B)[:, None]
    stream = Stream(
        tokens_BL=token_B[:, None],
        position_BL=(reading.read_B + count)[:, None],
        start_BL=(reading.length - reading.read_B)[:, None],
        split_BL=wide_BL + reading.length,
        end_BL=wide_BL + place + 1,
    )
    reach = None if reading.source_B is None else reached(reading.source_B, stream)
    given = {"params": weights}
    with jax.default_matmul_precision(model.precision):
        x_BLD, cache = model.apply(
            given, stream, None, reach, reading.cache, place, method=model.decode
        )
        logits_BLV = model.apply(given, x_BLD, method=model.score)
    return logits_BLV[:, 0], dataclasses.replace(reading, cache=cache)


def repeated(reading: Reading, times: int) -> Reading:
    """Repeats each row, for alternatives of it that stand one after another.

    Args:
      reading: what was read.
      times: how many there are of each row.

    Returns:
      The same of so many times the rows.
    """
    read_S, source_S = jax.tree.map(
        lambda one: jnp.repeat(one, times, axis=0), (reading.read_B, reading.source_B)
    )
    cache = jax.tree.map(lambda one: jnp.repeat(one, times, axis=1), reading.cache)
    return Reading(cache, reading.length, read_S, source_S)


def rearranged(reading: Reading, from_S: jax.Array) -> Reading:
    """Goes on from other alternatives of the same texts.

    Args:
      reading: what was read.
      from_S: int32, the row that each row goes on from: itself, or an alternative of it.

    Returns:
      The same, as those rows read it. What their encoder made is that of the text, and stays.
    """
    own = jax.tree.map(lambda one: one[:, from_S], reading.cache.own)
    return dataclasses.replace(reading, cache=dataclasses.replace(reading.cache, own=own))


def reached(source_B: jax.Array, stream: Stream, position_BM: jax.Array | None = None) -> Reach:
    """Says that positions see all that the encoder read, and padding nothing.

    Args:
      source_B: int32, positions that it read.
      stream: what the decoder reads.
      position_BM: int32, places of the encoder's positions; None where their keys are kept.

    Returns:
      What the decoder reaches.
    """
    end_BL = jnp.where(stream.end_BL > 0, source_B[:, None], 0)
    return Reach(jnp.zeros_like(end_BL), end_BL, position_BM)
