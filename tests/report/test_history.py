"""A history is what counts of a record: what was set back is void, what is unended is said so."""

import pytest

from archlab.report import history
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
    with pytest.raises(ValueError, match="manifest.json (is not JSON|holds no names)"):
        history.read(run, "run")
