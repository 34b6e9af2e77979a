import jax.numpy as jnp
import numpy as np
import pytest

from archlab.generation import choice, prompts, writing
from tests.generation import asked

ROOM, NEVER = 12, 99


@pytest.fixture(scope="module")
def say():
    """Continues two prompts, beside a row that only fills the batch."""
    model, weights = asked.made("causal_decoder", seed=2)
    stream = prompts.prompted([[5, 6], [7], [8]], 4)
    key_B, is_over_B = choice.keys(0, jnp.arange(3)), np.asarray([False, False, True])

    def say(most: int, end: int, start: int = 0, allowed: int = 40) -> writing.Said:
        tokens_BL = np.where(stream.position_BL == 0, start, stream.tokens_BL)
        given = (model, weights, stream.__class__(tokens_BL, *list(vars(stream).values())[1:]))
        more = {"most": most, "end": end, "allowed": allowed, "room": ROOM}
        return writing.write(*given, None, is_over_B, key_B, choice.Choice(), **more)

    return say


def test_rows_end_each_by_itself_and_the_loop_with_the_last(say):
    whole = np.asarray(say(ROOM, NEVER).tokens_BL)
    end = int(whole[0, 2])
    assert end not in whole[0, :2]
    said = say(ROOM, end)
    ends = [row.index(end) if end in row else ROOM for row in whole.tolist()]
    assert said.length_B.tolist() == [*ends[:2], 0]
    assert said.is_over_B.tolist() == [ends[0] < ROOM, ends[1] < ROOM, True]
    last = max(ends[:2]) + 1
    np.testing.assert_array_equal(said.tokens_BL[:2, :last], whole[:2, :last])
    assert not np.any(said.tokens_BL[:, last:])


def test_no_more_is_said_than_may_be(say):
    said, whole = say(5, NEVER), say(ROOM, NEVER)
    assert said.length_B.tolist() == [5, 5, 0] and whole.length_B.tolist() == [ROOM, ROOM, 0]
    np.testing.assert_array_equal(said.tokens_BL[:, :5], whole.tokens_BL[:, :5])
    assert np.all(said.nats_B[:2] > whole.nats_B[:2]) and said.nats_B[2] == whole.nats_B[2] == 0


def test_a_decoder_begins_with_the_start_of_its_vocabulary(say):
    found = {tuple(say(5, NEVER, start).tokens_BL[0].tolist()) for start in range(5)}
    assert len(found) > 1


def test_only_what_is_allowed_is_said(say):
    assert np.any(np.asarray(say(ROOM, NEVER).tokens_BL) >= 9)
    assert np.all(np.asarray(say(ROOM, NEVER, allowed=9).tokens_BL) < 9)
