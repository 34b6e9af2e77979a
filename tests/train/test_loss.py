"""The loss and its gradient are their definition, position by position, and cost what is learnt."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from archlab import mesh as meshes
from archlab.mesh import Mesh
from archlab.train import loss, step

EMBED = 6


def drawn(seed: int, rows: int, length: int, vocab: int, spread: float, share: float):
    """What a loss is made of, as NumPy arrays."""
    random = np.random.default_rng(seed)
    x_BLD = (random.normal(size=(rows, length, EMBED)) * spread).astype(np.float32)
    table_VD = random.normal(size=(vocab, EMBED)).astype(np.float32)
    target_BL = random.integers(0, vocab, (rows, length)).astype(np.int32)
    weight_BL = random.choice([0.25, 1.0, 3.0], (rows, length)).astype(np.float32)
    return x_BLD, table_VD, target_BL, weight_BL * (random.random((rows, length)) < share)


def defined(x_BLD, table_VD, target_BL, weight_BL, total, z_loss, bias_V=0.0, cap=0.0):
    """Sums row by row, and the slopes of the mean, in float64 and one position at a time."""
    x_BLD, table_VD, weight_BL = (one.astype(np.float64) for one in (x_BLD, table_VD, weight_BL))
    sums = np.zeros((4, len(x_BLD)))
    slope_BLD, slope_VD = np.zeros_like(x_BLD), np.zeros_like(table_VD)
    bias_slope_V = np.zeros(len(table_VD))
    for row, place in np.ndindex(target_BL.shape):
        x_D, target, weight = x_BLD[row, place], target_BL[row, place], weight_BL[row, place]
        logits_V, steep_V = table_VD @ x_D + bias_V, 1.0
        if cap:
            logits_V = cap * np.tanh(logits_V / cap)
            steep_V = 1 - (logits_V / cap) ** 2
        odds_V = np.exp(logits_V - logits_V.max())
        log_z = logits_V.max() + math.log(odds_V.sum())
        is_right = logits_V.argmax() == target
        sums[:, row] += weight * np.array(
            [log_z - logits_V[target], z_loss * log_z**2, 1, is_right]
        )
        slope_V = odds_V / odds_V.sum() * (1 + 2 * z_loss * log_z)
        slope_V[target] -= 1
        slope_V *= steep_V
        bias_slope_V += weight / total * slope_V
        slope_BLD[row, place] = weight / total * slope_V @ table_VD
        slope_VD += weight / total * np.outer(slope_V, x_D)
    return sums, slope_BLD, slope_VD, bias_slope_V


@functools.partial(jax.jit, static_argnames=("z_loss", "parts"))
def learnt(x_BLD, table_VD, target_BL, weight_BL, total, z_loss, parts=(1, 1)):
    """The mean, its sums, and its slopes by the vectors and by the table."""

    def mean(x_BLD, table_VD):
        return loss.mean(x_BLD, table_VD, target_BL, weight_BL, total, z_loss, parts)

    return jax.value_and_grad(mean, argnums=(0, 1), has_aux=True)(x_BLD, table_VD)


def as_rows(sums: loss.Sums) -> np.ndarray:
    return np.stack([sums.loss_B, sums.z_B, sums.weight_B, sums.correct_B])


SHAPES = [
    (1, 1, 3, (1, 1)),
    (2, 9, 5, (1, 3)),
    (4, 67, 7, (2, 1)),
    (4, 160, 19, (2, 4)),
]


@pytest.mark.parametrize("rows, length, vocab, parts", SHAPES)
@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**31),
    spread=st.floats(0.1, 30),
    share=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    z_loss=st.sampled_from([0.0, 0.1]),
)
def test_it_is_the_definition_position_by_position(
    rows, length, vocab, parts, seed, spread, share, z_loss
):
    given_ = drawn(seed, rows, length, vocab, spread, share)
    total = max(float(given_[3].sum()), 1.0)
    sums, *slopes, _ = defined(*given_, total, z_loss)
    (value, found), found_slopes = learnt(*given_, total, z_loss, parts)
    np.testing.assert_allclose(as_rows(found), sums, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(value, sums[:2].sum() / total, rtol=1e-5, atol=1e-5)
    for slope, other in zip(found_slopes, slopes, strict=True):
        np.testing.assert_allclose(slope, other, rtol=1e-4, atol=1e-5 * max(1, spread))


@pytest.mark.parametrize("cap", [0.0, 2.0])
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_bias_and_a_cap_are_their_definition_forward_and_backward(cap, has_bias):
    random, total = np.random.default_rng(0), 50.0
    x_BLD, table_VD, *learnt_ = drawn(1, 4, 67, 7, 1.5, 0.6)
    bias_V = random.normal(size=7).astype(np.float32) if has_bias else None

    def mean(x_BLD, table_VD, bias_V):
        return loss.mean(x_BLD, table_VD, *learnt_, total, 0.1, (2, 1), bias_V=bias_V, cap=cap)

    sums, *slopes = defined(x_BLD, table_VD, *learnt_, total, 0.1, bias_V if has_bias else 0.0, cap)
    by = (0, 1, 2) if has_bias else (0, 1)
    (value, found), found_slopes = jax.value_and_grad(mean, by, has_aux=True)(
        x_BLD, table_VD, bias_V
    )
    np.testing.assert_allclose(as_rows(found), sums, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(value, sums[:2].sum() / total, rtol=1e-5)
    for slope, other in zip(found_slopes, slopes, strict=False):
        np.testing.assert_allclose(slope, other, rtol=1e-4, atol=1e-6)


@settings(max_examples=40)
@given(weights=st.lists(st.sampled_from([0.0, 1e-30, 1.0]), min_size=600, max_size=600))
def test_no_weight_is_dropped_however_they_lie(weights):
    """With a table of zeros a position's loss is log(V), so the sum tells how many there were."""
    weight_BL = np.asarray(weights, np.float32).reshape(2, 300)
    x_BLD, table_VD = np.ones((2, 300, EMBED), np.float32), np.zeros((5, EMBED), np.float32)
    (_, sums), (_, slope_VD) = learnt(
        x_BLD, table_VD, np.zeros((2, 300), np.int32), weight_BL, 1.0, 0.0
    )
    np.testing.assert_allclose(sums.loss_B, weight_BL.sum(1) * math.log(5), rtol=1e-5)
    np.testing.assert_allclose(slope_VD[1], weight_BL.sum() / 5, rtol=1e-5)


def test_logits_far_from_zero_do_not_overflow():
    x_BLD, table_VD = jnp.ones((1, 1, 1)), jnp.asarray([[1e4], [1e4 + 1.0], [-1e4]])
    value, sums = loss.mean(x_BLD, table_VD, jnp.asarray([[0]]), jnp.ones((1, 1)), 1.0, 0.0)
    np.testing.assert_allclose(sums.loss_B, np.log(1 + np.e), rtol=1e-3)
    assert value == sums.loss_B[0]


def test_the_gradient_in_bfloat16_is_near_that_in_float32():
    x_BLD, table_VD, *rest = drawn(0, 4, 512, 40, 1.0, 0.7)
    exact, rough = (
        learnt(x_BLD.astype(dtype), table_VD, *rest, 1000.0, 1e-4)[1]
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert rough[0].dtype == jnp.bfloat16 and rough[1].dtype == jnp.float32
    for one, other in zip(exact, rough, strict=True):
        assert 0 < np.linalg.norm(one - other.astype(np.float32)) < 0.01 * np.linalg.norm(one)


@given(positions=st.integers(1, 2**17), vocab=st.integers(2, 2**18))
def test_a_chunk_is_a_small_part_of_many_positions_and_has_few_logits(positions, vocab):
    size = loss.chunk(positions, vocab)
    assert size % 8 == 0 and 8 <= size < positions + 8
    assert size <= max(positions / loss.PARTS + 8, loss.LEAST)
    assert size * vocab <= loss.MOST + 8 * vocab or size == loss.LEAST


@pytest.mark.parametrize("share", [0.0, 0.15, 0.5, 1.0])
def test_the_loop_ends_with_the_last_position_that_carries_loss(share, monkeypatch):
    """Counted where it runs, chunk by chunk."""
    counted = []
    own = loss._chunk

    def counting(*given, **how):
        jax.debug.callback(lambda: counted.append(1))
        return own(*given, **how)

    monkeypatch.setattr(loss, "_chunk", counting)
    x_BLD, table_VD, target_BL, weight_BL = drawn(0, 4, 1024, 5, 1.0, share)
    loss.mean(x_BLD, table_VD, target_BL, weight_BL, 1.0, 0.0)
    jax.effects_barrier()
    assert len(counted) == math.ceil(np.count_nonzero(weight_BL) / loss.chunk(4096, 5))


COLLECTIVE = re.compile(r" = (.*?) (all-[a-z]+|reduce-scatter|collective-[a-z]+)(?:-start)?\(")


@pytest.mark.parametrize(
    "data, model, context", [(4, 2, 1), (1, 8, 1), (8, 1, 1), (2, 2, 2), (1, 2, 4)]
)
def test_devices_pass_on_the_table_its_gradient_and_sums_over_the_vocabulary(data, model, context):
    mesh = Mesh(data, model, context).build()
    vocab, rows, length = 1024, 8, 512
    x_BLD, table_VD, *rest = drawn(0, rows, length, vocab, 1.0, 0.5)
    x_BLD, table_VD = (np.tile(one, 4) for one in (x_BLD, table_VD))  # over which `data` divides
    own = NamedSharding(mesh, PartitionSpec("data", "context"))
    split = meshes.sharding(mesh, "table_VD", table_VD.shape)

    def mean(x_BLD, table_VD, target_BL, weight_BL):
        place = functools.partial(step.place, mesh)
        return loss.mean(x_BLD, table_VD, target_BL, weight_BL, 1e3, 1e-4, (data, context), place)

    compiled = (
        jax.jit(
            jax.value_and_grad(mean, argnums=(0, 1), has_aux=True),
            in_shardings=(own, split, own, own),
            out_shardings=((None, None), (own, split)),
        )
        .lower(x_BLD, table_VD, *rest)
        .compile()
    )
    size, width = loss.chunk(rows // data * length // context, vocab), x_BLD.shape[-1]
    passed = {
        math.prod(int(extent) for extent in shape.split(",") if extent)
        for shapes, _ in COLLECTIVE.findall(compiled.as_text())
        for shape in re.findall(r"\[([\d,]*)\]", shapes)
    }
    rows_too = {rows // data} if context > 1 else set()  # sums of rows that several devices share
    assert passed <= {1, size, size * width, vocab // model * width} | rows_too
    assert passed & {size, vocab // model * width}
    placed = map(jax.device_put, (x_BLD, table_VD, *rest), (own, split, own, own))
    (value, _), slopes = compiled(*placed)
    (other, _), others = learnt(x_BLD, table_VD, *rest, 1e3, 1e-4)
    np.testing.assert_allclose(value, other, rtol=1e-5)
    for one, two in zip(slopes, others, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("cap", [0.0, 2.0])
def test_each_position_is_scored_by_itself(cap):
    x_BLD, table_VD, target_BL, weight_BL = drawn(5, 3, 7, 11, 1.0, 0.6)
    bias_V = np.linspace(-1, 1, 11).astype(np.float32)
    nats_BL, is_correct_BL = loss.each(x_BLD, table_VD, target_BL, weight_BL, bias_V, cap)
    for row, place in np.ndindex(target_BL.shape):
        at = (slice(row, row + 1), slice(place, place + 1))
        alone = np.ones_like(weight_BL[at])
        given = (x_BLD[at], table_VD, target_BL[at], alone, 1.0, 0.0, bias_V, cap)
        wanted, _, _, is_right = defined(*given)[0][:, 0]
        is_scored = weight_BL[row, place] != 0
        assert nats_BL[row, place] == pytest.approx(wanted * is_scored, rel=1e-5)
        assert is_correct_BL[row, place] == (is_scored and is_right == 1)
