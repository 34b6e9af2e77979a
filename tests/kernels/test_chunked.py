import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab.kernels import chunked, dense, flash
from tests.attended import Case, assert_is_the_definition, definition, differentiated

CASES = [
    Case(length=13, memory=19),
    Case(length=17, memory=8, heads=6, key_heads=2, cap=1.5, biased=True),
    Case(length=8, memory=24, heads=3, key_heads=3, biased=True),
    Case(rows=3, length=5, memory=33, heads=4, key_heads=1, cap=2.0),
]
BLOCK = 8


@functools.cache
def compiled(case: Case, together: bool):
    kernel = chunked.kernel(case.length, case.memory, case.cap, together, BLOCK)
    return differentiated(jax, functools.partial(flash.attend, kernel), case)


@settings(max_examples=40)
@given(case=st.sampled_from(CASES), together=st.booleans(), seed=st.integers(0, 2**31))
def test_it_and_its_gradients_are_the_definition_for_any_intervals(case, together, seed):
    drawn = case.draw(np.random.default_rng(seed))
    assert_is_the_definition(compiled(case, together)(drawn), definition(case, drawn))


def packed(case: Case, documents: int) -> dict:
    """A causal row of documents, and padding after them that sees nothing."""
    drawn = case.draw(np.random.default_rng(2))
    place = np.broadcast_to(np.arange(case.length), (case.rows, case.length))
    long = case.length // (documents + 1)
    is_text = place < documents * long
    drawn["start"] = np.where(is_text, place // long * long, 0).astype(np.int32)
    drawn["end"] = np.where(is_text, place + 1, 0).astype(np.int32)
    return drawn


@pytest.mark.parametrize("together", [False, True])
def test_what_nobody_sees_is_not_read(together):
    """Not a number there is not a number nowhere else: a product with 0 would let it through."""
    case = Case(length=32, memory=32, biased=True)
    drawn = packed(case, documents=1)  # 16 positions of text, and two blocks of padding
    clean = compiled(case, together)(drawn)
    assert_is_the_definition(clean, definition(case, drawn))
    for name in ("key", "value"):
        drawn[name] = drawn[name].copy()
        drawn[name][:, 16:] = np.nan
    drawn["query"][:, 16:] = np.nan
    dirty = compiled(case, together)(drawn)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)


def loops(function, *given) -> list[int]:
    """How often each loop of a program goes round, without going round."""
    rounds = []

    def counted(low, high, body, start):
        rounds.append(int(high) - int(low))
        return start

    before, jax.lax.fori_loop = jax.lax.fori_loop, counted
    try:
        function(*given)
    finally:
        jax.lax.fori_loop = before
    return rounds


def test_work_is_done_for_the_pairs_that_see_each_other_and_no_others():
    def work(documents: int, length: int) -> list[int]:
        case = Case(rows=1, length=length, memory=length)
        drawn = packed(case, documents) | {"start": np.zeros((1, length), np.int32)}
        place = np.arange(length)[None]
        long = length // documents
        drawn["start"], drawn["end"] = place // long * long, place + 1
        attend = functools.partial(flash.attend, chunked.kernel(length, length, block=BLOCK))
        given = [jnp.asarray(drawn[name]) for name in ("query", "key", "value", "start", "end")]

        def both(*arrays):
            _, pull = jax.vjp(lambda *inputs: attend(*inputs, *given[3:], None), *arrays)
            return pull((jnp.asarray(drawn["slope"]), jnp.asarray(drawn["log_slope"])))

        return loops(both, *given[:3])

    assert work(1, 32) == [10, 10]  # forward and backward: 4 × 5 / 2 of 16 pairs
    assert work(2, 32) == [2 * rounds for rounds in work(1, 16)] == [6, 6]


@pytest.mark.parametrize("biased", [False, True])
def test_memory_grows_with_the_length_and_not_with_its_square(biased):
    def room(length: int, attend) -> int:
        case = Case(1, length, length, heads=2, key_heads=1, width=32, biased=biased)
        shapes = jax.eval_shape(
            lambda: jax.tree.map(jnp.asarray, case.draw(np.random.default_rng(0)))
        )
        compiled = differentiated(jax, attend, case).lower(shapes).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    own = functools.partial(flash.attend, chunked.kernel(4096, 4096))
    short, long = room(1024, own), room(4096, own)
    assert long < 4.5 * short and long < 2 * 4096 * 4096  # less than one byte for each logit
    assert room(4096, dense.attend) > 4 * 2 * 4096 * 4096


def test_bfloat16_is_summed_in_float32():
    case = Case(length=64, memory=64, heads=2, key_heads=2, width=16, biased=True)
    drawn = packed(case, documents=2)
    half = {
        name: jnp.asarray(array, jnp.bfloat16) if name in ("query", "key", "value") else array
        for name, array in drawn.items()
    }
    exact = {
        name: np.asarray(array, np.float32) if array is not None else None
        for name, array in half.items()
    }
    exact |= {"start": drawn["start"], "end": drawn["end"]}
    expected, found = definition(case, exact), compiled(case, False)(half)
    assert found["read"].dtype == jnp.bfloat16 and found["log_sum"].dtype == jnp.float32
    for name in expected:
        is_seen = expected[name] > -1e29
        error = np.asarray(found[name], np.float64)[is_seen] - expected[name][is_seen]
        assert np.linalg.norm(error) < 0.01 * np.linalg.norm(expected[name][is_seen]), name
