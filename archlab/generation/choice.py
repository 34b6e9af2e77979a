"""The choice of the next token: the likeliest, or one that is drawn.

Draws follow from the seed, the number of the text and the number of the token, so that a text is
continued in the same way whatever stands beside it.
"""

import dataclasses

import jax
import jax.numpy as jnp

COLD = 1e-30  # the temperature below which all that is not likeliest is out of reach


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Choice:
    """What tokens are drawn from. What is None is not compiled.

    Args:
      temperature: see `Manner`; None takes the likeliest.
      top_k: see `Manner`; None leaves all.
      top_p: see `Manner`; None leaves all.
    """

    temperature: jax.Array | float | None = None
    top_k: jax.Array | int | None = None
    top_p: jax.Array | float | None = None


def within(logits_BV: jax.Array, allowed: jax.Array | int) -> jax.Array:
    """Hides rows of the table that no token has.

    Args:
      logits_BV: float32 scores of the table's rows.
      allowed: ids from it on are no tokens.

    Returns:
      logits_BV, minus infinity there.
    """
    return jnp.where(jnp.arange(logits_BV.shape[-1]) < allowed, logits_BV, -jnp.inf)


def nats(logits_BV: jax.Array, token_B: jax.Array) -> jax.Array:
    """Says how likely tokens were.

    Args:
      logits_BV: float32, from `within`.
      token_B: int32, one of each row.

    Returns:
      float32 log of their probabilities, of the model's own distribution.
    """
    nats_BV = jax.nn.log_softmax(logits_BV)
    return jnp.take_along_axis(nats_BV, token_B[:, None], axis=1)[:, 0]


def kept(
    logits_BV: jax.Array, top_k: jax.Array | int | None, top_p: jax.Array | float | None
) -> jax.Array:
    """Hides all but the likeliest tokens. Of equals at the border, all are kept.

    Example, shares of 0.5, 0.3, 0.15 and 0.05:
      top_k=2      the first two
      top_p=0.8    the first two
      top_p=0.81   the first three

    Args:
      logits_BV: float32, divided by the temperature.
      top_k: how many are kept, 1 or more; None leaves all.
      top_p: the share that is kept, above 0: the fewest likeliest tokens that come to it, of what
        `top_k` left; None leaves all.

    Returns:
      logits_BV, minus infinity where they are hidden.

    Source: Fan et al. 2018, section 5.4; Holtzman et al. 2020, section 3.1.
    """
    sorted_BV = jnp.sort(logits_BV, axis=-1, descending=True)
    place_V = jnp.arange(logits_BV.shape[-1])
    if top_k is not None:
        sorted_BV = jnp.where(place_V < top_k, sorted_BV, -jnp.inf)
    if top_p is not None:
        share_BV = jax.nn.softmax(sorted_BV)
        before_BV = jnp.cumsum(share_BV, axis=-1) - share_BV
        sorted_BV = jnp.where((before_BV < top_p) | (place_V == 0), sorted_BV, -jnp.inf)
    least_BV = jnp.where(sorted_BV > -jnp.inf, sorted_BV, jnp.inf)
    return jnp.where(logits_BV >= jnp.min(least_BV, axis=-1, keepdims=True), logits_BV, -jnp.inf)


def choose(logits_BV: jax.Array, choice: Choice, key_B: jax.Array) -> jax.Array:
    """Picks a token of each row.

    Args:
      logits_BV: float32, from `within`.
      choice: what is drawn from.
      key_B: randomness, for one token of each row; unused where the likeliest is taken.

    Returns:
      int32 ids.
    """
    if choice.temperature is None:
        return jnp.argmax(logits_BV, axis=-1)
    # The likeliest at 0 and none below: no temperature is too low to be divided by.
    logits_BV -= jnp.max(logits_BV, axis=-1, keepdims=True)
    logits_BV /= jnp.maximum(choice.temperature, COLD)
    if choice.top_k is not None or choice.top_p is not None:
        logits_BV = kept(logits_BV, choice.top_k, choice.top_p)
    return jax.vmap(jax.random.categorical)(key_B, logits_BV)


def keys(seed: jax.Array | int, number_B: jax.Array) -> jax.Array:
    """Makes the randomness of texts.

    Args:
      seed: of all, 0 or more, below 2**32.
      number_B: int32, of each text, 0 or more.

    Returns:
      key_B, of which `later` makes that of each token.
    """
    return keyed(jax.random.key(seed), number_B)


def keyed(key: jax.Array, number_B: jax.Array) -> jax.Array:
    """Makes randomness for each of several things.

    Args:
      key: randomness.
      number_B: int32, of each thing, 0 or more.

    Returns:
      key_B, all different.
    """
    return jax.vmap(jax.random.fold_in, (None, 0))(key, number_B)


def later(key_B: jax.Array, count: jax.Array | int) -> jax.Array:
    """Makes the randomness of one token of each text.

    Args:
      key_B: from `keys`.
      count: number of the token, 0 or more.

    Returns:
      key_B, for `choose`.
    """
    return jax.vmap(jax.random.fold_in, (0, None))(key_B, count)
