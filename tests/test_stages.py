import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab import stages
from archlab.refusal import Refusal
from archlab.stages import Schedule, Stage, count
from archlab.surgery.choices import Surgery


@pytest.mark.parametrize(
    "written, number",
    [
        ("1T", 10**12),
        ("100B", 10**11),
        ("3M", 3_000_000),
        ("1.5M", 1_500_000),
        ("2_048", 2048),
        (7, 7),
    ],
)
def test_numbers_are_read_as_people_write_them(written, number):
    assert count(written) == number


@pytest.mark.parametrize(
    "written", ["", "0", 0, -1, "1.5", "1t", "3 M", "M", "1e6", 2.0, True, None]
)
def test_what_is_no_whole_number_is_refused(written):
    with pytest.raises(ValueError, match="budget="):
        count(written)


@given(st.integers(1, 10**15), st.integers(1, 4096), st.integers(0, 600), st.integers(1, 600))
def test_a_stage_takes_the_fewest_steps_that_see_its_budget(tokens, rows, inputs, targets):
    stage = Stage("mixture", tokens=tokens, rows=rows, inputs=inputs, targets=targets)
    per_step = rows * (inputs + targets)
    assert stage.total_tokens == stage.total_steps * per_step
    assert stage.total_tokens - per_step < tokens <= stage.total_tokens


def test_t5s_trillion_tokens():
    """2,048 rows of 512 + 114 tokens a step."""
    stage = Stage("c4_span_corruption", tokens="1T", rows=2048, inputs=512, targets=114)
    assert stage.total_steps == -(-(10**12) // (2048 * 626)) == 780_002


@pytest.mark.parametrize(
    "settings, said",
    [
        ({}, "give one of them"),
        ({"tokens": "1M", "steps": 3}, "give one of them"),
        ({"steps": 3, "rows": 8, "accumulate": 3}, "accumulate=3 does not divide rows=8"),
        ({"steps": 3, "targets": 0}, "learns at least 1 token"),
        ({"steps": 3, "inputs": -1}, "learns at least 1 token"),
        ({"steps": 3, "moments": "lose"}, "moments='lose' is not one of keep, reset"),
        ({"steps": 3, "dropout": 1.0}, "dropout=1.0; it is a share, 0 or more, below 1"),
        ({"steps": 3, "dropout": -0.1}, "dropout=-0.1"),
        ({"steps": 3, "dropout": math.nan}, "dropout=nan"),
        ({"tokens": "much"}, "budget='much'"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Stage("mixture", **{"targets": 4, **settings})


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "linear"},
        {"peak": 0.0},
        {"peak": math.nan},
        {"peak": math.inf},
        {"warmup": -1},
        {"kind": "rsqrt", "before": -1},
        {"decay": 1.5},
        {"decay": math.nan},
        {"floor": -0.1},
    ],
)
def test_a_schedule_that_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match="Schedule"):
        Schedule(**settings)


def test_a_staged_mixture_has_one_meaning(monkeypatch):
    monkeypatch.setattr(stages, "_STAGED", {})
    two = [Stage("a", steps=1, targets=4), Stage("b", steps=2, targets=4)]
    stages.register("test_two", two)
    stages.register("test_two", list(two))
    assert stages.named("test_two") == tuple(two)
    with pytest.raises(ValueError, match="'test_two' is registered already, with other stages"):
        stages.register("test_two", two[:1])
    with pytest.raises(ValueError, match="no staged mixture 'test_tow'"):
        stages.named("test_tow")
    with pytest.raises(ValueError, match="has no stages"):
        stages.register("test_none", [])


def test_no_more_steps_stand_still_than_there_are():
    with pytest.raises(Refusal, match="Surgery.frozen=4, and the stage has 3 steps") as caught:
        Stage("mixture", steps=3, targets=4, surgery=Surgery(frozen=4))
    assert caught.value.about == "Surgery.frozen"
    assert Stage("mixture", steps=3, targets=4, surgery=Surgery(frozen=3)).surgery.frozen == 3
