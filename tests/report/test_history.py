"""A history is what counts of a record: what was set back is void, what is unended is said so."""

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
