"""A learning rate that suits a narrow model suits a wide one, where sizes say so (muP).

The coordinate check of Yang et al. 2021 (Tensor Programs V), appendix D.1: how far activations move
in a few steps does not depend on the width, and does if nothing is scaled.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from archlab.architecture import Architecture
from archlab.model.stack import SEEN
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.train.optimizer import Optimizer
from tests import drawn

BASE, WIDE, VOCAB = 16, 256, 64


def moved(width: int, is_scaled: bool, tied: bool) -> tuple[float, float]:
    """How large the stream is after four steps, and how far the logits moved, root mean square."""
    size = Size(
        layers=2,
        embed=width,
        mlp=2 * width,
        heads=width // 16,
        kv=16,
        vocab=VOCAB,
        base_embed=BASE if is_scaled else 0,
    )
    model = Transformer(size, Architecture("causal_decoder", tied=tied, activation="relu"))
    batch = drawn.batch("decoder", 4, 8, 8, VOCAB)
    transform = Optimizer(weight_decay=0.0).transform(size.ratio)

    def mean(weights):
        logits_BLV, seen = model.apply({"params": weights}, batch, mutable=[SEEN])
        each = optax.softmax_cross_entropy_with_integer_labels(logits_BLV, batch.target_BL)
        square = seen[SEEN]["decoder"]["layers"]["stream"][0][-1]
        value = jnp.sum(each * batch.weight_BL) / jnp.sum(batch.weight_BL)
        return value, (jnp.sqrt(square), logits_BLV)

    def step(state, _):
        weights, moments = state
        slope, told = jax.grad(mean, has_aux=True)(weights)
        way, moments = transform.update(slope, moments, weights)
        return (jax.tree.map(lambda old, way: old - 0.01 * way, weights, way), moments), told

    @jax.jit
    def run(key):
        weights = model.init(key, batch)["params"]
        return jax.lax.scan(step, (weights, transform.init(weights)), length=5)[1]

    streams, (before, *_, after) = run(jax.random.key(0))
    apart = np.asarray(after - before)[batch.decoder.end_BL > 0]
    return float(streams[-1]), float(np.sqrt((apart**2).mean()))


@pytest.mark.parametrize("tied", [True, False])
def test_how_far_activations_move_does_not_grow_with_the_width(tied):
    base, scaled, plain = (
        np.array(moved(width, is_scaled, tied))
        for width, is_scaled in ((BASE, True), (WIDE, True), (WIDE, False))
    )
    assert (scaled < 1.2 * base).all() and (scaled > 0.4 * base).all()
    assert (plain > 2 * base).all()
