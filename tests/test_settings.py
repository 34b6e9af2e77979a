import dataclasses
import json
import math

import pytest

from archlab.architecture import VISIBILITY, Architecture
from archlab.refusal import Refusal
from archlab.settings import SWITCHABLE, Run, from_settings, resolved
from archlab.size import Size
from archlab.stages import Schedule, Stage
from archlab.train.optimizer import Optimizer

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40)


def stage(**settings) -> Stage:
    return Stage("mixture", **{"steps": 3, "inputs": 4, "targets": 4, **settings})


def run(name: str = "causal_decoder", **settings) -> Run:
    stages = settings.pop("stages", (stage(),))
    return Run(settings.pop("architecture", Architecture(name)), SIZE, stages, **settings)


def test_a_run_is_rebuilt_from_its_own_json():
    stages = [stage()] * 10 + [
        stage(schedule=Schedule("wsd", peak=0.1)),
        stage(architecture="prefix_decoder"),
    ]
    original = run(stages=stages, expect=[1.0, 2.0], precision="float32")
    again = from_settings(json.loads(resolved(original).to_json()))
    assert again == original


def test_a_run_may_name_its_stages():
    assert from_settings(json.loads(resolved(run(stages="some")).to_json())).stages == "some"


def test_what_is_resolved_is_typed_and_frozen():
    found = resolved(run(stages=[stage(), stage(tokens="1M", steps=None)]))
    assert found.size.layers == 2 and found.optimizer.name == "adamw"
    assert found.stages["1"].tokens == "1M" and found.stages["0"].schedule.kind == "cosine"
    with pytest.raises(AttributeError):
        found.size.layers = 3


@pytest.mark.parametrize("own", VISIBILITY)
@pytest.mark.parametrize("other", VISIBILITY)
def test_a_stage_switches_only_where_the_weights_are_the_same(own, other):
    if own == other or {own, other} == set(SWITCHABLE):
        found = run(own, stages=(stage(architecture=other),))
        assert found.model(found.stages[0]).architecture == Architecture(other)
    else:
        with pytest.raises(
            ValueError, match=f"architecture='{other}' has other weights than {own}"
        ):
            run(own, stages=(stage(architecture=other),))


def test_relative_positions_do_not_switch():
    architecture = Architecture("causal_decoder", "relative")
    with pytest.raises(ValueError, match="different buckets .* use 'rope' or 'none'"):
        run(architecture=architecture, stages=(stage(architecture="prefix_decoder"),))


def test_rows_are_no_longer_than_the_table_of_positions():
    def learned(name: str, positions: int) -> Run:
        size = dataclasses.replace(SIZE, positions=positions)
        return Run(Architecture(name, "learned"), size, (stage(inputs=5, targets=9),))

    for name, longest in (("causal_decoder", 14), ("encoder", 14), ("encoder_decoder", 9)):
        assert learned(name, longest).size.positions == longest
        with pytest.raises(Refusal, match=f"a row has {longest} positions, .*; {longest} would do"):
            learned(name, longest - 1)
    with pytest.raises(Refusal, match="Size.positions=0") as caught:
        learned("encoder", 0)
    assert (caught.value.about, caught.value.stage) == ("Size.positions", 0)


def test_only_an_encoder_decoder_has_an_encoder_of_another_depth():
    size = dataclasses.replace(SIZE, encoder_layers=5)
    assert Run(Architecture("encoder_decoder"), size, (stage(),)).size.depth("encoder") == 5
    for name in ("causal_decoder", "encoder"):
        with pytest.raises(
            Refusal, match="Size.encoder_layers=5, and a .* has one stack"
        ) as caught:
            Run(Architecture(name), size, (stage(),))
        assert caught.value.about == "Size.encoder_layers"


def test_steps_are_scaled_by_width_where_the_optimizer_does_not_do_so_itself():
    size = dataclasses.replace(SIZE, base_embed=8)
    assert Run(Architecture("encoder"), size, (stage(),)).size.ratio == 0.5
    with pytest.raises(Refusal, match="Size.base_embed=8 counts on .* Architecture.scaled=True"):
        Run(Architecture("encoder", scaled=False), size, (stage(),))
    with pytest.raises(
        Refusal, match="Size.base_embed=8 .* adafactor follow the weights"
    ) as caught:
        Run(Architecture("encoder"), size, (stage(),), Optimizer("adafactor"))
    assert caught.value.about == "Size.base_embed"


def test_experts_have_no_biases():
    size = dataclasses.replace(SIZE, experts=4)
    assert Run(Architecture("encoder"), size, (stage(),)).balance == 0.01
    with pytest.raises(Refusal, match="bias=True, and Size.experts=4 hidden layers") as caught:
        Run(Architecture("encoder", bias=True), size, (stage(),))
    assert caught.value.about == "Architecture.bias"


def test_dropout_is_the_stage_s():
    one = run(stages=(stage(dropout=0.1), stage()))
    assert [one.model(each).dropout for each in one.stages] == [0.1, 0.0]


def test_flops_of_the_head_are_of_the_positions_that_carry_loss():
    one = run(stages=(stage(rows=2),))
    every, half = one.flops(one.stages[0]), one.flops(one.stages[0], scored=8)
    assert half.head * 2 == every.head and half.body == every.body
    assert half.attention == every.attention


def test_flops_are_of_all_rows_of_a_step():
    one, three = (run(stages=(stage(rows=rows),)) for rows in (1, 3))
    assert three.flops(three.stages[0]).total == 3 * one.flops(one.stages[0]).total > 0


@pytest.mark.parametrize(
    "field, value",
    [
        ("stages", ()),
        ("precision", "float16"),
        ("record_every", 0),
        ("save_every", 0),
        ("keep", 0),
        ("evaluate_every", -1),
        ("z_loss", -0.1),
        ("z_loss", math.nan),
        ("balance", -0.1),
        ("balance", math.inf),
        ("seed", -1),
        ("seed", 2**32),
        ("remat", "some"),
        ("attention", "flash"),
        ("expect", (2.0, 1.0)),
    ],
)
def test_what_cannot_be_is_refused(field, value):
    with pytest.raises(ValueError, match=field):
        run(**{field: value})
