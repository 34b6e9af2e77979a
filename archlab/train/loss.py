"""The loss, as sums over each row; the step divides once, by the weight of all rows.

Why sums and not means: rows carry different numbers of learnt tokens, microbatches and devices
hold different rows, and each row belongs to one task of the mixture. Sums add up over all three;
means do not.
"""

import dataclasses

import jax
import jax.numpy as jnp


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sums:
    """What a step learnt, row by row.

    Args:
      loss_B: float32, cross-entropy in nats, summed over the row's weights.
      z_B: float32, z-loss, summed likewise.
      weight_B: float32, the row's weights.
      correct_B: float32, weights of the positions where the likeliest token was the target.
    """

    loss_B: jax.Array
    z_B: jax.Array
    weight_B: jax.Array
    correct_B: jax.Array


def sums(logits_BLV: jax.Array, target_BL: jax.Array, weight_BL: jax.Array, z_loss: float) -> Sums:
    """Sums cross-entropy and z-loss over each row.

    Args:
      logits_BLV: float32.
      target_BL: int32, the token to predict.
      weight_BL: float32, how much each prediction counts; 0 counts not at all.
      z_loss: weight of the squared log of the softmax's denominator, 0 or more; it keeps the
        logits from drifting.

    Returns:
      The sums, undivided.

    Source: Chowdhery et al. 2022 (PaLM), section 5, for the z-loss and its usual weight of 1e-4;
      first in Mesh TensorFlow.
    """
    normalizer_BL = jax.nn.logsumexp(logits_BLV, axis=-1)
    chosen_BL = jnp.take_along_axis(logits_BLV, target_BL[..., None], axis=-1)[..., 0]
    is_correct_BL = jnp.argmax(logits_BLV, axis=-1) == target_BL
    return Sums(
        loss_B=jnp.sum((normalizer_BL - chosen_BL) * weight_BL, axis=1),
        z_B=jnp.sum(z_loss * normalizer_BL**2 * weight_BL, axis=1),
        weight_B=jnp.sum(weight_BL, axis=1),
        correct_B=jnp.sum(is_correct_BL * weight_BL, axis=1),
    )
