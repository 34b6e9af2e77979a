"""The loss, made where it is learnt: logits of a few positions at a time, and of no others.

Logits are the widest array there is, one number for each id of the vocabulary, and most objectives
learn from some of their positions only. So the positions that carry loss are put before the others,
a chunk of them is scored at a time, and the loop ends with the last that carries any. The gradient
is made on the way, while the logits of the chunk are there, so that none are kept and none are made
twice.

Why the loop ends where the weights say, and not after a number of positions that is known before:
the most that a row of prefix LM, masked LM or masked diffusion may learn from is all of it, and a
number below the most would drop what it was to learn. Here no weight can be dropped, whatever the
objective, and each batch costs what it holds.

Why sums and not means: rows carry different numbers of learnt tokens, microbatches and devices
hold different rows, and each row belongs to one task of the mixture. Sums add up over all three;
means do not.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

PARTS = 16  # chunks of what a device holds: as fine as what need not be scored is told apart
LEAST = 128  # positions of a chunk, for which it pays to read the whole table once more
NAME = "head"  # of its loop in a compiled program, whose text does not say how often it turns
MOST = 2**24  # logits of a chunk, 64 MiB of float32, unless the vocabulary is past 130,000

Place = Callable[[str, jax.Array], jax.Array]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sums:
    """What a step learnt, row by row.

    Args:
      loss_B: float32, cross-entropy in nats, summed over the row's weights.
      z_B: float32, z-loss, summed likewise.
      weight_B: float32, the row's weights.
      correct_B: float32, weights of the positions where no token was likelier than the target.
      balance_B: float32, how unevenly experts were chosen, times the row's weights; None where
        there are none to choose from.
    """

    loss_B: jax.Array
    z_B: jax.Array
    weight_B: jax.Array
    correct_B: jax.Array
    balance_B: jax.Array | None = None


def chunk(positions: int, vocab: int) -> int:
    """Says how many positions are scored at a time.

    Example, 4 rows of 2,048 on a device and T5's vocabulary:
      >>> chunk(8192, 32128)
      512

    Args:
      positions: of the rows that a device holds.
      vocab: logits of each.

    Returns:
      A multiple of 8 that is as small as still pays.
    """
    most = max(min(-(-positions // PARTS), MOST // vocab), LEAST)
    return -(-min(most, positions) // 8) * 8


def mean(
    x_BLD: jax.Array,
    table_VD: jax.Array,
    target_BL: jax.Array,
    weight_BL: jax.Array,
    total: jax.Array | float,
    z_loss: float,
    parts: tuple[int, int] = (1, 1),
    place: Place = lambda name, array: array,
    bias_V: jax.Array | None = None,
    cap: float = 0.0,
) -> tuple[jax.Array, Sums]:
    """Scores the positions that carry loss.

    Args:
      x_BLD: what the last stack made.
      table_VD: float32; a position's logits are its products with the rows. They are multiplied in
        the dtype of `x_BLD` and summed in float32, and so is the gradient.
      target_BL: int32, the token to predict.
      weight_BL: float32, how much each prediction counts; 0 counts not at all, and costs nothing.
      total: what the loss is divided by, above 0.
      z_loss: weight of the squared log of the softmax's denominator, 0 or more; it keeps the
        logits from drifting.
      parts: ways that the rows, and their length, are split, so that each device puts its own
        positions in order.
      place: says, by its name, how an array is split over the mesh.
      bias_V: float32, added to the logits; None adds nothing.
      cap: a logit x becomes cap × tanh(x / cap), bias and all; 0 leaves it.

    Returns:
      Cross-entropy and z-loss of all rows over `total`, which has a gradient by `x_BLD`, `table_VD`
      and `bias_V`; and the sums, undivided, which have none.

    Source: Chowdhery et al. 2022 (PaLM), section 5, for the z-loss and its usual weight of 1e-4;
      first in Mesh TensorFlow. Gemma Team 2024 (Gemma 2), section 2, for the cap. Hsu et al. 2024
      (Liger Kernel), section 3.2, for the gradient that is made with the loss.
    """
    rows, length = (many // ways for many, ways in zip(weight_BL.shape, parts, strict=True))

    def fold(array: jax.Array) -> jax.Array:
        cut = array.reshape(parts[0], rows, parts[1], length, *array.shape[2:])
        return cut.swapaxes(1, 2).reshape(math.prod(parts), rows * length, *array.shape[2:])

    def unfold(mark: jax.Array) -> jax.Array:
        return mark.reshape(*parts, rows, length).swapaxes(1, 2).reshape(weight_BL.shape)

    own = map(fold, (x_BLD, target_BL, weight_BL))
    with jax.named_scope(NAME):
        value, marks = _scored((table_VD, bias_V), *own, total, z_loss, cap, place)
    normalizer_BL, nats_BL, is_correct_BL = map(unfold, marks)
    return value, Sums(
        loss_B=jnp.sum(nats_BL * weight_BL, axis=1),
        z_B=jnp.sum(z_loss * normalizer_BL**2 * weight_BL, axis=1),
        weight_B=jnp.sum(weight_BL, axis=1),
        correct_B=jnp.sum(is_correct_BL * weight_BL, axis=1),
    )


def each(
    x_BLD: jax.Array,
    table_VD: jax.Array,
    target_BL: jax.Array,
    weight_BL: jax.Array,
    bias_V: jax.Array | None = None,
    cap: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """Scores positions one by one, where they are on one device.

    Args:
      x_BLD: see `mean`.
      table_VD: see `mean`.
      target_BL: see `mean`.
      weight_BL: float32; a position where it is 0 is not scored.
      bias_V: see `mean`.
      cap: see `mean`.

    Returns:
      float32 nats_BL, cross-entropy of each position, 0 where it is not scored; and bool, where no
      token was likelier than the target.
    """
    rows = (one.reshape(1, -1, *one.shape[2:]) for one in (x_BLD, target_BL, weight_BL))
    given = ((table_VD, bias_V), *rows, 1.0, 0.0, cap, lambda name, array: array)
    _, (_, *marks), _ = _walk(*given, is_learning=False)
    is_scored_BL = weight_BL != 0
    nats_BL, is_correct_BL = (mark.reshape(weight_BL.shape) for mark in marks)
    return jnp.where(is_scored_BL, nats_BL, 0.0), is_scored_BL & (is_correct_BL > 0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6, 7))
def _scored(head, x_ZLD, target_ZL, weight_ZL, total, z_loss, cap, place):
    """The loss, and what each position says of it, part by part."""
    given = (head, x_ZLD, target_ZL, weight_ZL, total)
    return _walk(*given, z_loss, cap, place, is_learning=False)[:2]


def _forward(*given):
    *said, slopes = _walk(*given, is_learning=True)
    return tuple(said), slopes


def _backward(z_loss, cap, place, slopes, along):
    head, slope_ZLD = jax.tree.map(lambda slope: along[0].astype(slope.dtype) * slope, slopes)
    return head, slope_ZLD, None, None, None


_scored.defvjp(_forward, _backward)


def _walk(head, x_ZLD, target_ZL, weight_ZL, total, z_loss, cap, place, is_learning: bool):
    """Goes through the positions that carry loss, and gives the slopes too if it is learning."""
    table_VD, bias_V = head
    parts, length, _ = x_ZLD.shape
    size = chunk(length, len(table_VD))
    is_learnt_ZL = weight_ZL != 0
    many_Z = jnp.sum(is_learnt_ZL, axis=1)
    order_ZO = jnp.argsort(~is_learnt_ZL, axis=1, stable=True)
    order_ZO = jnp.pad(order_ZO, ((0, 0), (0, -length % size)))
    x_ZOD = jnp.take_along_axis(x_ZLD, order_ZO[..., None], axis=1)
    target_ZO = jnp.take_along_axis(target_ZL, order_ZO, axis=1)
    is_learnt_ZO = jnp.arange(order_ZO.shape[1]) < many_Z[:, None]
    share_ZO = jnp.take_along_axis(weight_ZL, order_ZO, axis=1) * is_learnt_ZO / total
    # A copy for each part is one for each device that positions are split over.
    table_ZVD = jnp.broadcast_to(table_VD.astype(x_ZLD.dtype), (parts, *table_VD.shape))
    table_ZVD = place("table_ZVD", table_ZVD)

    def step(number, found):
        marks, slopes = found
        at = number * size
        here = (
            jax.lax.dynamic_slice_in_dim(one, at, size, 1) for one in (x_ZOD, target_ZO, share_ZO)
        )
        given = (table_ZVD, bias_V, *here)
        own_marks, own_slopes = _chunk(*given, z_loss, cap, place, is_learning)
        put = functools.partial(jax.lax.dynamic_update_slice_in_dim, start_index=at, axis=1)
        marks = tuple(map(put, marks, own_marks))
        if is_learning:
            slope_ZVD, slope_V, slope_ZOD = slopes
            slope_ZVD = place("slope_ZVD", slope_ZVD + own_slopes[0])
            slope_V = None if slope_V is None else slope_V + own_slopes[1]
            slopes = slope_ZVD, slope_V, put(slope_ZOD, own_slopes[2])
        return marks, slopes

    marks = (jnp.zeros_like(share_ZO),) * 3
    slopes = ()
    if is_learning:
        slope_V = None if bias_V is None else jnp.zeros_like(bias_V)
        slopes = jnp.zeros(table_ZVD.shape), slope_V, jnp.zeros_like(x_ZOD)
    last = jnp.max(-(-many_Z // size))
    marks, slopes = jax.lax.fori_loop(0, last, step, (marks, slopes))
    normalizer_ZO, nats_ZO, _ = marks
    value = jnp.sum((nats_ZO + z_loss * normalizer_ZO**2) * share_ZO)
    back_ZL = jnp.cumsum(is_learnt_ZL, axis=1) - 1
    marks = tuple(jnp.take_along_axis(mark_ZO, back_ZL, axis=1) for mark_ZO in marks)
    if is_learning:
        slope_ZVD, slope_V, slope_ZOD = slopes
        # Summed over the devices before layers learn: left to itself, the compiler does it after
        # them, and holds the sums of the whole table on each device all the while.
        slope_VD = place("slope_VD", jnp.sum(slope_ZVD, axis=0))
        slope_VD, slope_ZOD = jax.lax.optimization_barrier((slope_VD, slope_ZOD))
        slope_ZLD = jnp.take_along_axis(slope_ZOD, back_ZL[..., None], axis=1)
        head = slope_VD, slope_V
        slopes = head, jnp.where(is_learnt_ZL[..., None], slope_ZLD, 0)
    return value, marks, slopes


def _chunk(table_ZVD, bias_V, x_ZOD, target_ZO, share_ZO, z_loss, cap, place, is_learning: bool):
    """Scores a few positions: their log-normaliser, their nats, whether they are right."""
    logits_ZOV = jnp.einsum("ZOD,ZVD->ZOV", x_ZOD, table_ZVD, preferred_element_type=jnp.float32)
    if bias_V is not None:
        logits_ZOV += bias_V
    if cap:
        logits_ZOV = cap * jnp.tanh(logits_ZOV / cap)
    logits_ZOV = place("logits_ZOV", logits_ZOV)
    is_target_ZOV = jnp.arange(logits_ZOV.shape[2]) == target_ZO[..., None]
    highest_ZO = jnp.max(logits_ZOV, axis=2)
    chosen_ZO = jnp.sum(jnp.where(is_target_ZOV, logits_ZOV, 0.0), axis=2)
    odds_ZOV = jnp.exp(logits_ZOV - highest_ZO[..., None])
    total_ZO = jnp.sum(odds_ZOV, axis=2)
    normalizer_ZO = jnp.log(total_ZO) + highest_ZO
    marks = normalizer_ZO, normalizer_ZO - chosen_ZO, 1.0 * (chosen_ZO == highest_ZO)
    if not is_learning:
        return marks, ()
    up_ZO = share_ZO * (1 + 2 * z_loss * normalizer_ZO) / total_ZO
    slope_ZOV = odds_ZOV * up_ZO[..., None] - jnp.where(is_target_ZOV, share_ZO[..., None], 0.0)
    if cap:
        slope_ZOV *= 1 - (logits_ZOV / cap) ** 2
    slope_V = None if bias_V is None else jnp.sum(slope_ZOV, axis=(0, 1))
    slope_ZOV = slope_ZOV.astype(x_ZOD.dtype)
    slope_ZVD = jnp.einsum("ZOV,ZOD->ZVD", slope_ZOV, x_ZOD, preferred_element_type=jnp.float32)
    return marks, (slope_ZVD, slope_V, jnp.einsum("ZOV,ZVD->ZOD", slope_ZOV, table_ZVD))
