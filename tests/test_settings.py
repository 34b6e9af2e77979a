import dataclasses
import math

import pytest

from archlab.architecture import VISIBILITY, Architecture
from archlab.refusal import Refusal
from archlab.settings import Run
from archlab.size import Size
from archlab.stages import Stage
from archlab.surgery.choices import Surgery
from archlab.surgery.compatibility import SWITCHABLE
from archlab.train.optimizer import Optimizer

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40)


def stage(**settings) -> Stage:
    return Stage("mixture", **{"steps": 3, "inputs": 4, "targets": 4, **settings})


def run(name: str = "causal_decoder", **settings) -> Run:
    stages = settings.pop("stages", (stage(),))
    return Run(settings.pop("architecture", Architecture(name)), SIZE, stages, **settings)


@pytest.mark.parametrize("own", VISIBILITY)
@pytest.mark.parametrize("other", VISIBILITY)
def test_a_stage_has_other_weights_than_the_one_before_by_surgery_alone(own, other):
    found = run(own, stages=(stage(architecture=other),))
    assert found.model(found.stages[0]).architecture == Architecture(other)
    if own == other or {own, other} == set(SWITCHABLE):
        found = run(own, stages=(stage(), stage(architecture=other)))
        assert found.model(found.stages[1]).architecture == Architecture(other)
        return
    with pytest.raises(
        Refusal, match=f"stage mixture: architecture='{other}' has other weights than {own}"
    ) as caught:
        run(own, stages=(stage(), stage(architecture=other)))
    assert (caught.value.about, caught.value.stage) == ("Stage.architecture", 1)
    found = run(own, stages=(stage(), stage(architecture=other, surgery=Surgery())))
    assert found.model(found.stages[1]).architecture == Architecture(other)


def test_an_architecture_that_is_not_there_is_refused():
    with pytest.raises(Refusal, match="architecture='decoder'") as caught:
        run(stages=(stage(architecture="decoder"),))
    assert (caught.value.about, caught.value.stage) == ("Stage.architecture", 0)


def test_relative_positions_do_not_switch():
    architecture = Architecture("causal_decoder", "relative")
    with pytest.raises(ValueError, match="different buckets .* use 'rope' or 'none'"):
        run(architecture=architecture, stages=(stage(), stage(architecture="prefix_decoder")))


def test_a_stage_has_a_size_of_its_own_by_surgery_alone():
    deep = dataclasses.replace(SIZE, layers=3)
    with pytest.raises(Refusal, match="Size.layers=3, .* made for 2; Stage.surgery = @S") as caught:
        run(stages=(stage(), stage(size=deep)))
    assert (caught.value.about, caught.value.stage) == ("Size.layers", 1)
    found = run(stages=(stage(), stage(size=deep, surgery=Surgery())))
    assert [found.model(one).size for one in found.stages] == [SIZE, deep]
    assert found.flops(found.stages[1]).body * 2 == found.flops(found.stages[0]).body * 3
    with pytest.raises(Refusal, match="Size.embed=32, .* made for 16; surgery changes"):
        run(stages=(stage(), stage(size=dataclasses.replace(SIZE, embed=32), surgery=Surgery())))


def test_a_stack_that_is_left_alone_is_as_deep_as_it_was():
    size = dataclasses.replace(SIZE, encoder_layers=5)
    names = ("encoder_decoder", "encoder", "causal_decoder")
    stages = [
        stage(architecture=name, surgery=Surgery() if number else None)
        for number, name in enumerate(names)
    ]
    found = Run(Architecture("encoder_decoder"), size, stages)
    depths = [found.model(one).size for one in found.stages]
    assert [(one.layers, one.encoder_layers) for one in depths] == [(2, 5), (5, 0), (2, 0)]


def test_surgery_has_something_to_work_on():
    with pytest.raises(Refusal, match="nothing to work on .* Run.start names") as caught:
        run(stages=(stage(surgery=Surgery()), stage()))
    assert (caught.value.about, caught.value.stage) == ("Stage.surgery", 0)
    assert run(stages=(stage(surgery=Surgery()),), start="there").start == "there"


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


@pytest.mark.parametrize("field", ["tied_stacks", "aligned"])
def test_stacks_that_go_layer_by_layer_are_as_deep_as_each_other(field):
    architecture = Architecture("encoder_decoder", **{field: True})
    for layers in (0, SIZE.layers):
        Run(architecture, dataclasses.replace(SIZE, encoder_layers=layers), (stage(),))
    with pytest.raises(Refusal, match=f"Size.encoder_layers=5, .*{field} has .* 0 is as") as caught:
        Run(architecture, dataclasses.replace(SIZE, encoder_layers=5), (stage(),))
    assert caught.value.about == "Size.encoder_layers"


def test_an_encoder_that_is_one_layer_less_deep_has_one_left():
    size = dataclasses.replace(SIZE, layers=1)
    with pytest.raises(Refusal, match="Size.layers=1, and .* takes one off .*; 2 would") as caught:
        Run(Architecture("encoder_decoder", aligned=True), size, (stage(),))
    assert caught.value.about == "Size.layers"
    Run(Architecture("encoder_decoder", aligned=True, tied_stacks=True), size, (stage(),))


def test_places_of_a_merged_decoder_go_on_after_its_inputs_in_the_table():
    architecture = Architecture("encoder_decoder", "learned", merged=True)
    for positions in (14, 13):
        given = architecture, dataclasses.replace(SIZE, positions=positions)
        if positions == 14:
            Run(*given, (stage(inputs=5, targets=9),))
            continue
        with pytest.raises(Refusal, match="a row has 14 positions, .*; 14 would do"):
            Run(*given, (stage(inputs=5, targets=9),))


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
