import dataclasses
import json

import pytest

from archlab.architecture import Architecture
from archlab.plain import from_settings, resolved
from archlab.settings import Run
from archlab.size import Size
from archlab.stages import Schedule, Stage
from archlab.surgery.choices import Surgery

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40)


def stage(**settings) -> Stage:
    return Stage("mixture", **{"steps": 3, "inputs": 4, "targets": 4, **settings})


def run(**settings) -> Run:
    settings = {"stages": (stage(),), **settings}
    return Run(Architecture("causal_decoder"), SIZE, **settings)


def test_a_run_is_rebuilt_from_its_own_json():
    deep = dataclasses.replace(SIZE, layers=3)
    stages = [stage()] * 10 + [
        stage(schedule=Schedule("wsd", peak=0.1)),
        stage(architecture="prefix_decoder"),
        stage(architecture="encoder", size=deep, surgery=Surgery(frozen=2)),
    ]
    original = run(stages=stages, expect=[1.0, 2.0], precision="float32", start="there")
    again = from_settings(json.loads(resolved(original).to_json()))
    assert again == original and again.stages[-1].size.layers == 3


def test_what_was_written_before_a_setting_was_there_is_read_with_its_default():
    written = json.loads(resolved(run()).to_json())
    del written["start"], written["stages"]["0"]["surgery"], written["stages"]["0"]["size"]
    assert from_settings(written) == run()


def test_a_run_may_name_its_stages():
    assert from_settings(json.loads(resolved(run(stages="some")).to_json())).stages == "some"


def test_what_is_resolved_is_typed_and_frozen():
    found = resolved(run(stages=[stage(), stage(tokens="1M", steps=None)]))
    assert found.size.layers == 2 and found.optimizer.name == "adamw"
    assert found.stages["1"].tokens == "1M" and found.stages["0"].schedule.kind == "cosine"
    with pytest.raises(AttributeError):
        found.size.layers = 3
