"""Norms: every vector of a stream, or of a head, brought to one scale."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from archlab.model.layers import Layer


class Norm(Layer):
    """Divides each position's vector by its root mean square, and scales it.

    A layer norm takes the mean off first, and adds a bias last where the architecture has biases.

    Source: Zhang & Sennrich 2019 (RMSNorm), equation 4; T5's layer norm is the same. Ba et al. 2016
      (layer normalization), equation 4.
    """

    @nn.compact
    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: any scale. Returns: in `dtype`; means are taken in float32."""
        wide_BLD = x_BLD.astype(jnp.float32)
        is_layer = self.architecture.norm == "layer"
        if is_layer:
            wide_BLD -= jnp.mean(wide_BLD, axis=-1, keepdims=True)
        wide_BLD = even(wide_BLD, self.architecture.epsilon)
        near_BLD = wide_BLD.astype(self.dtype) * self.weight("scale_D")
        return self.biased(near_BLD, "bias_D") if is_layer else near_BLD


class HeadNorm(Layer):
    """Divides each head's vector by its root mean square; all heads have one scale.

    Source: Gemma Team 2025 (Gemma 3), section 2, after Dehghani et al. 2023 (ViT-22B), section 2.
    """

    @nn.compact
    def __call__(self, x_BLHK: jax.Array) -> jax.Array:
        """Args: x_BLHK: queries or keys. Returns: in `dtype`; the mean is in float32."""
        wide_BLHK = even(x_BLHK.astype(jnp.float32), self.architecture.epsilon)
        return wide_BLHK.astype(self.dtype) * self.weight("scale_K")


def even(wide: jax.Array, epsilon: float) -> jax.Array:
    """Divides vectors by their root mean square.

    Args:
      wide: float32, vectors along the last dimension.
      epsilon: added to the mean square.

    Returns:
      Vectors whose mean square is 1, or a little less.
    """
    return wide * jax.lax.rsqrt(jnp.mean(wide**2, axis=-1) + epsilon)[..., None]
