"""The kernels, run step by step on the CPU; and made for a TPU, though there is none here."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AbstractDevice, AbstractMesh

from archlab.kernels import flash, pallas
from tests.attended import Case, assert_is_the_definition, definition, differentiated

CASES = [
    Case(length=13, memory=19),
    Case(length=17, memory=8, heads=6, key_heads=2, cap=1.5, biased=True),
    Case(rows=3, length=8, memory=24, heads=2, key_heads=2, biased=True),
]
BLOCK = 8


@functools.cache
def compiled(case: Case):
    kernel = pallas.kernel(case.length, case.memory, case.cap, interpret=True, block=BLOCK)
    return differentiated(jax, functools.partial(flash.attend, kernel), case)


@settings(max_examples=30)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 2**31))
def test_it_and_its_gradients_are_the_definition_for_any_intervals(case, seed):
    drawn = case.draw(np.random.default_rng(seed))
    assert_is_the_definition(compiled(case)(drawn), definition(case, drawn))


def test_what_nobody_sees_is_not_read_and_who_sees_nothing_gets_nothing():
    case = CASES[2]
    drawn = case.draw(np.random.default_rng(0))
    drawn["start"][:] = 0
    drawn["end"][:] = np.minimum(drawn["end"], 16)  # the last block of keys is nobody's
    drawn["end"][1] = 0  # and a row sees nothing
    clean = compiled(case)(drawn)
    assert_is_the_definition(clean, definition(case, drawn))
    for name in ("key", "value"):
        drawn[name] = drawn[name].copy()
        drawn[name][:, 16:], drawn[name][1] = np.nan, np.nan
    dirty = compiled(case)(drawn)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    assert not np.any(dirty["read"][1]) and not np.any(dirty["query"][1])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("biased", [False, True])
def test_it_lowers_for_a_tpu(dtype, biased):
    case = Case(2, 640, 1024, heads=4, key_heads=2, width=64, cap=30.0, biased=biased)
    drawn = case.draw(np.random.default_rng(0))
    shapes = {
        name: jax.ShapeDtypeStruct(
            array.shape, dtype if name in ("query", "key", "value") else array.dtype
        )
        for name, array in drawn.items()
        if array is not None
    }
    kernel = pallas.kernel(case.length, case.memory, case.cap)
    attend = functools.partial(flash.attend, kernel)
    device = AbstractDevice("TPU v5e", 1, "tpu")
    with jax.sharding.use_abstract_mesh(AbstractMesh((1,), ("data",), abstract_device=device)):
        traced = differentiated(jax, attend, case).trace(shapes)
        text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("tpu_custom_call") == 3  # what is read, and two kernels of gradients


@pytest.mark.parametrize(
    "length, memory, block", [(1, 700, 128), (300, 700, 384), (640, 640, 384), (9000, 9000, 512)]
)
def test_blocks_are_whole_registers_and_no_longer_than_a_row(length, memory, block):
    assert pallas.kernel(length, memory).block_keys == block
