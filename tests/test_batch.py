import dataclasses

import jax
import numpy as np
import pytest

from archlab import axes, batch
from archlab.batch import Batch, Stream
from tests import drawn


@pytest.mark.parametrize("kind", ["decoder", "encoder_decoder", "encoder"])
def test_abstract_batches_look_like_real_ones(kind):
    real = drawn.batch(kind, 3, 7, 5, 40)
    shapes = batch.abstract(kind, 3, 7, 5)
    assert jax.tree.structure(real) == jax.tree.structure(shapes)
    for one, other in zip(jax.tree.leaves(real), jax.tree.leaves(shapes), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


def test_a_batch_passes_through_jit_whole():
    real = drawn.batch("encoder_decoder", 3, 7, 5, 40)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(lambda one: one)(real), real)


@pytest.mark.parametrize("kind", [Stream, Batch])
def test_every_array_is_named_in_the_alphabet(kind):
    named = [field.name for field in dataclasses.fields(kind)]
    assert all(axes.letters(name) for name in named if name not in ("encoder", "decoder"))


def test_padding_is_counted_in_both_streams():
    both = drawn.batch("encoder_decoder", 4, 9, 7, 40, seed=3)
    empty = (both.encoder.end_BL == 0).sum() + (both.decoder.end_BL == 0).sum()
    assert batch.padding(both) == empty > 0
