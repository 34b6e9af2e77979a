import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab.kernels import dense
from tests.attended import Case, assert_is_the_definition, definition, differentiated

CASES = [
    Case(),
    Case(length=5, memory=3, heads=6, key_heads=2, cap=1.5, biased=True),
    Case(length=1, memory=7, heads=3, key_heads=3, biased=True),
]


@functools.cache
def compiled(case: Case):
    return differentiated(jax, functools.partial(dense.attend, cap=case.cap), case)


@settings(max_examples=40)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 2**31))
def test_it_and_its_gradients_are_the_definition_for_any_intervals(case, seed):
    drawn = case.draw(np.random.default_rng(seed))
    assert_is_the_definition(compiled(case)(drawn), definition(case, drawn))


@pytest.mark.parametrize("case", CASES)
def test_nothing_seen_gives_nothing(case):
    drawn = case.draw(np.random.default_rng(0)) | {"end": np.zeros((2, case.length), np.int32)}
    found = compiled(case)(drawn | {"start": drawn["end"]})
    for name in ("read", "query", "key", "value"):
        assert not np.any(found[name]), name
