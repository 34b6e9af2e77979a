import dataclasses
import functools
import itertools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from archlab import batch as batches
from archlab import mesh as meshes
from archlab.architecture import Architecture
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.stages import Schedule
from archlab.train import state as states
from archlab.train import step
from archlab.train.optimizer import Optimizer
from tests import drawn

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2)
ROWS, INPUTS, TARGETS, STEPS = 8, 12, 20, 4
RICH = Architecture(
    "encoder",
    activation="gelu",
    norm="layer",
    norm_place="both",
    bias=True,
    embedding_norm=True,
    local_rotary_base=100.0,
    window=3,
    global_every=2,
    qk_norm=True,
    attention_cap=5.0,
    logit_cap=3.0,
    head="transformed",
)
NAMED = {
    "rich": RICH,
    "ladder": Architecture("encoder_decoder", tied_stacks=True, merged=True, aligned=True),
}
ONE = Mesh(1)
CALM = Optimizer(b1=0.9, weight_decay=0.0, clip=100.0)  # which neither decays nor clips


def begun(network, optimizer: Optimizer, mesh) -> states.State:
    """A first state whose weights NumPy draws, since drawing them by JAX has to be compiled."""
    shapes = states.shapes(network, optimizer, mesh)
    moments = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes.moments)
    state = states.State(drawn.weights(shapes.weights), moments, np.int32(0))
    return jax.tree.map(
        lambda leaf, shape: jax.device_put(leaf, shape.sharding, may_alias=False), state, shapes
    )


def trained(name: str, ways=ONE, accumulate=1, optimizer="adamw", **settings):
    """Weights, moments and outcomes after a few steps on a mesh, as NumPy arrays."""
    mesh = ways.build(jax.devices()[: math.prod(dataclasses.astuple(ways))])
    architecture = NAMED.get(name) or Architecture(name.removeprefix("experts of "))
    size = dataclasses.replace(SIZE, experts=4, choices=2) if "experts" in name else SIZE
    network = step.on(mesh, Transformer(size, architecture, **settings))
    optimizer = Optimizer(optimizer)
    kind = architecture.kind
    shapes = batches.abstract(kind, ROWS, INPUTS, TARGETS)
    state = begun(network, optimizer, mesh)
    schedule = Schedule("cosine", peak=1e-2, warmup=1)
    learn = step.lower(
        network, optimizer, schedule, STEPS, mesh, shapes, accumulate, 1e-3, balance=0.1
    ).compile()
    outcomes = []
    for number in range(STEPS):
        batch = drawn.batch(kind, ROWS, INPUTS, TARGETS, SIZE.vocab, seed=number)
        placed = jax.device_put(batch, meshes.rows(mesh, batch))
        state, outcome = learn(state, placed)
        outcomes.append(jax.device_get(outcome))
    return jax.device_get(state.weights), jax.device_get(state.moments), outcomes


on_any = functools.cache(trained)


def assert_near(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5), one, other)


@pytest.mark.parametrize(
    "name, ways, accumulate",
    [
        ("causal_decoder", Mesh(2, 4), 2),
        ("prefix_decoder", Mesh(2, context=2, slice=2), 1),
        ("encoder_decoder", Mesh(2, 2, context=2), 1),
        ("rich", Mesh(2, 2, context=2), 1),
        ("ladder", Mesh(2, 2, context=2), 1),
        ("encoder_decoder", ONE, 4),
    ],
)
def test_meshes_and_microbatches_agree_with_the_whole_on_one_device(name, ways, accumulate):
    found, expected = on_any(name, ways, accumulate), on_any(name)
    assert_near(found, expected)
    # Moments are means of gradients, which are small: what differs is small beside each of them.
    for one, other in zip(
        *(jax.tree.leaves(each[1][0].mu) for each in (found, expected)), strict=True
    ):
        assert np.linalg.norm(one - other) <= 1e-5 * np.linalg.norm(other)


@pytest.mark.parametrize("ways, accumulate", [(Mesh(2, 2, expert=2), 1), (ONE, 2)])
def test_experts_learn_the_same_on_a_mesh_and_in_microbatches(ways, accumulate):
    *_, found = trained("experts of encoder", ways, accumulate)
    *_, expected = on_any("experts of encoder")
    assert_near(found[0], expected[0])
    assert_near(*([outcome.sums for outcome in each] for each in (found, expected)))


def test_experts_are_evened_out_by_the_loss_and_the_sums_tell_it():
    *_, outcomes = on_any("experts of encoder")
    for outcome in outcomes:
        balance = outcome.sums.balance_B / np.maximum(outcome.sums.weight_B, 1)
        assert (balance >= 0.5).all() and (balance <= 4).all() and balance.max() > 1
    assert all(outcome.sums.balance_B is None for outcome in on_any("encoder")[-1])


def test_what_is_dropped_is_the_same_on_every_mesh():
    (*_, found), (*_, expected), (*_, plain) = (
        trained("encoder", Mesh(2, 2), 2, dropout=0.3),
        trained("encoder", accumulate=2, dropout=0.3),
        on_any("encoder"),
    )
    assert_near(found[0], expected[0])
    assert_near(*([outcome.sums for outcome in each] for each in (found, expected)))
    assert not np.allclose(found[0].sums.loss_B, plain[0].sums.loss_B, rtol=1e-3)


def test_each_step_microbatch_stage_and_seed_draws_its_own():
    drawn_ = [
        jax.random.key_data(step._keys((seed, stage, jnp.int32(number)), 3))
        for seed, stage, number in itertools.product((0, 7), (0, 1), (0, 1, 2))
    ]
    assert len({tuple(key) for keys in drawn_ for key in np.asarray(keys)}) == 12 * 3
    again = jax.random.key_data(step._keys((7, 1, jnp.int32(2)), 3))
    np.testing.assert_array_equal(again, drawn_[-1])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_nothing_is_drawn_where_nothing_is_dropped(accumulate):
    mesh = ONE.build(jax.devices()[:1])
    shapes = batches.abstract("decoder", ROWS, INPUTS, TARGETS)
    for dropout, is_drawn in ((0.0, False), (0.1, True)):
        model = Transformer(SIZE, Architecture("causal_decoder"), dropout=dropout)
        given = (step.on(mesh, model), Optimizer(), Schedule("flat"), 5, mesh, shapes, accumulate)
        assert ("threefry" in step.lower(*given, 0.0, (3, 1)).as_text()) == is_drawn


def table_slope(dtype, accumulate: int) -> np.ndarray:
    """Gradient of the embedding table, of a batch most of which is one token."""
    mesh = Mesh(1, 1).build(jax.devices()[:1])
    network = step.on(mesh, Transformer(SIZE, Architecture("causal_decoder"), dtype=dtype))
    batch = drawn.batch("decoder", 32, 48, 48, SIZE.vocab)
    is_often = np.random.default_rng(0).random(batch.target_BL.shape) < 0.7
    tokens_BL = np.where(is_often, 35, batch.decoder.tokens_BL).astype(np.int32)
    batch = dataclasses.replace(
        batch, decoder=dataclasses.replace(batch.decoder, tokens_BL=tokens_BL)
    )
    optimizer = Optimizer(b1=0.0, weight_decay=0.0, clip=0.0)
    shapes = batches.abstract("decoder", 32, 48, 48)
    learn = step.lower(
        network, optimizer, Schedule("flat"), 5, mesh, shapes, accumulate, 0.0
    ).compile()
    state = states.first(network, optimizer, mesh, seed=3)
    state, _ = learn(state, jax.device_put(batch, meshes.rows(mesh, batch)))
    return np.asarray(state.moments.mu["embedding"]["table_VD"])


def test_microbatches_in_bfloat16_have_the_gradient_of_the_whole():
    exact, whole, cut = (
        table_slope(dtype, accumulate)
        for dtype, accumulate in [(jnp.float32, 1), (jnp.bfloat16, 1), (jnp.bfloat16, 4)]
    )
    norm = np.linalg.norm(exact)
    assert np.linalg.norm(whole - exact) < 0.01 * norm
    assert np.linalg.norm(cut - whole) < 0.003 * norm


def test_adafactor_on_a_mesh_agrees_with_one_device():
    name = "prefix_decoder"
    found = trained(name, Mesh(2, 4), optimizer="adafactor")
    assert_near(found, on_any(name, optimizer="adafactor"))


def test_a_step_is_the_gradient_of_the_mean_over_loss_tokens():
    mesh = Mesh(1, 1).build(jax.devices()[:1])
    network = Transformer(SIZE, Architecture("prefix_decoder"))
    batch = drawn.batch("decoder", ROWS, INPUTS, TARGETS, SIZE.vocab)
    optimizer = Optimizer(weight_decay=0.0, clip=0.0)
    state = begun(network, optimizer, mesh)
    weights = jax.device_get(state.weights)

    def mean(weights):
        logits = network.apply({"params": weights}, batch)
        log_z = jax.nn.logsumexp(logits, -1)
        chosen = jnp.take_along_axis(logits, batch.target_BL[..., None], -1)[..., 0]
        each = log_z - chosen + 1e-3 * log_z**2
        return jnp.sum(each * batch.weight_BL) / jnp.sum(batch.weight_BL)

    slope = jax.device_get(jax.grad(mean)(weights))
    learn = step.lower(
        network, optimizer, Schedule("flat", peak=1e-2), 5, mesh, batch, 2, 1e-3
    ).compile()
    after, outcome = learn(state, jax.device_put(batch, meshes.rows(mesh, batch)))
    squares = sum(float((leaf.astype(np.float64) ** 2).sum()) for leaf in jax.tree.leaves(slope))
    np.testing.assert_allclose(outcome.gradient_norm, np.sqrt(squares), rtol=1e-5)
    np.testing.assert_allclose(outcome.learning_rate, 1e-2)
    assert int(after.step) == 1

    def check(old, new, down):
        # Adam's first step is the gradient's sign, wherever the gradient is not near epsilon.
        expected = old - 1e-2 * down / (np.abs(down) + 1e-8)
        np.testing.assert_allclose(new, expected, atol=2e-5)

    big = jax.tree.map(lambda leaf: np.abs(leaf) > 1e-5, slope)
    jax.tree.map(
        lambda old, new, down, is_big: check(old[is_big], np.asarray(new)[is_big], down[is_big]),
        weights,
        after.weights,
        slope,
        big,
    )


def test_outcomes_keep_the_order_of_the_rows():
    *_, whole = on_any("encoder_decoder")
    *_, cut = on_any("encoder_decoder", ONE, 4)
    assert len(set(whole[0].sums.weight_B.tolist())) > 1
    np.testing.assert_array_equal(whole[0].sums.weight_B, cut[0].sums.weight_B)


@functools.cache
def built(optimizer: Optimizer):
    mesh = Mesh(2, 4).build()
    network = step.on(mesh, Transformer(SIZE, Architecture("causal_decoder")))
    shapes = batches.abstract("decoder", ROWS, INPUTS, TARGETS)
    learn = step.lower(network, optimizer, Schedule("flat"), 5, mesh, shapes, 1, 0.0).compile()
    return mesh, network, learn


def test_the_state_is_used_up_and_its_memory_taken_over():
    mesh, network, learn = built(CALM)
    state = begun(network, CALM, mesh)
    own = sum(
        leaf.addressable_shards[0].data.nbytes
        for leaf in jax.tree.leaves((state.weights, state.moments))
    )
    assert learn.memory_analysis().alias_size_in_bytes >= own
    batch = drawn.batch("decoder", ROWS, INPUTS, TARGETS, SIZE.vocab)
    learn(state, jax.device_put(batch, meshes.rows(mesh, batch)))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.weights))


def test_a_batch_without_loss_tokens_changes_nothing_but_decay():
    mesh, network, learn = built(CALM)
    state = begun(network, CALM, mesh)
    before = jax.device_get(state.weights)
    shapes = batches.abstract("decoder", ROWS, INPUTS, TARGETS)
    batch = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    state, outcome = learn(state, jax.device_put(batch, meshes.rows(mesh, batch)))
    assert float(outcome.gradient_norm) == 0.0
    jax.tree.map(np.testing.assert_array_equal, before, jax.device_get(state.weights))


@pytest.mark.parametrize("optimizer", [Optimizer(b1=0.9, clip=0.25), CALM], ids=["0.25", "100"])
def test_clipping_bounds_what_the_optimizer_sees_and_tells_the_norm_as_it_was(optimizer):
    mesh, network, learn = built(optimizer)
    state = begun(network, optimizer, mesh)
    batch = drawn.batch("decoder", ROWS, INPUTS, TARGETS, SIZE.vocab)
    state, outcome = learn(state, jax.device_put(batch, meshes.rows(mesh, batch)))
    norm = float(outcome.gradient_norm)
    assert 0.25 < norm < 100.0
    seen = float(optax.tree.norm(optax.tree.get(state.moments, "mu"))) / (1 - 0.9)
    np.testing.assert_allclose(seen, min(norm, optimizer.clip), rtol=1e-5)


def test_rows_that_do_not_divide_are_refused_with_the_nearest_that_do():
    mesh = Mesh(8, 1).build()
    network = step.on(mesh, Transformer(SIZE, Architecture("encoder")))
    shapes = batches.abstract("encoder", 12, INPUTS, TARGETS)
    with pytest.raises(ValueError, match="rows=12 does not divide over data=8; .* is 16"):
        step.lower(network, Optimizer(), Schedule("flat"), 5, mesh, shapes, 1, 0.0).compile()


WIDE = dataclasses.replace(SIZE, vocab=4096)  # next to which all else is small


def lowered(name: str, optimizer: Optimizer, accumulate: int, size: Size = WIDE, **settings):
    """The compiled step of 128 rows of 16 on one device, and the shapes of its state."""
    mesh = Mesh(1, 1).build(jax.devices()[:1])
    architecture = Architecture(name, tied=settings.pop("tied", True))
    network = step.on(mesh, Transformer(size, architecture, **settings))
    shapes = batches.abstract(architecture.kind, 128, 8, 8)
    state = states.shapes(network, optimizer, mesh)
    given = (network, optimizer, Schedule("flat"), 5, mesh, shapes, accumulate, 1e-4)
    return step.lower(*given).compile(), state


def nbytes(tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    "name, dtype, tied",
    [
        ("causal_decoder", jnp.float32, True),
        ("prefix_decoder", jnp.bfloat16, False),
        ("encoder_decoder", jnp.bfloat16, True),
        ("encoder", jnp.float32, False),
    ],
)
def test_no_array_of_a_step_holds_the_logits_of_all_positions(name, dtype, tied):
    learn, state = lowered(name, Optimizer(), 1, dtype=dtype, tied=tied)
    positions = 128 * (8 if name == "encoder_decoder" else 16)
    found = re.findall(r"\b(?:f32|bf16|pred)\[([\d,]+)\]", learn.as_text())
    largest = max(math.prod(map(int, shape.split(","))) for shape in found)
    assert WIDE.vocab * WIDE.embed <= largest < positions * WIDE.vocab
    tables = nbytes(state.weights) * (2 if tied else 1)
    assert learn.memory_analysis().temp_size_in_bytes < 4 * positions * WIDE.vocab + tables


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_state_is_written_where_it_was_read_to_the_byte(precision):
    learn, state = lowered("causal_decoder", Optimizer(precision=precision), 2, SIZE)
    assert learn.memory_analysis().alias_size_in_bytes == nbytes(state)
    numbers = sum(leaf.size for leaf in jax.tree.leaves(state.weights))
    each = 4 + 4 + (2 if precision == "bfloat16" else 4)
    assert nbytes(state.weights) + nbytes(state.moments) - 4 == numbers * each


@pytest.mark.parametrize("name", ["causal_decoder", "encoder_decoder"])
def test_microbatches_keep_one_gradient_and_no_second(name):
    """Of a model so deep that weights are most of what there is: two gradients would be 2."""
    wide = dataclasses.replace(SIZE, layers=64, embed=64, mlp=256)
    learn, state = lowered(name, Optimizer(), 16, wide, remat="full")
    gradient = nbytes(state.weights)
    assert gradient <= learn.memory_analysis().temp_size_in_bytes < 1.5 * gradient
