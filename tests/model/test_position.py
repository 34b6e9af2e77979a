import jax.numpy as jnp
import numpy as np
import pytest

from archlab.model import position
from archlab.size import MOST_BUCKETS

# First distance of each bucket, 32 buckets, as published T5 checkpoints were trained with.
CAUSAL = [*range(16), 16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]
BOTH_WAYS = [*range(8), 8, 12, 16, 23, 32, 46, 64, 91]


def published(distance: int, ahead: bool) -> int:
    edges = BOTH_WAYS if ahead else CAUSAL
    far = abs(distance) if ahead else max(-distance, 0)
    bucket = max(number for number, edge in enumerate(edges) if edge <= far)
    return bucket + (16 if ahead and distance > 0 else 0)


@pytest.mark.parametrize("ahead", [False, True])
def test_buckets_are_the_published_ones(ahead):
    distance_LM = jnp.arange(-400, 401)[None]
    found = position.bucket(distance_LM, 32, ahead)[0].tolist()
    assert found == [published(distance, ahead) for distance in range(-400, 401)]


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("buckets", [4, 8, 64, 128, MOST_BUCKETS])
def test_farther_is_never_a_lower_bucket_and_all_of_them_are_there(buckets, ahead):
    near = np.asarray(position.bucket(-jnp.arange(4000)[None], buckets, ahead))[0]
    sides = 2 if ahead else 1
    assert near[0] == 0 and near[-1] == buckets // sides - 1
    assert (np.diff(near) >= 0).all()
    exact = buckets // sides // 2
    assert near[:exact].tolist() == list(range(exact))


def test_no_more_buckets_are_allowed_than_there_are_distances_for():
    assert MOST_BUCKETS + 4 == 2 * position.LONGEST


@pytest.mark.parametrize("base", [10_000.0, 160_000.0])
def test_rotation_is_multiplication_by_a_complex_number(base):
    random = np.random.default_rng(0)
    x_BLHK = random.normal(size=(2, 5, 3, 8)).astype(np.float32)
    position_BL = random.integers(0, 2000, (2, 5)).astype(np.int32)
    turn_K = position.turns(8, base)
    turned_BLHK = position.rotate(jnp.asarray(x_BLHK), jnp.asarray(position_BL), turn_K)
    pairs = x_BLHK[..., :4].astype(np.complex128) + 1j * x_BLHK[..., 4:]
    turns = base ** (-np.arange(4) / 4)
    pairs *= np.exp(1j * position_BL[:, :, None, None] * turns)
    expected = np.concatenate([pairs.real, pairs.imag], axis=-1)
    np.testing.assert_allclose(turned_BLHK, expected, atol=5e-4)


def test_short_wavelengths_stay_and_long_ones_are_stretched():
    """The formula of Llama 3.1's code, wavelength by wavelength; and all of them, linearly."""
    plain = np.asarray(position.turns(64, 500.0), np.float64)
    found = np.asarray(position.turns(64, 500.0, (8.0, 32.0, 128.0)), np.float64)
    kinds = set()
    for was, now in zip(plain[:32], found[:32], strict=True):
        wavelength = 2 * np.pi / was
        if wavelength < 32:
            kind, expected = "near", was
        elif wavelength > 128:
            kind, expected = "far", was / 8
        else:
            smooth = (128 / wavelength - 1) / (4 - 1)
            kind, expected = "between", (1 - smooth) * was / 8 + smooth * was
        kinds.add(kind)
        np.testing.assert_allclose(now, expected, rtol=1e-5)
    assert kinds == {"near", "between", "far"}
    np.testing.assert_allclose(position.turns(64, 500.0, (4.0, 0.0, 0.0)), plain / 4, rtol=1e-6)
    stepped = np.asarray(position.turns(64, 500.0, (4.0, 50.0, 50.0)))
    np.testing.assert_allclose(stepped, np.where(2 * np.pi / plain < 50, plain, plain / 4), 1e-5)


def test_a_product_of_rotated_vectors_depends_on_their_distance_alone():
    random = np.random.default_rng(1)
    query_K, key_K = random.normal(size=(2, 8)).astype(np.float32)
    products = []
    for shift in (0, 3, 50):
        x_BLHK = jnp.asarray(np.stack([query_K, key_K])[None, :, None])
        place_BL = jnp.asarray([[7 + shift, 2 + shift]])
        turned_BLHK = position.rotate(x_BLHK, place_BL, position.turns(8, 10_000.0))
        products.append(float(turned_BLHK[0, 0, 0] @ turned_BLHK[0, 1, 0]))
    np.testing.assert_allclose(products, products[0], rtol=1e-4)


def test_halves_are_swapped_to_the_bit_in_either_dtype():
    x_BLHK = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 3, 8)), jnp.bfloat16)
    found = np.asarray(position._other(x_BLHK))
    wide = np.asarray(x_BLHK, np.float32)
    expected = np.concatenate([-wide[..., 4:], wide[..., :4]], axis=-1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(position._other(jnp.asarray(wide)), expected)
