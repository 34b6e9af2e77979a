from contextlib import closing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab import batch as batches
from archlab.architecture import Architecture
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.train import step
from archlab.train.checkpoint import Checkpoints, bit_sums
from archlab.train.optimizer import Optimizer

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40)


def state(seed: int = 0, data: int = 2, model: int = 4):
    mesh = Mesh(data, model).build(jax.devices()[: data * model])
    network = step.on(mesh, Transformer(SIZE, Architecture("causal_decoder")))
    shapes = batches.abstract("decoder", 8, 4, 4)
    parts = (network, Optimizer(), mesh, shapes)
    return step.first(*parts, seed), step.shapes(*parts)


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(one), jax.device_get(other))


@pytest.fixture
def three(tmp_path):
    """Checkpoints 1, 2 and 3, closed."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    for number in (1, 2, 3):
        checkpoints.save(number, state(number)[0], {"step": number})
    checkpoints.close()
    return tmp_path / "checkpoints"


def test_what_is_read_is_what_was_saved_on_any_mesh(three):
    checkpoints = Checkpoints(three, keep=3)
    assert checkpoints.steps() == [1, 2, 3]
    for data, model in [(2, 4), (8, 1), (1, 1)]:
        found = checkpoints.restore(2, state(0, data, model)[1])
        assert_equal(found, state(2)[0])
        assert len(found.weights["embedding"]["table_VD"].sharding.device_set) == data * model
    assert checkpoints.position(3)["step"] == 3
    checkpoints.close()


def test_only_the_latest_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for number in (1, 2, 3, 4):
        checkpoints.save(number, state()[0], {})
    checkpoints.close()
    with closing(Checkpoints(tmp_path / "checkpoints", keep=2)) as checkpoints:
        assert checkpoints.steps() == [3, 4]


def test_a_state_that_is_used_up_at_once_is_saved_as_it_was(tmp_path):
    first, _ = state(5)
    before = jax.device_get(first)
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    spoil = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf * 0 + 7, tree), donate_argnums=0)
    checkpoints.save(1, first, {})
    spoil(first)
    checkpoints.close()
    with closing(Checkpoints(tmp_path / "checkpoints", keep=3)) as checkpoints:
        assert_equal(checkpoints.restore(1, state()[1]), before)


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [halved, flipped])
def test_damage_to_any_file_is_noticed_or_does_no_harm(three, damage):
    expected, shapes = state(3)
    files = [path for path in (three / "3").rglob("*") if path.is_file() and path.stat().st_size]
    noticed = []
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        checkpoints = Checkpoints(three, keep=3)
        try:
            assert_equal(checkpoints.restore(3, shapes), expected)
        except ValueError as error:
            assert "checkpoints/3 is damaged: " in str(error)
            assert "--resume-from 2 goes back to the one before" in str(error)
            noticed.append(path)
        checkpoints.close()
        path.write_bytes(whole)
    data = max((three / "3/state/d").iterdir(), key=lambda path: path.stat().st_size)
    assert data in noticed
    checkpoints = Checkpoints(three, keep=3)
    assert_equal(checkpoints.restore(2, shapes), state(2)[0])
    checkpoints.close()


def test_a_changed_value_is_noticed_and_its_array_named(tmp_path):
    first, shapes = state(1)
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    checkpoints._sums = lambda tree: {
        name: value + (name == "weights/embedding/table_VD")
        for name, value in bit_sums(tree).items()
    }
    checkpoints.save(1, first, {})
    checkpoints.close()
    said = "weights/embedding/table_VD is not what was saved; there"
    with closing(Checkpoints(tmp_path / "checkpoints", keep=3)) as checkpoints:
        with pytest.raises(ValueError, match=said):
            checkpoints.restore(1, shapes)


def test_going_back_drops_what_came_after(three):
    checkpoints = Checkpoints(three, keep=3)
    checkpoints.drop_after(1)
    assert checkpoints.steps() == [1]
    checkpoints.close()


def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(three):
    said = r"holds no checkpoint 7; it holds \[1, 2, 3\]"
    with closing(Checkpoints(three, keep=3)) as checkpoints:
        with pytest.raises(ValueError, match=said):
            checkpoints.restore(7, state()[1])


@given(st.integers(0, 11), st.integers(0, 31), st.integers(0, 2**31))
def test_any_flipped_bit_changes_the_sum(place, bit, seed):
    values = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
    flipped = values.copy()
    flipped.view(np.uint32).reshape(-1)[place] ^= np.uint32(1) << np.uint32(bit)
    one, other = (int(bit_sums({"a": jnp.asarray(array)})["a"]) for array in (values, flipped))
    bits = values.view(np.uint32).reshape(-1).astype(object)
    assert one == sum(int(bits[n]) * (2 * n + 1) for n in range(12)) % 2**32
    assert one != other
