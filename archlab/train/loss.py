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
    ways: int = 1,
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
      ways: devices that the rows are split over, so that each puts its own in order.
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

    def fold(array: jax.Array) -> jax.Array:
        return array.reshape(ways, -1, *array.shape[2:])

    rows = (fold(array) for array in (x_BLD, target_BL, weight_BL))
    with jax.named_scope(NAME):
        value, marks = _scored((table_VD, bias_V), *rows, total, z_loss, cap, place)
    normalizer_BL, nats_BL, is_correct_BL = (mark.reshape(weight_BL.shape) for mark in marks)
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
def _scored(head, x_BLD, target_BL, weight_BL, total, z_loss, cap, place):
    """The loss, and what each position says of it, where a row is all that a device holds."""
    given = (head, x_BLD, target_BL, weight_BL, total)
    return _walk(*given, z_loss, cap, place, is_learning=False)[:2]


def _forward(*given):
    *said, slopes = _walk(*given, is_learning=True)
    return tuple(said), slopes


def _backward(z_loss, cap, place, slopes, along):
    head, slope_BLD = jax.tree.map(lambda slope: along[0].astype(slope.dtype) * slope, slopes)
    return head, slope_BLD, None, None, None


_scored.defvjp(_forward, _backward)


def _walk(head, x_BLD, target_BL, weight_BL, total, z_loss, cap, place, is_learning: bool):
    """Goes through the positions that carry loss, and gives the slopes too if it is learning."""
    table_VD, bias_V = head
    rows, length, _ = x_BLD.shape
    size = chunk(length, len(table_VD))
    is_learnt_BL = weight_BL != 0
    many_B = jnp.sum(is_learnt_BL, axis=1)
    order_BO = jnp.argsort(~is_learnt_BL, axis=1, stable=True)
    order_BO = jnp.pad(order_BO, ((0, 0), (0, -length % size)))
    x_BOD = jnp.take_along_axis(x_BLD, order_BO[..., None], axis=1)
    target_BO = jnp.take_along_axis(target_BL, order_BO, axis=1)
    is_learnt_BO = jnp.arange(order_BO.shape[1]) < many_B[:, None]
    share_BO = jnp.take_along_axis(weight_BL, order_BO, axis=1) * is_learnt_BO / total
    # A copy for each row is one for each device that rows are split over.
    table_BVD = jnp.broadcast_to(table_VD.astype(x_BLD.dtype), (rows, *table_VD.shape))
    table_BVD = place("table_BVD", table_BVD)

    def step(number, found):
        marks, slopes = found
        at = number * size
        here = (
            jax.lax.dynamic_slice_in_dim(one, at, size, 1) for one in (x_BOD, target_BO, share_BO)
        )
        given = (table_BVD, bias_V, *here)
        own_marks, own_slopes = _chunk(*given, z_loss, cap, place, is_learning)
        put = functools.partial(jax.lax.dynamic_update_slice_in_dim, start_index=at, axis=1)
        marks = tuple(map(put, marks, own_marks))
        if is_learning:
            slope_BVD, slope_V, slope_BOD = slopes
            slope_BVD = place("slope_BVD", slope_BVD + own_slopes[0])
            slope_V = None if slope_V is None else slope_V + own_slopes[1]
            slopes = slope_BVD, slope_V, put(slope_BOD, own_slopes[2])
        return marks, slopes

    marks = (jnp.zeros_like(share_BO),) * 3
    slopes = ()
    if is_learning:
        slope_V = None if bias_V is None else jnp.zeros_like(bias_V)
        slopes = jnp.zeros(table_BVD.shape), slope_V, jnp.zeros_like(x_BOD)
    last = jnp.max(-(-many_B // size))
    marks, slopes = jax.lax.fori_loop(0, last, step, (marks, slopes))
    normalizer_BO, nats_BO, _ = marks
    value = jnp.sum((nats_BO + z_loss * normalizer_BO**2) * share_BO)
    back_BL = jnp.cumsum(is_learnt_BL, axis=1) - 1
    marks = tuple(jnp.take_along_axis(mark_BO, back_BL, axis=1) for mark_BO in marks)
    if is_learning:
        slope_BVD, slope_V, slope_BOD = slopes
        slope_BLD = jnp.take_along_axis(slope_BOD, back_BL[..., None], axis=1)
        head = jnp.sum(slope_BVD, axis=0), slope_V
        slopes = head, jnp.where(is_learnt_BL[..., None], slope_BLD, 0)
    return value, marks, slopes


def _chunk(table_BVD, bias_V, x_BOD, target_BO, share_BO, z_loss, cap, place, is_learning: bool):
    """Scores a few positions: their log-normaliser, their nats, whether they are right."""
    logits_BOV = jnp.einsum("BOD,BVD->BOV", x_BOD, table_BVD, preferred_element_type=jnp.float32)
    if bias_V is not None:
        logits_BOV += bias_V
    if cap:
        logits_BOV = cap * jnp.tanh(logits_BOV / cap)
    logits_BOV = place("logits_BOV", logits_BOV)
    is_target_BOV = jnp.arange(logits_BOV.shape[2]) == target_BO[..., None]
    highest_BO = jnp.max(logits_BOV, axis=2)
    chosen_BO = jnp.sum(jnp.where(is_target_BOV, logits_BOV, 0.0), axis=2)
    odds_BOV = jnp.exp(logits_BOV - highest_BO[..., None])
    total_BO = jnp.sum(odds_BOV, axis=2)
    normalizer_BO = jnp.log(total_BO) + highest_BO
    marks = normalizer_BO, normalizer_BO - chosen_BO, 1.0 * (chosen_BO == highest_BO)
    if not is_learning:
        return marks, ()
    up_BO = share_BO * (1 + 2 * z_loss * normalizer_BO) / total_BO
    slope_BOV = odds_BOV * up_BO[..., None] - jnp.where(is_target_BOV, share_BO[..., None], 0.0)
    if cap:
        slope_BOV *= 1 - (logits_BOV / cap) ** 2
    slope_V = None if bias_V is None else jnp.sum(slope_BOV, axis=(0, 1))
    slope_BOV = slope_BOV.astype(x_BOD.dtype)
    slope_BVD = jnp.einsum("BOV,BOD->BVD", slope_BOV, x_BOD, preferred_element_type=jnp.float32)
    return marks, (slope_BVD, slope_V, jnp.einsum("BOV,BVD->BOD", slope_BOV, table_BVD))
