import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archlab.train import loss


@given(st.integers(0, 2**31), st.floats(0, 0.1), st.floats(0.1, 30))
def test_it_is_the_definition_position_by_position(seed, z_loss, spread):
    random = np.random.default_rng(seed)
    rows, length, vocab = 2, 3, 5
    logits = (random.normal(size=(rows, length, vocab)) * spread).astype(np.float32)
    target = random.integers(0, vocab, (rows, length))
    weight = random.choice([0.0, 0.5, 1.0, 2.0], (rows, length)).astype(np.float32)
    found = loss.sums(*(jnp.asarray(array) for array in (logits, target, weight)), z_loss)
    for row in range(rows):
        nats = squares = right = 0.0
        for place in range(length):
            wide = logits[row, place].astype(np.float64)
            log_z = wide.max() + np.log(np.exp(wide - wide.max()).sum())
            nats += weight[row, place] * (log_z - wide[target[row, place]])
            squares += weight[row, place] * z_loss * log_z**2
            right += weight[row, place] * (wide.argmax() == target[row, place])
        np.testing.assert_allclose(found.loss_B[row], nats, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(found.z_B[row], squares, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(found.correct_B[row], right)
        np.testing.assert_allclose(found.weight_B[row], weight[row].sum())


def test_logits_far_from_zero_do_not_overflow():
    logits = jnp.asarray([[[1e4, 1e4 + 1.0, -1e4]]])
    found = loss.sums(logits, jnp.asarray([[0]]), jnp.ones((1, 1)), 0.0)
    np.testing.assert_allclose(found.loss_B, np.log(1 + np.e), rtol=1e-3)
