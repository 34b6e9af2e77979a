"""The hidden layer: what each position makes of what it has read."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax

from archlab.model.layers import Layer
from archlab.model.product import product

_exact = functools.partial(jax.nn.gelu, approximate=False)
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "swiglu": jax.nn.silu,
    "geglu": jax.nn.gelu,
    "geglu_exact": _exact,
    "relu": jax.nn.relu,
    "gelu": _exact,
    "gelu_tanh": jax.nn.gelu,
}


class Mlp(Layer):
    """The hidden layer: up, activation, down.

    Source: Shazeer 2020 (GLU variants), equations 5 and 6 for the gated kinds.
    """

    @nn.compact
    def __call__(self, x_BLD: jax.Array) -> jax.Array:
        """Args: x_BLD: normalised. Returns: what is added to the stream."""
        bend = ACTIVATIONS[self.architecture.activation]
        hidden_BLF = product("BLD,DF->BLF", x_BLD, self.weight("up_DF", fan_in="D"))
        hidden_BLF = self.biased(hidden_BLF, "up_bias_F")
        if not self.architecture.is_gated:
            hidden_BLF = bend(hidden_BLF)
        else:
            gate_BLF = product("BLD,DF->BLF", x_BLD, self.weight("gate_DF", fan_in="D"))
            hidden_BLF *= bend(self.biased(gate_BLF, "gate_bias_F"))
        hidden_BLF = self.dropped(self.place("hidden_BLF", hidden_BLF))
        out_BLD = product("BLF,FD->BLD", hidden_BLF, self.weight("down_FD", fan_in="F"))
        return self.biased(out_BLD, "down_bias_D")
