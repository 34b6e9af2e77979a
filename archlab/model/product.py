"""Products of a stream with a weight, and how their gradients are summed.

A CPU multiplies fastest where its first operand lies row by row along what is summed over. The
gradient of a weight is a sum over positions, so one of its operands has to be turned around, and
JAX's own rule turns the one that came out: the widest array of a hidden layer, every time. Here the
narrower one is turned. Accelerators choose their layouts themselves and are not affected.
"""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def product(letters: str, x: jax.Array, weight: jax.Array) -> jax.Array:
    """Multiplies a stream with a weight: `jnp.einsum`, but for its gradient.

    Example:
      product("BLD,DF->BLF", x_BLD, up_DF)    # of the weight: x_BLD first, and not slope_BLF

    Args:
      letters: of the stream, the weight and what comes out; each letter of the weight is in one of
        the others, and not in both.
      x: the stream.
      weight: in the same dtype.

    Returns:
      What comes out, in that dtype.
    """
    return jnp.einsum(letters, x, weight)


def _forward(letters: str, x: jax.Array, weight: jax.Array) -> tuple[jax.Array, tuple]:
    # Not `product`: what it does would be hidden from a policy that says which products are kept.
    return jnp.einsum(letters, x, weight), (x, weight)


def _backward(letters: str, given: tuple, slope: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, weight = given
    operands, made = letters.split("->")
    of_x, of_weight = operands.split(",")
    slope_x = jnp.einsum(f"{made},{of_weight}->{of_x}", slope, weight)
    first, second = (of_x, x), (made, slope)
    if slope.size < x.size:
        first, second = second, first
    # Letters come out as einsum's operands have them, or it would choose the order itself.
    own = "".join(letter for letter in first[0] + second[0] if letter in of_weight)
    turned = jnp.einsum(f"{first[0]},{second[0]}->{own}", first[1], second[1])
    return slope_x, jnp.einsum(f"{own}->{of_weight}", turned)


product.defvjp(_forward, _backward)
