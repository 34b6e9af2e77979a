import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.model import position, sight
from archlab.size import Size
from tests import drawn

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40)
BATCH = drawn.batch("encoder_decoder", 2, 9, 12, SIZE.vocab)
MIXED = {"window": 2, "global_every": 2, "rotary_stretch": (2.0, 0.0, 0.0)}


def test_the_places_of_a_decoder_go_on_where_its_inputs_end():
    reach = sight.reach(BATCH)
    found = np.asarray(reach.after(BATCH.decoder).position_BL)
    for row, at in np.ndindex(found.shape):
        first, past = BATCH.memory_start_BL[row, at], BATCH.memory_end_BL[row, at]
        if BATCH.decoder.end_BL[row, at]:
            last = reach.position_BM[row, past - 1]
            assert last == past - first - 1
            assert found[row, at] == last + 1 + BATCH.decoder.position_BL[row, at]
        else:
            assert found[row, at] == 0


def places(window: int, merged: bool) -> np.ndarray:
    """Which positions of the encoder each position of the decoder sees, [rows, L, M]."""
    architecture = Architecture("encoder_decoder", window=window, merged=merged)
    reach = sight.reach(BATCH)
    stream = reach.after(BATCH.decoder) if merged else BATCH.decoder
    seen = sight.across(SIZE, architecture, stream, reach).of(None)
    at = np.arange(BATCH.encoder.tokens_BL.shape[1])
    return (at >= seen.start_BL[..., None]) & (at < seen.end_BL[..., None])


@pytest.mark.parametrize("window", [0, 1, 2, 3, 100])
def test_a_window_reaches_back_over_the_inputs_where_attention_is_merged(window):
    found = places(window, merged=True)
    for row, at, key in np.ndindex(found.shape):
        first, past = BATCH.memory_start_BL[row, at], BATCH.memory_end_BL[row, at]
        own = at - BATCH.decoder.start_BL[row, at]
        is_near = not window or past + own - key <= window
        assert found[row, at, key] == (first <= key < past and is_near)


def test_a_window_leaves_the_inputs_as_they_are_where_it_is_not():
    np.testing.assert_array_equal(places(2, merged=False), places(0, merged=False))


def test_each_layer_has_the_edges_and_the_turns_of_its_kind():
    architecture = Architecture("encoder_decoder", **MIXED, local_rotary_base=50.0, merged=True)
    stream, reach = BATCH.decoder, sight.reach(BATCH)
    for both in (
        sight.own(SIZE, architecture, stream, "causal", 0, None),
        sight.across(SIZE, architecture, stream, reach),
    ):
        far, near = (both.of(jnp.asarray(is_global)) for is_global in (True, False))
        np.testing.assert_array_equal(far.turn_K, position.turns(6, 10_000.0, (2.0, 0.0, 0.0)))
        np.testing.assert_array_equal(near.turn_K, position.turns(6, 50.0))
        seen = [np.maximum(one.end_BL - one.start_BL, 0).sum() for one in (far, near)]
        assert seen[0] > seen[1]


def test_nothing_is_turned_where_positions_are_not_rotary_or_memories_are_apart():
    stream, reach = BATCH.decoder, sight.reach(BATCH)
    apart = Architecture("encoder_decoder", **MIXED)
    assert sight.across(SIZE, apart, stream, reach).of(None).turn_K is None
    for place in ("learned", "none"):
        other = Architecture("encoder_decoder", place, window=2, global_every=2, merged=True)
        assert sight.across(SIZE, other, stream, reach).of(jnp.asarray(True)).turn_K is None
