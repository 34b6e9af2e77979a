"""How a stack knows order: rotary positions, or T5's relative-position buckets."""

import math

import jax
import jax.numpy as jnp

LONGEST = 128  # T5: farther distances than about this share the last bucket


def turns(width: int, base: float, stretch: tuple[float, float, float] | None = None) -> jax.Array:
    """Says by how much each pair of numbers turns from one position to the next.

    Args:
      width: of a head, even.
      base: of the wavelengths: the slowest pair takes nearly 2π × base positions for a turn.
      stretch: see `Architecture.rotary_stretch`.

    Returns:
      turn_K, float32, radians; pairs are (i, i + K/2).

    Source: Su et al. 2021 (RoFormer), section 3.2.2; the released code of Llama 3.1,
      `apply_scaling`, for the stretch: between near and far, the share that is left as it is grows
      linearly with the turns that a pair takes.
    """
    place_K = jnp.arange(width)
    half = width // 2
    turn_K = base ** -((place_K % half).astype(jnp.float32) / half)
    if stretch is None:
        return turn_K
    times, near, far = stretch
    wave_K = 2 * math.pi / turn_K
    if near == far:
        kept_K = (wave_K < near).astype(jnp.float32)
    else:
        kept_K = jnp.clip((1 / wave_K - 1 / far) / (1 / near - 1 / far), 0, 1)
    return turn_K * (kept_K + (1 - kept_K) / times)


def rotate(x_BLHK: jax.Array, position_BL: jax.Array, turn_K: jax.Array) -> jax.Array:
    """Turns each pair of numbers of a head by an angle that grows with the position.

    The dot product of two turned vectors depends on their distance only. Pairs are (i, i + K/2).

    Args:
      x_BLHK: queries or keys; K is even.
      position_BL: int32, place of each position in its segment.
      turn_K: from `turns`.

    Returns:
      The turned vectors, of the same dtype; computed in float32.

    Source: Su et al. 2021 (RoFormer), section 3.4.2, equation 34; the pairing of halves is that of
      GPT-NeoX and Llama's Hugging Face weights.
    """
    angle_BLHK = position_BL[:, :, None, None].astype(jnp.float32) * turn_K
    wide_BLHK = x_BLHK.astype(jnp.float32)
    turned_BLHK = wide_BLHK * jnp.cos(angle_BLHK) + _other(x_BLHK) * jnp.sin(angle_BLHK)
    return turned_BLHK.astype(x_BLHK.dtype)


def _other(x_BLHK: jax.Array) -> jax.Array:
    """The other number of each pair, float32; the first with a minus before it.

    A TPU multiplies matrices faster than it moves numbers within a vector; in bfloat16 a product
    with a matrix of ones and zeros is exact.
    """
    width = x_BLHK.shape[-1]
    if x_BLHK.dtype == jnp.bfloat16:
        swap_KK = jnp.roll(jnp.eye(width, dtype=x_BLHK.dtype), width // 2, axis=1)
        other_BLHK = jnp.matmul(x_BLHK, swap_KK, preferred_element_type=jnp.float32)
    else:
        other_BLHK = jnp.roll(x_BLHK.astype(jnp.float32), width // 2, axis=-1)
    return other_BLHK * jnp.where(jnp.arange(width) < width // 2, -1.0, 1.0)


def bucket(distance_P: jax.Array, buckets: int, ahead: bool) -> jax.Array:
    """Sorts distances into buckets: exact when near, logarithmic when far.

    Where a position can look ahead, half of the buckets are for keys after the query. T5X's decoder
    used one-sided buckets for prefix attention too, so that every key ahead shared bucket 0 with
    the query itself; here the visibility decides.

    Example, 32 buckets:
      distance          -91  -8  -1   0   1   8   91
      ahead=True         15   8   1   0  17  24   31
      ahead=False        29   8   1   0   0   0    0

    Args:
      distance_P: int32, place of the key minus place of the query.
      buckets: how many there are.
      ahead: whether the visibility lets a position see later ones.

    Returns:
      int32 bucket of each distance.

    Source: Raffel et al. 2020, section 2.1; the arithmetic is mesh_tensorflow's and T5X's
      `relative_position_bucket`.
    """
    first_P = jnp.zeros_like(distance_P)
    if ahead:
        buckets //= 2
        first_P = jnp.where(distance_P > 0, buckets, 0)
        back_P = jnp.abs(distance_P)
    else:
        back_P = jnp.maximum(-distance_P, 0)
    exact = buckets // 2
    ratio_P = jnp.log(back_P.astype(jnp.float32) / exact + jnp.finfo(jnp.float32).eps)
    far_P = exact + (ratio_P / jnp.log(LONGEST / exact) * (buckets - exact)).astype(jnp.int32)
    far_P = jnp.minimum(far_P, buckets - 1)
    return first_P + jnp.where(back_P < exact, back_P, far_P)
