"""Between tokens and vectors: a table to read from, and what logits are made with."""

import jax
import jax.numpy as jnp

from archlab.model.layers import Layer
from archlab.model.mlp import ACTIVATIONS
from archlab.model.norm import Norm


class Embedding(Layer):
    """Tokens to vectors, and, where the table is tied, vectors to logits.

    The table begins with deviation embed^-0.5 and what is read off it is multiplied by embed^0.5,
    unless the architecture says that it is not.
    T5 keeps a table of deviation 1 and divides before the logits: the function is equal.
    """

    def setup(self):
        """Declares the table."""
        self.table_VD = self.stored("table_VD", fan_in="D")

    def read(self, tokens_BL: jax.Array) -> jax.Array:
        """Args: tokens_BL: int32 ids below vocab. Returns: x_BLD, enlarged or as it is."""
        x_BLD = self.enlarged(jnp.take(self.table_VD, tokens_BL, axis=0))
        return self.place("x_BLD", x_BLD.astype(self.dtype))

    def score(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: normalised. Returns: logits_BLV, float32."""
        table_VD = self.table_VD.astype(self.dtype)
        return jnp.einsum("BLD,VD->BLV", x_BLD, table_VD, preferred_element_type=jnp.float32)


class Head(Layer):
    """Vectors to logits, as far as that is not the embedding table's.

    Source: Devlin et al. 2019 (BERT), the released code, for a head that transforms; Yang et al.
      2021 (Tensor Programs V), table 8, for the scale by width.
    """

    def setup(self):
        """Declares what the architecture's head has."""
        if not self.architecture.tied:
            self.head_DV = self.weight("head_DV", fan_in="D")
        if self.architecture.head == "transformed":
            self.transform_DD = self.weight("transform_DD", fan_in="D")
            if self.architecture.bias:
                self.transform_bias_D = self.bias("transform_bias_D").astype(self.dtype)
            self.norm = Norm(**self.parts)
            self.bias_V = self.bias("bias_V")

    def transform(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: of the last stack. Returns: x_BLD, whose products are logits."""
        if self.architecture.head == "transformed":
            x_BLD = self._transformed(x_BLD)
        scale = self.architecture.output_scale * self.size.ratio**0.5
        return x_BLD if scale == 1 else x_BLD * scale

    def _transformed(self, x_BLD: jax.Array) -> jax.Array:
        x_BLD = jnp.einsum("BLC,CD->BLD", x_BLD, self.transform_DD)
        if self.architecture.bias:
            x_BLD += self.transform_bias_D
        return self.norm(ACTIVATIONS[self.architecture.activation](x_BLD))

    def score(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: transformed. Returns: logits_BLV, float32, where no table is tied."""
        return jnp.einsum("BLD,DV->BLV", x_BLD, self.head_DV, preferred_element_type=jnp.float32)

    def finish(self, logits_BLV: jax.Array) -> jax.Array:
        """Args: logits_BLV: products with a table. Returns: them, with their bias and cap."""
        if self.architecture.head == "transformed":
            logits_BLV += self.bias_V
        cap = self.architecture.logit_cap
        return cap * jnp.tanh(logits_BLV / cap) if cap else logits_BLV
