"""Beam search: the likeliest texts, of those that begin with the likeliest beginnings."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from archlab.batch import Stream
from archlab.generation import reading
from archlab.generation.choice import within
from archlab.model.transformer import Transformer

SHORT = 5.0  # tokens that `lasting` counts besides a text's own


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Beams:
    """Alternatives of each text: beginnings, and texts that have come to an end.

    Args:
      live_BC: float32, log probability of each beginning, likeliest first; minus infinity where
        there is none.
      begun_BCL: int32 ids of the beginnings.
      score_BC: float32, `nats_BC` divided by what `lasting` says, best first.
      nats_BC: float32, log probability of each text; minus infinity where there is none.
      length_BC: int32, how many tokens it has, the end too.
      tokens_BCL: int32 ids of the texts; what stands at `length_BC` and later is nothing.
    """

    live_BC: jax.Array
    begun_BCL: jax.Array
    score_BC: jax.Array
    nats_BC: jax.Array
    length_BC: jax.Array
    tokens_BCL: jax.Array


def lasting(length: jax.Array | int, penalty: jax.Array | float) -> jax.Array:
    """Says by what the nats of a text are divided, since every token costs some.

    Args:
      length: tokens, the end too.
      penalty: 0 leaves texts of all lengths alike.

    Returns:
      float32, ((5 + length) / 6) ** penalty: 1 for one token.

    Source: Wu et al. 2016 (GNMT), equation 14, without the coverage. Hugging Face divides by
      length ** penalty.
    """
    return ((SHORT + length) / (SHORT + 1)) ** penalty


@functools.partial(jax.jit, static_argnames=("model", "room", "beams"))
def search(
    model: Transformer,
    weights: dict,
    stream: Stream,
    source: Stream | None,
    is_over_B: jax.Array,
    penalty: jax.Array | float,
    most: jax.Array | int,
    end: jax.Array | int,
    allowed: jax.Array | int,
    room: int,
    beams: int,
) -> Beams:
    """Continues prompts, keeping alternatives of each.

    At every token, each beginning is continued by all tokens. Of the likeliest twice as many as are
    kept, those that have ended are texts if they are among the likeliest as many as are kept, and
    the likeliest others go on. At the last token all are texts. A row is done when no beginning can
    come to a better score than the worst of as many texts as are kept.

    Args:
      model: see `writing.write`, as for all but the penalty and the beams.
      weights: see there.
      stream: see there.
      source: see there.
      is_over_B: see there.
      penalty: see `Manner`.
      most: see there.
      end: see there.
      allowed: see there.
      room: see there.
      beams: how many alternatives are kept, 2 or more.

    Returns:
      The alternatives, the best first.

    Source: the rules are those of transformers' beam search with early_stopping="never", which for
      a penalty above 0 reckons with `most`.
    """

    def more(state):
        count, _, _, found = state
        best_B = found.live_BC[:, 0] / lasting(most, penalty)  # negative, and no length is kinder
        can_improve_B = best_B > found.score_BC[:, -1]
        return (count < most) & jnp.any(can_improve_B & ~is_over_B)

    def one(state):
        count, from_BC, read, found = state
        token_BC = jax.lax.dynamic_index_in_dim(found.begun_BCL, count - 1, 2, keepdims=False)
        read = reading.rearranged(read, _flat(from_BC))
        logits_SV, read = reading.further(model, weights, read, token_BC.reshape(-1), count - 1)
        from_BC, found = _grown(within(logits_SV, allowed), found, count, most, end, penalty)
        return count + 1, from_BC, read, found

    logits_BV, read = reading.begin(model, weights, stream, source, room)
    logits_SV = jnp.repeat(within(logits_BV, allowed), beams, axis=0)
    found = _nothing(stream.tokens_BL.shape[0], beams, room)
    from_BC, found = _grown(logits_SV, found, 0, most, end, penalty)
    state = (jnp.int32(1), from_BC, reading.repeated(read, beams), found)
    return jax.lax.while_loop(more, one, state)[-1]


def _nothing(rows: int, beams: int, room: int) -> Beams:
    """One empty beginning of each row, and no text."""
    nobody_BC = jnp.full((rows, beams), -jnp.inf, jnp.float32)
    tokens_BCL = jnp.zeros((rows, beams, room), jnp.int32)
    length_BC = jnp.zeros((rows, beams), jnp.int32)
    live_BC = nobody_BC.at[:, 0].set(0)
    return Beams(live_BC, tokens_BCL, nobody_BC, nobody_BC, length_BC, tokens_BCL)


def _grown(logits_SV, found: Beams, count, most, end, penalty) -> tuple[jax.Array, Beams]:
    """Continues each beginning by one token; also from which each that goes on was."""
    rows, beams = found.live_BC.shape
    nats_BCV = jax.nn.log_softmax(logits_SV).reshape(rows, beams, -1) + found.live_BC[:, :, None]
    live_BT, place_BT = jax.lax.top_k(nats_BCV.reshape(rows, -1), 2 * beams)
    from_BT, token_BT = jnp.divmod(place_BT, nats_BCV.shape[-1])
    begun_BTL = _picked(found.begun_BCL, from_BT).at[:, :, count].set(token_BT)
    is_end_BT = token_BT == end
    is_text_BT = (is_end_BT | (count + 1 == most)) & (jnp.arange(2 * beams) < beams)
    nats_BT = jnp.where(is_text_BT, live_BT, -jnp.inf)
    texts = (
        (found.score_BC, nats_BT / lasting(count + 1, penalty)),
        (found.nats_BC, nats_BT),
        (found.length_BC, jnp.full_like(token_BT, count + 1)),
        (found.tokens_BCL, begun_BTL),
    )
    both = [jnp.concatenate(pair, axis=1) for pair in texts]
    best_BC = jax.lax.top_k(both[0], beams)[1]
    live_BC, goes_BC = jax.lax.top_k(jnp.where(is_end_BT, -jnp.inf, live_BT), beams)
    begun_BCL, from_BC = _picked(begun_BTL, goes_BC), _picked(from_BT, goes_BC)
    return from_BC, Beams(live_BC, begun_BCL, *(_picked(one, best_BC) for one in both))


def _picked(array: jax.Array, place_BC: jax.Array) -> jax.Array:
    """Of each row, the alternatives at some places."""
    shape = (*place_BC.shape, *[1] * (array.ndim - 2))
    return jnp.take_along_axis(array, place_BC.reshape(shape), axis=1)


def _flat(from_BC: jax.Array) -> jax.Array:
    """Places among the alternatives of a row, as places among those of all rows."""
    rows, beams = from_BC.shape
    return (jnp.arange(rows)[:, None] * beams + from_BC).reshape(-1)
