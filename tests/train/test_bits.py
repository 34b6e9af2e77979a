import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archlab.mesh import Mesh, sharding
from archlab.train import bits


@given(st.integers(0, 11), st.integers(0, 31), st.integers(0, 2**31))
def test_any_flipped_bit_changes_the_sum(place, bit, seed):
    values = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
    flipped = values.copy()
    flipped.view(np.uint32).reshape(-1)[place] ^= np.uint32(1) << np.uint32(bit)
    one, other = (int(bits.sums({"a": jnp.asarray(array)})["a"]) for array in (values, flipped))
    whole = values.view(np.uint32).reshape(-1).astype(object)
    assert one == sum(int(whole[n]) * (2 * n + 1) for n in range(12)) % 2**32
    assert one != other


@given(st.integers(0, 11), st.integers(0, 15), st.integers(0, 2**31))
def test_any_flipped_bit_of_a_bfloat16_changes_the_sum(place, bit, seed):
    drawn = np.random.default_rng(seed).integers(0, 2**16, 12).astype(np.uint16)
    flipped = drawn.copy()
    flipped[place] ^= np.uint16(1) << np.uint16(bit)
    one, other = (
        int(bits.sums({"a": jnp.asarray(words.view(jnp.bfloat16))})["a"])
        for words in (drawn, flipped)
    )
    assert one == sum(int(drawn[n]) * (2 * n + 1) for n in range(12)) % 2**32
    assert one != other


def test_sums_are_named_by_path_and_the_same_on_any_mesh():
    values = np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32)
    found = []
    for data, model in [(1, 1), (2, 4), (8, 1)]:
        mesh = Mesh(data, model).build(jax.devices()[: data * model])
        array = jax.device_put(values, sharding(mesh, "up_DF", values.shape))
        tree = {"mlp": {"up_DF": array}, "step": np.int32(3)}
        found.append(jax.device_get(jax.jit(bits.sums)(tree)))
    assert found[0] == found[1] == found[2]
    assert found[0]["step"] == 3 and "mlp/up_DF" in found[0]
