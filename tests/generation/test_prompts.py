import jax
import pytest

from archlab.generation.prompts import BLOCK, encoded, prompted, rounded


def lists(stream) -> list:
    return [leaf.tolist() for leaf in jax.tree.leaves(stream)]


def test_a_decoder_s_prompts_end_where_the_row_ends():
    assert lists(prompted([[7, 8], [9]], 5, start=4)) == [
        [[0, 0, 4, 7, 8], [0, 0, 0, 4, 9]],
        [[0, 0, 0, 1, 2], [0, 0, 0, 0, 1]],
        [[0, 0, 2, 2, 2], [0, 0, 0, 3, 3]],
        [[0, 0, 5, 5, 5], [0, 0, 0, 5, 5]],
        [[0, 0, 5, 5, 5], [0, 0, 0, 5, 5]],
    ]


def test_an_encoder_s_begin_where_the_row_begins():
    assert lists(encoded([[7, 8], [], [9]], 3)) == [
        [[7, 8, 0], [0, 0, 0], [9, 0, 0]],
        [[0, 1, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[2, 2, 0], [0, 0, 0], [1, 0, 0]],
        [[2, 2, 0], [0, 0, 0], [1, 0, 0]],
    ]


def test_nothing_is_read_after_the_start():
    assert lists(prompted([[]], 1, start=3)) == [[[3]], [[0]], [[0]], [[1]], [[1]]]


@pytest.mark.parametrize("length, found", [(1, 1), (2, BLOCK), (BLOCK, BLOCK), (65, 2 * BLOCK)])
def test_there_are_few_lengths(length, found):
    assert rounded(length) == found
