import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from archlab.architecture import Architecture
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.stages import Schedule
from archlab.train.optimizer import Optimizer, rate
from archlab.train.state import shapes


def drawn(seed: int = 0) -> dict:
    random = np.random.default_rng(seed)

    def array(*shape: int) -> jax.Array:
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    layers = {"mlp": {"up_DF": array(3, 130, 140)}, "norm": {"scale_D": array(3, 130)}}
    return {
        "decoder": {"bias_RH": array(32, 4), "layers": layers},
        "head": {"head_DV": array(7, 9)},
    }


def test_adamw_is_its_formula_in_float64():
    optimizer = Optimizer("adamw", b1=0.8, b2=0.9, epsilon=1e-6, weight_decay=0.3)
    weights, transform = drawn(), optimizer.transform()
    state = transform.init(weights)
    mean = square = np.zeros((7, 9))
    for step in range(1, 4):
        slope = drawn(step)
        direction, state = transform.update(slope, state, weights)
        wide = np.asarray(slope["head"]["head_DV"], np.float64)
        mean, square = 0.8 * mean + 0.2 * wide, 0.9 * square + 0.1 * wide**2
        adam = mean / (1 - 0.8**step) / (np.sqrt(square / (1 - 0.9**step)) + 1e-6)
        expected = adam + 0.3 * np.asarray(weights["head"]["head_DV"])
        np.testing.assert_allclose(direction["head"]["head_DV"], expected, rtol=2e-5, atol=1e-6)


def test_a_mean_in_bfloat16_takes_half_the_room_and_goes_nearly_the_same_way():
    weights, ways = drawn(), []
    for precision in ("float32", "bfloat16"):
        transform = Optimizer(b2=0.9, precision=precision).transform()
        state = transform.init(weights)
        for step in range(1, 9):
            direction, state = transform.update(drawn(step), state, weights)
        adam = state[0]
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(adam.mu)} == {precision}
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(adam.nu)} == {"float32"}
        ways.append(direction["head"]["head_DV"])
    error = np.linalg.norm(ways[0] - ways[1]) / np.linalg.norm(ways[0])
    assert 0 < error < 0.01


def test_what_is_of_one_optimizer_is_refused_beside_another():
    with pytest.raises(ValueError, match="precision='bfloat16' is adamw's; all that adafactor"):
        Optimizer("adafactor", precision="bfloat16")
    for field, value in (("factored", False), ("momentum", 0.5)):
        with pytest.raises(ValueError, match=f"{field}={value} is adafactor's; adamw has b1"):
            Optimizer(**{field: value})


def test_palms_adafactor_is_its_formula_in_float64():
    optimizer = Optimizer("adafactor", weight_decay=0.0, factored=False, momentum=0.7)
    transform, places = optimizer.transform(), (("head", "head_DV"), ("decoder", "bias_RH"))
    weights = drawn()
    weights["decoder"]["bias_RH"] *= 1e-5  # smaller than the least that a step is relative to
    state = transform.init(weights)
    kept = dict.fromkeys(places, (0.0, 0.0))
    for step in range(1, 5):
        slope = jax.tree.map(lambda leaf: step**2 * leaf, drawn(step))  # noqa: B023
        direction, state = transform.update(slope, state, weights)
        for part, name in places:
            wide, weight = (np.asarray(tree[part][name], np.float64) for tree in (slope, weights))
            square, mean = kept[part, name]
            square = (1 - step**-0.8) * square + step**-0.8 * wide**2
            way = wide / np.sqrt(square)
            way /= max(1.0, np.sqrt(np.mean(way**2)))
            way *= max(1e-3, np.sqrt(np.mean(weight**2)))
            kept[part, name] = square, (mean := 0.7 * mean + 0.3 * way)
            np.testing.assert_allclose(direction[part][name], mean, rtol=2e-5, atol=1e-8)


def test_squares_and_steps_of_a_stack_are_split_as_its_weights_are():
    mesh = Mesh(4, 2).abstract()
    model = Transformer(Size(2, 16, 48, 4, 6, 40), Architecture("causal_decoder"))
    optimizer = Optimizer("adafactor", factored=False, momentum=0.9)
    state = shapes(model, optimizer, mesh)
    placed = {leaf.shape: leaf.sharding for leaf in jax.tree.leaves(state.weights)}
    large = [leaf for leaf in jax.tree.leaves(state.moments) if leaf.size > 100]
    assert len(large) == 2 * len([one for one in jax.tree.leaves(state.weights) if one.size > 100])
    assert all(leaf.sharding == placed[leaf.shape] for leaf in large)


@pytest.mark.parametrize("name", ["adamw", "adafactor"])
def test_norms_and_biases_are_not_decayed(name):
    weights = drawn()
    still = jax.tree.map(jnp.zeros_like, weights)
    transform = Optimizer(name, weight_decay=0.5).transform()
    direction, _ = transform.update(still, transform.init(weights), weights)
    decoder = direction["decoder"]
    assert not decoder["bias_RH"].any() and not decoder["layers"]["norm"]["scale_D"].any()
    np.testing.assert_allclose(direction["head"]["head_DV"], weights["head"]["head_DV"] * 0.5)
    np.testing.assert_allclose(
        decoder["layers"]["mlp"]["up_DF"], weights["decoder"]["layers"]["mlp"]["up_DF"] * 0.5
    )


def test_adafactor_treats_each_layer_of_a_stack_as_optax_would_alone():
    transform = Optimizer("adafactor", weight_decay=0.0).transform()
    alone = optax.adafactor(None)  # downhill, where ours is uphill
    weights = drawn()
    state = transform.init(weights)
    layers = weights["decoder"]["layers"]
    each = [jax.tree.map(lambda leaf, n=n: leaf[n], layers) for n in range(3)]
    states = [alone.init(layer) for layer in each]
    for step in range(1, 4):
        slope = drawn(step)
        loud = slope["decoder"]["layers"]["mlp"]["up_DF"].at[1].multiply(1000.0)
        slope["decoder"]["layers"]["mlp"]["up_DF"] = loud
        direction, state = transform.update(slope, state, weights)
        for number in range(3):
            mine = jax.tree.map(lambda leaf: leaf[number], slope["decoder"]["layers"])  # noqa: B023
            theirs, states[number] = alone.update(mine, states[number], each[number])
            found = jax.tree.map(lambda leaf: leaf[number], direction["decoder"]["layers"])  # noqa: B023
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, -b, rtol=1e-5), found, theirs)


def test_adafactor_treats_stacks_of_two_depths_as_it_does_each_alone():
    random = np.random.default_rng(5)

    def stack(depth: int) -> dict:
        array = jnp.asarray(random.normal(size=(depth, 130, 140)), jnp.float32)
        return {"layers": {"mlp": {"up_DF": array}, "norm": {"scale_D": array[:, 0]}}}

    weights, slopes = (
        {"encoder": stack(3), "decoder": stack(2), "head": {"head_DV": jnp.ones((7, 9))}}
        for _ in range(2)
    )
    transform = Optimizer("adafactor").transform()
    state = transform.init(weights)
    alone = {part: transform.init({part: weights[part]}) for part in ("encoder", "decoder")}
    for _ in range(2):
        direction, state = transform.update(slopes, state, weights)
        for part, own in alone.items():
            given = {part: slopes[part]}, own, {part: weights[part]}
            expected, alone[part] = transform.update(*given)
            jax.tree.map(np.testing.assert_array_equal, direction[part], expected[part])


def test_adafactor_keeps_rows_and_columns_and_not_squares():
    state = Optimizer("adafactor").transform().init(drawn())
    sizes = [leaf.size for leaf in jax.tree.leaves(state)]
    assert max(sizes) < 3 * 130 * 140


def test_adafactor_has_one_dimension_for_the_heads_and_their_width_as_t5_has():
    transform = Optimizer("adafactor", weight_decay=0.0).transform()
    alone = optax.adafactor(None)
    random = np.random.default_rng(0)
    split = {"query_DHK": (130, 12, 11), "key_DGK": (130, 13, 10), "out_HKD": (12, 11, 140)}
    whole = {"query_DHK": (130, 132), "key_DGK": (130, 130), "out_HKD": (132, 140)}

    def array(name: str) -> np.ndarray:
        return random.normal(size=(2, *split[name])).astype(np.float32)

    weights = {"decoder": {"layers": {name: array(name) for name in split}}}
    joined = [
        {name: leaf[n].reshape(whole[name]) for name, leaf in weights["decoder"]["layers"].items()}
        for n in range(2)
    ]
    state, states = transform.init(weights), [alone.init(layer) for layer in joined]
    assert max(leaf.size for leaf in jax.tree.leaves(state)) == 2 * 140
    for _ in range(3):
        slope = {name: array(name) for name in split}
        direction, state = transform.update({"decoder": {"layers": slope}}, state, weights)
        for n in range(2):
            mine = {name: leaf[n].reshape(whole[name]) for name, leaf in slope.items()}
            theirs, states[n] = alone.update(mine, states[n], joined[n])
            for name, found in direction["decoder"]["layers"].items():
                expected = -np.asarray(theirs[name]).reshape(split[name])
                np.testing.assert_allclose(found[n], expected, rtol=1e-5)


def test_adafactor_factors_every_large_weight_of_t5_1_1_xxl():
    xxl = Size(layers=24, embed=4096, mlp=10240, heads=64, kv=64, vocab=32128)
    model = Transformer(xxl, Architecture("encoder_decoder", "relative", "geglu", tied=False))
    devices = Mesh(2, 4).build()
    state = shapes(model, Optimizer("adafactor"), devices)
    numbers = [
        sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (state.weights, state.moments)
    ]
    assert numbers[1] < numbers[0] / 1000
    assert max(leaf.size for leaf in jax.tree.leaves(state.moments)) == 24 * 10240
    assert all(leaf.sharding.mesh == devices for leaf in jax.tree.leaves(state.moments))


RATES = {
    Schedule("wsd", peak=1.0, warmup=2, decay=0.4): [0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0],
    Schedule("wsd", peak=2.0, decay=0.5, floor=0.5): [2, 2, 2, 2, 2, 1.8, 1.6, 1.4, 1.2, 1],
    Schedule("flat", peak=3.0, warmup=3): [1, 2, 3, 3, 3, 3, 3, 3, 3, 3],
    Schedule("flat", peak=3.0): [3] * 10,
    Schedule("rsqrt", peak=1.0, warmup=4): [1, 1, 1, 1, *(np.sqrt(4 / n) for n in range(5, 11))],
    Schedule("cosine", peak=1.0, warmup=2, floor=0.1): [
        0.5,
        1,
        *(0.1 + 0.9 * (1 + np.cos(np.pi * n / 8)) / 2 for n in range(1, 9)),
    ],
}


@pytest.mark.parametrize("schedule", RATES, ids=lambda one: f"{one.kind}-{one.warmup}")
def test_a_schedule_is_its_table(schedule):
    learning_rate = jax.jit(rate(schedule, 10))
    found = [float(learning_rate(jnp.int32(step))) for step in range(1, 11)]
    np.testing.assert_allclose(found, RATES[schedule], atol=1e-6)


def test_t5s_own_schedule():
    learning_rate = rate(Schedule("rsqrt", peak=0.01, warmup=10_000), 2**19)
    for step in (1, 10_000, 10_001, 524_288):
        np.testing.assert_allclose(learning_rate(step), 1 / np.sqrt(max(step, 10_000)), rtol=1e-6)


def test_a_rate_goes_on_where_the_stage_before_left_it():
    whole, rest = (
        rate(Schedule("rsqrt", peak=0.01, warmup=100, before=before), 1000) for before in (0, 50)
    )
    for step in (1, 50, 51, 400):
        assert float(rest(step)) == float(whole(50 + step))
    with pytest.raises(ValueError, match="before=7, and a schedule of kind 'cosine' begins"):
        Schedule("cosine", before=7)


def test_a_schedule_longer_than_its_stage_is_refused():
    with pytest.raises(ValueError, match="warm-up of 90 .* decay of 20 .* of 100; .*warmup=80"):
        rate(Schedule("wsd", warmup=90, decay=0.2), 100)


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", "sgd"),
        ("precision", "float16"),
        ("b1", 1.0),
        ("b2", -0.1),
        ("clip", -1.0),
        ("epsilon", 0.0),
        ("clip", math.nan),
        ("weight_decay", math.inf),
        ("momentum", 1.0),
    ],
)
def test_a_number_out_of_range_is_refused(field, value):
    with pytest.raises(ValueError, match=str(value)):
        Optimizer(**{field: value})
