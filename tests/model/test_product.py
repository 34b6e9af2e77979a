"""A product and its gradients are those of float64 sums, and the narrower operand comes first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.model.product import product

LETTERS = ("BLD,DF->BLF", "BLF,FD->BLD", "BLD,DHK->BLHK", "BLHK,HKD->BLD")
EXTENT = st.integers(1, 5)


def drawn(letters: str, extents: dict, seed: int) -> list[np.ndarray]:
    """A stream, a weight, and the slope of what comes out."""
    chance = np.random.default_rng(seed)
    names = letters.replace("->", ",").split(",")
    return [chance.standard_normal([extents[one] for one in name]) for name in names]


@given(st.sampled_from(LETTERS), st.tuples(*[EXTENT] * 6), st.integers(0, 99))
def test_values_and_gradients_are_those_of_float64(letters, extents, seed):
    x, weight, slope = drawn(letters, dict(zip("BLDFHK", extents, strict=True)), seed)
    of_x, of_weight, made = letters.replace("->", ",").split(",")
    wanted = (
        np.einsum(letters, x, weight),
        np.einsum(f"{made},{of_weight}->{of_x}", slope, weight),
        np.einsum(f"{of_x},{made}->{of_weight}", x, slope),
    )
    out, back = jax.vjp(
        lambda *given: product(letters, *given), jnp.float32(x), jnp.float32(weight)
    )
    for found, exact in zip((out, *back(jnp.float32(slope))), wanted, strict=True):
        assert found.shape == exact.shape
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("mlp", [3, 64])
def test_the_sum_over_positions_has_the_narrower_operand_first(letters, mlp):
    extents = dict(zip("BLDFHK", (2, 7, 8, mlp, 2, 4), strict=True))
    x, weight, slope = map(jnp.float32, drawn(letters, extents, 0))

    def learn(x, weight):
        return jax.vjp(lambda *given: product(letters, *given), x, weight)[1](slope)[1]

    jaxpr = jax.make_jaxpr(learn)(x, weight)
    (sums,) = (
        one
        for one in jaxpr.eqns
        if one.primitive is jax.lax.dot_general_p
        and one.params["dimension_numbers"] == (((0, 1), (0, 1)), ((), ()))
    )
    first, second = (one.aval.size for one in sums.invars)
    assert first <= second
    assert {first, second} == {x.size, slope.size}


@pytest.mark.parametrize("letters", LETTERS)
def test_it_is_kept_or_made_again_as_other_products_are(letters):
    """A remat policy sees into it: what comes out of a product with a weight is kept."""
    extents = dict(zip("BLDFHK", (2, 7, 8, 16, 2, 4), strict=True))
    x, weight, _ = map(jnp.float32, drawn(letters, extents, 0))

    def kept(multiply):
        policy = jax.checkpoint_policies.checkpoint_dots_with_no_batch_dims
        bend = jax.checkpoint(lambda *given: jnp.sin(multiply(letters, *given)), policy=policy)
        left = jax.tree.leaves(jax.vjp(bend, x, weight)[1])
        return sorted(one.shape for one in left if hasattr(one, "shape"))

    assert kept(product) == kept(jnp.einsum)
