"""Unmasking: an encoder continues a text by filling masks that stand behind it.

It reads the text and as many masks as there are to be tokens, says at every mask what it may be,
and some of the masks become that; then it reads again. Which ones is the order: the leftmost, those
of which it is surest, or any.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from archlab.batch import Stream
from archlab.generation import choice as choices
from archlab.generation.choice import Choice
from archlab.generation.writing import Said
from archlab.model.transformer import Transformer


@functools.partial(jax.jit, static_argnames=("model", "room", "order", "is_shifted"))
def unmask(
    model: Transformer,
    weights: dict,
    stream: Stream,
    read_B: jax.Array,
    is_over_B: jax.Array,
    key_B: jax.Array,
    choice: Choice,
    most: jax.Array | int,
    passes: jax.Array | int,
    end: jax.Array | int,
    mask: jax.Array | int,
    allowed: jax.Array | int,
    room: int,
    order: str,
    is_shifted: bool,
) -> Said:
    """Fills the masks behind prompts.

    Example, the prompt 7 8 and two passes of one token, the most confident first:
      7 8 M M
      7 8 M 5
      7 8 6 5

    Args:
      model: an encoder.
      weights: of the model.
      stream: from `prompts.encoded`, of prompts with their masks, in rows that are at least `room`
        longer than each prompt.
      read_B: int32, how long the prompts are.
      is_over_B: which rows are to say nothing, since they only fill the batch.
      key_B: from `choice.keys`.
      choice: what tokens are drawn from.
      most: how many masks stand behind each prompt, 1 or more.
      passes: in each of which as many masks become tokens, or one more in the first ones.
      end: id at which a row ends.
      mask: id of the mask, which no token becomes.
      allowed: ids from it on are no tokens.
      room: at least `most`.
      order: of `manner.ORDERS`.
      is_shifted: whether the model says at each position what the next one is.

    Returns:
      What was said; its nats are those of each token when it was said.

    Source: Nie et al. 2025 (LLaDA), section 2.4 and algorithms 4 and 5: tokens that were said stay,
      and the passes are even. Ghazvininejad et al. 2019, section 3, for confidence; Sahoo et al.
      2024 (MDLM), section 3.2.3, for no token being a mask.
    """
    row_B, number_O = jnp.arange(stream.tokens_BL.shape[0]), jnp.arange(room)
    place_BO = read_B[:, None] + number_O
    key_BO = jax.vmap(choices.keyed, (0, None))(key_B, number_O)

    def more(state):
        done, said_BO, is_hidden_BO, _ = state
        is_end_BO = ~is_hidden_BO & (said_BO == end) & (number_O < most)
        # Where nothing that is still hidden comes before an end, the row has ended.
        first_B = jnp.argmax(is_end_BO | is_hidden_BO, axis=1)
        return (done < passes) & ~jnp.all(is_over_B | is_end_BO[row_B, first_B])

    def one(state):
        done, said_BO, is_hidden_BO, nats_BO = state
        shown_BO = jnp.where(is_hidden_BO, mask, said_BO)
        tokens_BL = stream.tokens_BL.at[row_B[:, None], place_BO].set(shown_BO)
        shown = dataclasses.replace(stream, tokens_BL=tokens_BL)
        with jax.default_matmul_precision(model.precision):
            given = ({"params": weights}, shown, place_BO - is_shifted)
            logits_BOV = model.apply(*given, method=_score)
        logits_TV = logits_BOV.reshape(-1, logits_BOV.shape[-1])
        logits_TV = choices.within(logits_TV, allowed).at[:, mask].set(-jnp.inf)
        key_T = choices.later(key_BO.reshape(-1), 2 * done)
        token_T = choices.choose(logits_TV, choice, key_T)
        token_BO = token_T.astype(jnp.int32).reshape(said_BO.shape)
        sure_BO = choices.nats(logits_TV, token_T).reshape(said_BO.shape)
        rank_BO = {"left": -place_BO, "confident": sure_BO}.get(order)
        if rank_BO is None:
            key_T = choices.later(key_BO.reshape(-1), 2 * done + 1)
            rank_BO = jax.vmap(jax.random.uniform)(key_T).reshape(said_BO.shape)
        rank_BO = jnp.where(is_hidden_BO, rank_BO, -jnp.inf)
        order_BO = jnp.argsort(rank_BO, axis=1, descending=True, stable=True)
        many = most // passes + (done < most % passes)
        is_said_BO = is_hidden_BO & (jnp.argsort(order_BO, axis=1) < many)
        said_BO = jnp.where(is_said_BO, token_BO, said_BO)
        nats_BO = jnp.where(is_said_BO, sure_BO, nats_BO)
        return done + 1, said_BO, is_hidden_BO & ~is_said_BO, nats_BO

    hidden_BO = jnp.broadcast_to(number_O < most, place_BO.shape)
    state = (jnp.int32(0), jnp.zeros_like(place_BO), hidden_BO, jnp.zeros(place_BO.shape))
    _, said_BO, _, nats_BO = jax.lax.while_loop(more, one, state)
    is_end_BO = (said_BO == end) & (number_O < most)
    is_over_B = jnp.any(is_end_BO, axis=1)
    length_B = jnp.where(is_over_B, jnp.argmax(is_end_BO, axis=1), most)
    is_counted_BO = number_O <= length_B[:, None]
    return Said(said_BO, length_B, jnp.sum(nats_BO * is_counted_BO, axis=1), is_over_B)


def _score(model: Transformer, stream: Stream, place_BO: jax.Array) -> jax.Array:
    """What an encoder says at some places."""
    x_BLD = model.encode(stream).state_BMD
    x_BOD = jnp.take_along_axis(x_BLD, place_BO[:, :, None], axis=1)
    return model.score(model.head.transform(x_BOD))
