"""Experts are their formula token by token, drop nobody, and are the same on every mesh."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.mesh import Mesh
from archlab.model import experts
from archlab.model.attention import Attend
from archlab.model.experts import Experts
from archlab.model.layers import SEEN
from archlab.size import Size
from tests.model import by_hand

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, experts=4, choices=2)
ROWS, LENGTH = 8, 6


def made(activation: str = "swiglu", choices: int = 2):
    size = dataclasses.replace(SIZE, choices=choices)
    module = Experts(size=size, architecture=Architecture("causal_decoder", "none", activation))
    random = np.random.default_rng(0)
    x_BLD = jnp.asarray(random.normal(size=(ROWS, LENGTH, SIZE.embed)), jnp.float32)
    is_text_BL = jnp.asarray(random.random((ROWS, LENGTH)) < 0.8)
    weights = module.init(jax.random.key(0), x_BLD, is_text_BL)["params"]
    return module, weights, x_BLD, is_text_BL


@pytest.mark.parametrize("activation, choices", [("swiglu", 2), ("relu", 1), ("geglu", 4)])
def test_each_token_is_what_its_likeliest_experts_make_of_it(activation, choices):
    module, weights, x_BLD, is_text_BL = made(activation, choices)
    found_BLD = module.apply({"params": weights}, x_BLD, is_text_BL)
    wide, bend = by_hand.wide(weights), by_hand.BEND[activation]
    for row, place in np.ndindex(ROWS, LENGTH):
        x_D = np.asarray(x_BLD[row, place], np.float64)
        odds_E = np.exp(x_D @ wide["router_DE"])
        odds_E /= odds_E.sum()
        chosen = np.argsort(-odds_E)[:choices]
        shares = odds_E[chosen] / (odds_E[chosen].sum() if choices > 1 else 1)
        expected_D = np.zeros(SIZE.embed)
        for share, expert in zip(shares, chosen, strict=True):
            up_F = x_D @ wide["up_EDF"][expert]
            if "gate_EDF" in wide:
                up_F = up_F * bend(x_D @ wide["gate_EDF"][expert])
            else:
                up_F = bend(up_F)
            expected_D += share * up_F @ wide["down_EFD"][expert]
        np.testing.assert_allclose(found_BLD[row, place], expected_D, atol=2e-5)


def test_all_tokens_may_choose_the_same_expert_and_none_is_dropped():
    module, weights, x_BLD, is_text_BL = made(choices=1)
    x_BLD = jnp.abs(x_BLD)
    favour_DE = jnp.zeros_like(weights["router_DE"]).at[:, 2].set(10.0)
    found_BLD = module.apply({"params": {**weights, "router_DE": favour_DE}}, x_BLD, is_text_BL)
    up_BLF, gate_BLF = (x_BLD @ weights[name][2] for name in ("up_EDF", "gate_EDF"))
    expected_BLD = (up_BLF * jax.nn.silu(gate_BLF)) @ weights["down_EFD"][2]
    np.testing.assert_allclose(found_BLD, expected_BLD, atol=2e-5)


def balanced(share_BLE, choice_BLC, is_text_BL) -> np.ndarray:
    rows, _, many = share_BLE.shape
    found = np.zeros(rows)
    for row in range(rows):
        places = np.flatnonzero(is_text_BL[row])
        for expert in range(many):
            sent = np.mean([np.mean(choice_BLC[row, place] == expert) for place in places])
            likely = np.mean([share_BLE[row, place, expert] for place in places])
            found[row] += many * sent * likely
    return found


def test_balance_is_that_of_the_switch_transformer_row_by_row_and_without_padding():
    random = np.random.default_rng(1)
    share_BLE = random.dirichlet([0.5] * 4, (3, 7)).astype(np.float32)
    choice_BLC = np.argsort(-share_BLE, axis=-1)[..., :2]
    is_text_BL = random.random((3, 7)) < 0.7
    found_B = experts.balance(share_BLE, jnp.asarray(choice_BLC), is_text_BL)
    np.testing.assert_allclose(found_B, balanced(share_BLE, choice_BLC, is_text_BL), rtol=1e-5)
    even_BLE, each_BLC = np.full((1, 4, 4), 0.25), np.arange(4)[None, :, None]
    assert experts.balance(even_BLE, each_BLC, np.ones((1, 4))) == pytest.approx(1.0)
    one_BLE, same_BLC = np.eye(4)[None, [2, 2, 2, 2]], np.full((1, 4, 1), 2)
    assert experts.balance(one_BLE, same_BLC, np.ones((1, 4))) == pytest.approx(4.0)


def test_balance_pulls_the_router_away_from_what_is_chosen_too_often():
    module, weights, x_BLD, is_text_BL = made()

    def uneven(router_DE):
        given = {"params": {**weights, "router_DE": router_DE}}
        _, seen = module.apply(given, x_BLD, is_text_BL, mutable=[SEEN])
        return jnp.sum(seen[SEEN]["balance_B"][0])

    router_DE = weights["router_DE"]
    slope_DE = jax.grad(uneven)(router_DE)
    assert uneven(router_DE - 0.1 * slope_DE) < uneven(router_DE)


@pytest.mark.parametrize("ways", [Mesh(2, 2, expert=2), Mesh(1, 1, 2, expert=4)])
def test_experts_on_a_mesh_are_those_on_one_device(ways):
    module, weights, x_BLD, is_text_BL = made()
    mesh = ways.build()

    def total(weights, x_BLD, own):
        made_BLD = own.apply({"params": weights}, x_BLD, is_text_BL)
        return jnp.sum(jnp.sin(made_BLD)), made_BLD

    found, expected = (
        jax.jit(jax.value_and_grad(functools.partial(total, own=own), (0, 1), has_aux=True))(
            weights, x_BLD
        )
        for own in (module.clone(attend=Attend(mesh=mesh)), module)
    )
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-5), found, expected
    )
