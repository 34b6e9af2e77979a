"""A plan counts what a run costs, and what each chip holds, as the run itself would find."""

import dataclasses

import jax
import pytest

from archlab import config
from archlab.mesh import Mesh
from archlab.plan import Plan
from archlab.program import Program
from archlab.surgery.choices import Surgery


def smoke(name, *overrides):
    return config.read(f"smoke_{name}", overrides).run


def test_hours_are_flops_over_what_the_chips_reach():
    # A decoder of 1 layer, embed 8, mlp 16, 2 heads of 4, no gate, 512 ids:
    # 512 multiply-adds of the body a token, 4,096 of the head, 16 of attention for each key.
    settings = ["layers=1", "embed=8", "mlp=16", "heads=2", "kv=4", "vocab=512"]
    run = smoke("causal_decoder", *(f"Size.{one}" for one in settings))
    stage = run.stages[0]
    architecture = dataclasses.replace(run.architecture, activation="relu")
    run = dataclasses.replace(run, architecture=architecture)
    length = stage.row_tokens
    each = 2 * 3 * (4 * 8 * 8 + 2 * 8 * 16 + 8 * 512 + 2 * 8 * length)
    (cost, *_) = Plan(run, "v5e", 4, mfu=0.25).costs
    assert cost.flops == each * length * stage.rows * stage.total_steps
    assert cost.chip_hours == pytest.approx(cost.flops / (197e12 * 0.25) / 3600)
    assert cost.days == pytest.approx(cost.chip_hours / 4 / 24)
    assert cost.rows == stage.rows // 4


def test_t5_xxl_on_its_pod():
    run = config.read("t5_1_1_xxl").run
    made = Plan(run, "v5p")
    assert made.many == 256 and sum(made.parameters.values()) == 11_135_332_352
    assert made.checkpoint > 4 * 11_135_332_352 and made.held["weights"] < made.checkpoint / 256 + 1
    # Six FLOPs a token and weight that it meets, and attention on top.
    for cost in made.costs:
        assert 1 < cost.flops / (6 * cost.visited * cost.tokens) < 1.3


@pytest.mark.parametrize("name", ["causal_decoder", "encoder_decoder"])
def test_each_chip_holds_what_a_device_of_the_run_does(name):
    run = dataclasses.replace(smoke(name), mesh=Mesh(data=4, model=2))
    program = Program(run, 0, run.mesh.build())
    state = program.first()
    device = jax.devices()[0]

    def here(tree):
        shards = [one for leaf in jax.tree.leaves(tree) for one in leaf.addressable_shards]
        return sum(one.data.nbytes for one in shards if one.device == device)

    made = Plan(run, "v4")
    assert (made.held["weights"], made.held["moments"]) == (
        here(state.weights),
        here(state.moments),
    )
    assert made.checkpoint == sum(leaf.nbytes for leaf in jax.tree.leaves(state))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"chip": "v5q"}, "chip='v5q'.* did you mean 'v5p'"),
        ({"mfu": 0}, "mfu=0; it is a share"),
        ({"mfu": 1.2}, "mfu=1.2; it is a share"),
        ({"chips": None}, "Mesh.data=-1 .*--chips"),
        ({"chips": 3}, "does not divide over"),
    ],
)
def test_what_cannot_be_planned_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        Plan(smoke("causal_decoder"), **{"chip": "v4", "chips": 4, **given})


def test_what_the_gradient_keeps_is_what_remat_says_and_what_the_mesh_leaves():
    run = smoke("causal_decoder")
    whole = kept(run, Mesh(data=1))
    for mesh in (Mesh(data=4), Mesh(data=2, slice=2), Mesh(data=1, context=4)):
        # But for a few arrays of the shape of no row.
        assert whole / 4 <= kept(run, mesh) < 0.3 * whole
    assert kept(run, Mesh(data=1), remat="full") < 0.2 * whole
    offloaded = kept(run, Mesh(data=1), remat="offload")
    assert offloaded == kept(run, Mesh(data=1), remat="full")
    # Each layer's stream, and the stream around the layers.
    stage, size = run.stages[0], run.size
    stream = stage.rows * stage.row_tokens * size.embed * 4
    assert size.layers * stream <= kept(run, Mesh(data=1), remat="full")


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_minimal_keeps_products_with_weights_and_nothing_wider(precision):
    run = dataclasses.replace(
        smoke("causal_decoder"), mesh=Mesh(data=1), precision=precision, remat="minimal"
    )
    layered = [one for one in Plan(run, "v4").kept(0) if len(one.shape) > 3]
    stacked = [one for one in layered if one.shape[0] == run.size.layers]
    assert {str(one.dtype) for one in stacked} == {precision}
    # Query, key, value, what was made of what they read; up, gate; the stream before the layer.
    assert sum(one.count for one in stacked) == 7


def test_rows_are_split_over_experts_too():
    run = smoke("causal_decoder")
    run = dataclasses.replace(run, size=dataclasses.replace(run.size, experts=4, choices=1))
    # What is gathered for the experts is as much on each chip as on one.
    assert kept(run, Mesh(data=1, expert=4)) < 0.6 * kept(run, Mesh(data=1))


def kept(run, mesh: Mesh, **settings) -> int:
    made = Plan(dataclasses.replace(run, mesh=mesh, **settings), "v4")
    return made.held["kept for the gradient"]


def test_a_run_whose_model_changes_is_counted_stage_by_stage():
    alone = smoke("causal_decoder")
    deep = dataclasses.replace(alone.size, layers=5)
    (stage,) = alone.stages
    grown = {"architecture": "encoder_decoder", "size": deep}
    after = dataclasses.replace(stage, **grown, surgery=Surgery())
    run = dataclasses.replace(alone, stages=(stage, after))
    second = dataclasses.replace(alone, stages=(dataclasses.replace(stage, **grown),))
    made, one, other = (Plan(each, "v5e", 4) for each in (run, alone, second))
    assert made.costs == [*one.costs, *other.costs]
    assert one.costs[0].flops != other.costs[0].flops
    assert (made.parameters, made.held, made.checkpoint) == (
        other.parameters,
        other.held,
        other.checkpoint,
    )
    assert sum(one.held.values()) < sum(made.held.values())
    assert not one.boundaries


@pytest.mark.parametrize("moments", ["keep", "reset"])
def test_as_a_stage_begins_each_chip_holds_what_there_was_and_what_is_made_of_it(moments):
    alone = smoke("causal_decoder", "Size.embed=32", "Size.layers=1")
    (stage,) = alone.stages
    changed = {"size": dataclasses.replace(alone.size, layers=2, vocab=400)}
    after = dataclasses.replace(stage, **changed, moments=moments, surgery=Surgery())
    run = dataclasses.replace(alone, stages=(stage, after), mesh=Mesh(data=2, model=2))
    mesh = run.mesh.build(jax.devices()[:4])
    first, second = (Program(run, number, mesh) for number in (0, 1))

    def parts(tree) -> list:
        shards = [one for leaf in jax.tree.leaves(tree) for one in leaf.addressable_shards]
        return [one.data for one in shards if one.device == jax.devices()[0]]

    state = first.first()
    # Moments that are not kept are given back before anything is made, maybe where they were.
    kept = state.moments if moments == "keep" else {}
    old = {"old weights": parts(state.weights), "old moments": parts(kept)}
    there = {part.unsafe_buffer_pointer() for own in old.values() for part in own}
    expected = {name: sum(part.nbytes for part in own) for name, own in old.items()}
    new = parts(second.after(state))
    made = sum(one.nbytes for one in new if one.unsafe_buffer_pointer() not in there)
    assert 0 < made < sum(one.nbytes for one in new)
    assert Plan(run, "v4").boundaries == {1: {**expected, "what is made of them": made}}
