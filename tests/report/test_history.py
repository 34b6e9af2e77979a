"""A history is what counts of a record: what was set back is void, what is unended is said so."""

import copy
import functools
import math
import operator

import pytest

from archlab.report import history, ink
from archlab.report.page import report
from tests.runs_written import FLOPS, PREFIX, SPAN, evaluate, stage, start, train, whole, write


def test_an_ended_run_that_goes_on_is_unfinished(tmp_path):
    run = write(tmp_path / "run", [*whole(), start(stage(SPAN), stage(PREFIX), resumed_from=4)])
    found = history.read(run, "run")
    assert found.end is None and found.trains[-1]["total_step"] == 4


def test_steps_that_a_later_start_went_back_behind_are_void_before_they_are_taken_anew(tmp_path):
    lines = [start(stage(SPAN, 9)), *[train(i, 9.0) for i in (1, 2, 3)], evaluate(3, 9.0)]
    run = write(tmp_path / "run", [*lines, start(stage(SPAN, 9), resumed_from=2)])
    found = history.read(run, "run")
    assert [line["step"] for line in found.trains] == [1, 2] and not found.evaluates
    again = write(tmp_path / "again", [*lines, start(stage(SPAN, 9))])
    assert not history.read(again, "again").trains


def test_cost_is_that_of_all_stages_before(tmp_path):
    found = history.read(write(tmp_path / "run", whole()), "run")
    for line in [*found.trains, *found.evaluates]:
        where = line["stage"], line["step"]
        assert found.cost(*where, "tokens") == line["tokens"]
        assert found.cost(*where, "flops") == sum(FLOPS.values()) * line["total_step"]


@pytest.mark.parametrize("text", ["", "[]", "{", "3"])
def test_a_broken_file_is_named(tmp_path, text):
    run = write(tmp_path / "run", whole())
    (run / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match="manifest.json is not (JSON|as archlab writes it)"):
        history.read(run, "run")


def broken(value):
    """The same line with one thing in it gone, or odd: every one of them in turn."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield {**value, name: {"odd": []}}, name
            yield {other: value[other] for other in value if other != name}, name
            for changed, where in broken(inner):
                yield {**value, name: changed}, where
    elif isinstance(value, list) and value:
        for changed, where in broken(value[0]):
            yield [changed, *value[1:]], where


LINES = whole(expect=[1.0, 3.0])


@pytest.mark.parametrize("number", [0, 1, -2, -1])
def test_whatever_is_odd_in_a_line_is_refused_in_one_line_or_not_needed(
    tmp_path, number, monkeypatch
):
    monkeypatch.setattr(ink, "svg", lambda *_: "drawn")  # drawing takes longest, and reads nothing
    monkeypatch.setattr(ink, "png", lambda *_: b"drawn")
    at = range(len(LINES))[number]
    for place, (line, where) in enumerate(broken(LINES[number])):
        lines = [*LINES[:at], line, *LINES[at + 1 :]]
        run = write(tmp_path / str(place), lines)
        try:
            report([run], tmp_path / "out")
        except ValueError as error:
            assert "\n" not in str(error) and str(run) in str(error), where


@pytest.mark.parametrize(
    "number, place, value",
    [
        (0, "parameters", "3"),
        (0, "stages.0.steps", -1),
        (0, "stages.1.tokens_per_step", math.nan),
        (0, "stages.0.flops_per_step.body", math.inf),
        (2, "total_step", True),
        (2, "tokens", -1),
        (2, "seconds", math.nan),
        (2, "loss", 1e300),
        (2, "loss_by_objective.span_corruption", "low"),
        (-1, "ledger.flops.head", -1e9),
        (-1, "ledger.visited_parameters", math.inf),
    ],
)
def test_a_number_that_cannot_be_is_named_with_its_line(tmp_path, number, place, value):
    lines = copy.deepcopy(LINES)
    *above, name = (int(one) if one.isdecimal() else one for one in place.split("."))
    functools.reduce(operator.getitem, above, lines[number])[name] = value
    run = write(tmp_path / "run", lines)
    line = range(1, len(lines) + 1)[number]
    with pytest.raises(ValueError, match=rf"metrics\.jsonl:{line}: {place} of this .* line is "):
        history.read(run, "run")


def test_great_numbers_and_losses_that_are_none_are_read(tmp_path):
    lines = copy.deepcopy(LINES)
    lines[2] |= {"loss": math.nan, "loss_tokens": 10**32, "seconds": 10**32, "gradient_norm": 1e32}
    lines[3] |= {"loss": math.inf, "flops": {part: 10**32 for part in FLOPS}}
    lines[-1]["ledger"]["epochs"] = {"streamed_causal_lm": math.nan}  # nobody knows how long it is
    found = history.read(write(tmp_path / "run", lines), "run")
    assert found.cost(0, 2, "seconds") == found.cost(0, 2, "loss_tokens") == 1e32
    assert math.isnan(found.trains[1]["loss"]) and math.isinf(found.trains[2]["loss"])
    assert math.isnan(found.ledger["epochs"]["streamed_causal_lm"])


@pytest.mark.parametrize("text", ['{"devices": 5}', '{"devices": "x"}', '{"versions": 3}'])
def test_a_manifest_of_another_form_is_named(tmp_path, text):
    run = write(tmp_path / "run", whole())
    (run / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match="manifest.json is not as archlab writes it: [dv]"):
        history.read(run, "run")


@pytest.mark.parametrize("text", ['{"run": 3}', '{"run": {"expect": [1, "x"]}}', '{"run": []}'])
def test_a_config_of_another_form_is_named(tmp_path, text):
    run = write(tmp_path / "run", whole())
    (run / "config.json").write_text(text)
    with pytest.raises(ValueError, match="config.json is not as archlab writes it: run"):
        history.read(run, "run")


def test_a_byte_that_is_no_text_in_the_gin_file_is_shown_as_such(tmp_path):
    run = write(tmp_path / "run", whole())
    (run / "config.gin").write_bytes(b"# caf\xe9\n")
    assert history.read(run, "run").gin == "# caf\ufffd\n"


def test_a_step_of_a_stage_that_is_not_there_is_named(tmp_path):
    run = write(tmp_path / "run", [start(stage(SPAN)), train(1, 2.0, number=1)])
    with pytest.raises(ValueError, match="a step of stage 1, and its last start has 1"):
        history.read(run, "run")
