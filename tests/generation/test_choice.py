import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.generation import choice
from archlab.generation.choice import Choice, choose, kept, keys, later, nats, within

ROWS = 600


def drawn(logits, what: Choice, allowed: int = 99) -> np.ndarray:
    """How often each token is drawn."""
    logits_BV = within(jnp.tile(jnp.asarray(logits), (ROWS, 1)), allowed)
    key_B = later(keys(0, jnp.arange(ROWS)), 0)
    return np.bincount(np.asarray(choose(logits_BV, what, key_B)), minlength=len(logits)) / ROWS


def test_the_temperature_draws_from_the_model_s_own_distribution():
    found = drawn([0.0, 1.0, 2.0, 9.0], Choice(1.0), allowed=3)
    shares = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    np.testing.assert_allclose(found[:3], shares, atol=0.06)
    assert found[3] == 0  # a row of the table that no token has


@pytest.mark.parametrize("temperature", [None, 1e-2, 1e-30, 1e-40, 5e-324])
def test_a_temperature_near_0_takes_the_likeliest_as_0_does(temperature):
    found = drawn([40.0, 41.0, 43.0, 42.0, 99.0], Choice(temperature), allowed=4)
    assert found.tolist() == [0, 0, 1, 0, 0]


def test_what_is_cut_is_never_drawn_and_the_rest_keeps_its_shares():
    found = drawn(np.log([0.1, 0.4, 0.2, 0.3]).tolist(), Choice(1.0, 3, 0.75))
    np.testing.assert_allclose(found, [0, 4 / 7, 0, 3 / 7], atol=0.06)


def cut(logits_V: np.ndarray, top_k: int, top_p: float) -> set[int]:
    """The tokens that stay, one after another from the likeliest on."""
    order = sorted(range(len(logits_V)), key=lambda one: -logits_V[one])[: top_k or None]
    shares = np.exp(logits_V[order].astype(np.float64))
    shares, stay, total = shares / shares.sum(), set(), 0.0
    for token, share in zip(order, shares, strict=True):
        if total >= top_p:
            break
        stay.add(token)
        total += share
    return stay


def test_what_is_kept_is_what_a_loop_keeps():
    logits_BV = np.random.default_rng(0).normal(0, 2, (40, 23)).astype(np.float32)
    for top_k, top_p in [(1, 1), (5, 1), (23, 1), (99, 1), (0, 0.3), (0, 0.9), (0, 1e-9), (6, 0.7)]:
        found_BV = np.asarray(kept(jnp.asarray(logits_BV), top_k or None, top_p))
        for logits_V, found_V in zip(logits_BV, found_BV, strict=True):
            stay = cut(logits_V, top_k, top_p)
            assert set(np.flatnonzero(found_V > -np.inf)) == stay
            np.testing.assert_array_equal(found_V[[*stay]], logits_V[[*stay]])


def test_equals_at_the_border_stay_together():
    logits_BV = jnp.asarray([[0.0, 1.0, 1.0, 2.0]])
    assert np.isfinite(kept(logits_BV, 2, None)).tolist() == [[False, True, True, True]]


def test_nats_are_those_of_what_is_allowed():
    logits_BV = within(jnp.asarray([[0.0, 1.0, 5.0], [2.0, 0.0, 5.0]]), 2)
    expected = [1 - np.log(1 + np.e), 2 - np.log(1 + np.e**2)]
    np.testing.assert_allclose(nats(logits_BV, jnp.asarray([1, 0])), expected, rtol=1e-6)


def test_randomness_follows_from_the_seed_the_number_and_the_count():
    def data(seed, number_B, count):
        return jax.random.key_data(later(keys(seed, jnp.asarray(number_B)), count)).tolist()

    alone, beside = data(3, [7], 5), data(3, [2, 7, 9], 5)
    assert alone[0] == beside[1]
    others = [*beside, *data(3, [7], 6), *data(4, [7], 5)]
    assert len({*map(tuple, others)}) == len(others)


def test_things_of_one_randomness_have_their_own():
    found = jax.random.key_data(choice.keyed(jax.random.key(1), jnp.arange(9))).tolist()
    assert len({*map(tuple, found)}) == 9
