import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archlab.kernels import dense, interval
from archlab.kernels.interval import HIDDEN, NOBODY
from tests.attended import Case, definition

ROWS, LENGTH, MEMORY, QUERIES, KEYS = 2, 6, 10, 3, 4  # the last block of keys is half full
EDGES = st.lists(st.integers(-1, MEMORY + 2), min_size=ROWS * LENGTH, max_size=ROWS * LENGTH)
visits = jax.jit(interval.visits, static_argnames="each")


def sees(start, end) -> np.ndarray:
    arrays = (jnp.asarray(edge, jnp.int32).reshape(ROWS, LENGTH) for edge in (start, end))
    return np.asarray(interval.sees(*arrays, QUERIES, KEYS, MEMORY))


@given(start=EDGES, end=EDGES)
def test_blocks_see_each_other_where_a_query_of_the_one_sees_a_key_of_the_other(start, end):
    expected = np.zeros((ROWS, 2, 3), bool)
    for row, query in np.ndindex(ROWS, LENGTH):
        at = row * LENGTH + query
        for key in range(max(start[at], 0), min(end[at], MEMORY)):
            expected[row, query // QUERIES, key // KEYS] = True
    np.testing.assert_array_equal(sees(start, end), expected)


@given(start=EDGES, end=EDGES, by_keys=st.booleans())
def test_every_pair_that_sees_is_visited_once_and_no_other(start, end, by_keys):
    is_seen = sees(start, end)
    is_seen = is_seen.swapaxes(1, 2) if by_keys else is_seen
    found = visits(is_seen)
    total = int(found.total)
    listed = list(zip(*(array[:total].tolist() for array in _arrays(found)), strict=True))
    assert listed == [tuple(map(int, pair)) for pair in np.argwhere(is_seen)]
    assert (found.outer_W[total:] == NOBODY).all() and found.outer_W.size > total


def _arrays(found):
    return [np.asarray(array) for array in (found.row_W, found.outer_W, found.inner_W)]


@given(start=EDGES, end=EDGES)
def test_each_outer_block_is_listed_even_if_it_meets_nothing(start, end):
    is_seen = sees(start, end)
    found = visits(is_seen, each=True)
    total = int(found.total)
    row, outer, inner = (array[:total] for array in _arrays(found))
    assert {*zip(row.tolist(), outer.tolist(), strict=True)} == {*np.ndindex(ROWS, 2)}
    alone = [(r, o) for r, o in np.ndindex(ROWS, 2) if not is_seen[r, o].any()]
    assert list(zip(row[inner == NOBODY], outer[inner == NOBODY], strict=True)) == alone
    assert total == is_seen.sum() + len(alone)


def causal(length: int, document: int) -> tuple[jax.Array, jax.Array]:
    place = jnp.arange(length)
    return (place // document * document)[None], (place + 1)[None]


def total(length: int, document: int) -> int:
    edges = causal(length, document)
    return int(interval.visits(interval.sees(*edges, 4, 4, length)).total)


def test_a_causal_row_visits_half_and_a_packed_one_what_its_documents_would_alone():
    assert total(64, 64) == 16 * 17 // 2
    assert total(64, 16) == 4 * total(16, 16)
    assert int(interval.visits(interval.sees(*causal(64, 64), 4, 4, 64)[:, ::-1]).total) == 136


def test_a_bias_of_distances_is_spread_over_the_pairs_and_gathered_from_them():
    random = np.random.default_rng(0)
    bias = random.normal(size=(2, 3 + 5)).astype(np.float32)
    expected = np.zeros((2, 3, 5))
    for head, query, key in np.ndindex(expected.shape):
        expected[head, query, key] = bias[head, key - query + 2]
    found, pull = jax.vjp(lambda bias: interval.spread(bias, 3), bias)
    np.testing.assert_array_equal(found, expected)
    slope = random.normal(size=found.shape).astype(np.float32)
    sums = np.zeros(bias.shape)
    for head, query, key in np.ndindex(slope.shape):
        sums[head, key - query + 2] += slope[head, query, key]
    np.testing.assert_allclose(pull(slope)[0], sums, atol=1e-6)


def test_two_memories_merge_into_what_both_together_give():
    case = Case(length=4, memory=9)
    drawn = case.draw(np.random.default_rng(1))
    cut = 5
    start, end = np.zeros((2, 4), np.int32), np.asarray([[9, 7, 5, 0], [9, 3, 8, 9]], np.int32)
    drawn |= {"start": start, "end": end}
    expected = definition(case, drawn)
    one, other = (
        dense.attend(drawn["query"], drawn["key"][:, keys], drawn["value"][:, keys], start, past)
        for keys, past in ((slice(cut), np.minimum(end, cut)), (slice(cut, None), end - cut))
    )
    read, log_sum = interval.merge(*one, *other)
    np.testing.assert_allclose(read, expected["read"], atol=2e-6)
    is_seen = expected["log_sum"] != HIDDEN
    np.testing.assert_allclose(log_sum[is_seen], expected["log_sum"][is_seen], rtol=1e-5)
    assert not is_seen.all() and not np.isnan(read).any()
    assert (np.asarray(log_sum)[~is_seen] < 0.9 * HIDDEN).all()
