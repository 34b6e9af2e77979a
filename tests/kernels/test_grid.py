import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.kernels import flash, grid
from archlab.kernels.flash import Kernel
from archlab.kernels.interval import NOBODY
from tests.attended import Case

CASE = Case(rows=2, length=14, memory=11, heads=6, key_heads=2, biased=True)
KERNEL = Kernel(None, None, 4, 4)


def planned(by_keys: bool):
    drawn = CASE.draw(np.random.default_rng(0))
    drawn["end"][1] = 0  # a row that sees nothing
    given = flash.blocks(
        *(jnp.asarray(drawn[name]) for name in ("query", "key", "value", "start", "end", "bias")),
        KERNEL,
    )
    own = grid.lay_out(given, KERNEL, by_keys)
    return own, given, jax.device_get(own.visits(given))


def steps(own, visits):
    """Every step of the grid, in the order of a TPU: where it is, and what it is given."""
    heads = own.key_heads if own.by_keys else own.heads
    grid = [range(heads), range(int(visits.total))]
    grid += [range(own.group)] if own.by_keys else []
    for step in itertools.product(*grid):
        yield step, (*step, visits.row_W, visits.outer_W, visits.inner_W)


def seen(given, row, query_block, key_block) -> bool:
    start, end = (np.asarray(edge[row]) for edge in (given.start_BL, given.end_BL))
    keys, queries = (range(4 * block, 4 * block + 4) for block in (key_block, query_block))
    return any(start[query] <= key < end[query] for query in queries for key in keys)


@pytest.mark.parametrize("by_keys", [False, True])
def test_each_head_meets_every_pair_that_sees_each_other_once_and_no_other(by_keys):
    own, given, visits = planned(by_keys)
    met = []
    for (_, visit, *_), step in steps(own, visits):
        row, head, key_head, query, key = map(int, own.at(*step))
        assert key_head == head // 3
        if visits.inner_W[visit] != NOBODY:
            met.append((row, head, query, key))
    pairs = itertools.product(range(2), range(6), range(4), range(3))
    assert sorted(met) == [pair for pair in pairs if seen(given, pair[0], *pair[2:])]


@pytest.mark.parametrize("by_keys", [False, True])
def test_a_block_that_is_written_is_written_to_the_end_before_the_next_begins(by_keys):
    own, _, visits = planned(by_keys)
    spec = own.keys if by_keys else own.queries
    places = [tuple(map(int, spec.index_map(*step))) for _, step in steps(own, visits)]
    runs = [place for place, _ in itertools.groupby(places)]
    heads, blocks = (own.key_heads, 3) if by_keys else (own.heads, 4)
    assert sorted(runs) == [(*at, 0) for at in np.ndindex(2, heads, blocks)]


def test_the_distances_of_two_blocks_are_read_greatest_first():
    own, given, _ = planned(False)
    backwards = np.asarray(given.bias_HP)[:, ::-1]
    for query, key in np.ndindex(4, 3):
        first = own.first_distance(query, key) * 4
        window = backwards[0, first : first + 8]
        for x, y in np.ndindex(4, 4):
            distance = (4 * key + y) - (4 * query + x) + own.query_blocks * 4 - 1
            assert window[4 + x - y] == given.bias_HP[0, distance]


def test_more_pairs_than_there_is_room_for_are_refused_with_what_to_change():
    many = 4 * grid.MOST_VISITS
    given = jax.eval_shape(
        lambda: flash.blocks(
            *(jnp.zeros((1, length, 1, 4)) for length in (8, many, many)),
            *(jnp.zeros((1, 8), jnp.int32),) * 2,
            None,
            KERNEL,
        )
    )
    with pytest.raises(ValueError, match="room for 65536; .*Run.attention='chunked'"):
        grid.lay_out(given, KERNEL)
