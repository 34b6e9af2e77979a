"""Writing: tokens are said one after another, by all rows of a batch at once, until all have ended.

The prompts are read in one pass and the rest is one loop, in one program for rows of one number and
lengths; how many tokens are said, and what they are drawn from, are numbers that it is given.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from archlab.batch import Stream
from archlab.generation import reading
from archlab.generation.choice import Choice, choose, later, nats, within
from archlab.model.transformer import Transformer


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Said:
    """What rows say.

    Args:
      tokens_BL: int32 ids; what stands at `length_B` and later is nothing.
      length_B: int32, how many were said before the end.
      nats_B: float32, log of their probability with that of the end, of the model's own
        distribution.
      is_over_B: whether the end was said.
    """

    tokens_BL: jax.Array
    length_B: jax.Array
    nats_B: jax.Array
    is_over_B: jax.Array


def nothing(is_over_B: jax.Array, room: int) -> Said:
    """Makes what rows have said at first.

    Args:
      is_over_B: which are to say nothing.
      room: tokens that may be said.

    Returns:
      Zeros.
    """
    rows = is_over_B.shape[0]
    length_B, nats_B = jnp.zeros(rows, jnp.int32), jnp.zeros(rows, jnp.float32)
    return Said(jnp.zeros((rows, room), jnp.int32), length_B, nats_B, is_over_B)


@functools.partial(jax.jit, static_argnames=("model", "room"))
def write(
    model: Transformer,
    weights: dict,
    stream: Stream,
    source: Stream | None,
    is_over_B: jax.Array,
    key_B: jax.Array,
    choice: Choice,
    most: jax.Array | int,
    end: jax.Array | int,
    allowed: jax.Array | int,
    room: int,
) -> Said:
    """Continues prompts.

    Args:
      model: a decoder or an encoder-decoder.
      weights: of the model.
      stream: from `prompts.prompted`.
      source: from `prompts.encoded`; None for a decoder alone.
      is_over_B: which rows are to say nothing, since they only fill the batch.
      key_B: from `choice.keys`.
      choice: what tokens are drawn from.
      most: at most how many are said, 1 or more.
      end: id at which a row ends.
      allowed: ids from it on are no tokens.
      room: at least `most`.

    Returns:
      What was said.
    """

    def more(state):
        count, _, _, said = state
        return (count < most) & ~jnp.all(said.is_over_B)

    def one(state):
        count, token_B, read, said = state
        logits_BV, read = reading.further(model, weights, read, token_B, count - 1)
        token_B, said = add(logits_BV, count, said)
        return count + 1, token_B, read, said

    def add(logits_BV, count, said):
        logits_BV = within(logits_BV, allowed)
        token_B = choose(logits_BV, choice, later(key_B, count)).astype(jnp.int32)
        is_over_B = said.is_over_B | (token_B == end)
        return token_B, Said(
            said.tokens_BL.at[:, count].set(token_B),
            jnp.where(is_over_B, said.length_B, count + 1),
            said.nats_B + jnp.where(said.is_over_B, 0, nats(logits_BV, token_B)),
            is_over_B,
        )

    logits_BV, read = reading.begin(model, weights, stream, source, room)
    token_B, said = add(logits_BV, 0, nothing(is_over_B, room))
    return jax.lax.while_loop(more, one, (jnp.int32(1), token_B, read, said))[-1]
