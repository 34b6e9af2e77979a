import math

from rich.console import Console

from archlab.evaluation import tables
from archlab.evaluation.estimate import Estimate
from archlab.evaluation.lines import Line


def test_numbers_of_one_measure_stand_together():
    def line(measure: str, value: float, low: float = 0.25) -> Line:
        return Line(
            measure, "accuracy", Estimate(value, low, 0.75, 1200), 0.5, "causal", ("a note",)
        )

    found = {"one": [line("a", 0.125), line("b", 0.375)], "two": [line("a", 0.625, math.nan)]}
    console = Console(width=100)
    with console.capture() as captured:
        console.print(tables.shown(found, {"one": 3, "two": 4}))
    said = [row.split() for row in captured.get().splitlines() if "accuracy" in row or "two" in row]
    assert [row[:4] for row in said] == [
        ["a,", "accuracy", "one", "3"],
        ["two", "4", "0.625", "–"],
        ["b,", "accuracy", "one", "3"],
    ]
    assert said[0][4:] == "0.125 0.250 to 0.750 0.500 1,200 causal, a note".split()


def test_a_narrow_terminal_loses_no_word():
    estimate = Estimate(0.125, 0.1, 0.15, 256)
    said = Line(
        "continuation",
        "nats per byte",
        estimate,
        5.545,
        "sentinel",
        ("100% cut to fit 1024 tokens",),
    )
    console = Console(width=76)
    with console.capture() as captured:
        console.print(tables.shown({"a_run_of_another_name": [said]}, {"a_run_of_another_name": 0}))
    assert "…" not in captured.get()


def test_progress_counts_measures_and_questions():
    with tables.Progress(3) as progress:
        progress.begin("run", "pairs")
        progress.passed(1200)
        progress.begin("run", "choices")
        progress.passed(34)
        (task,) = progress._shown.tasks
        assert (task.completed, task.total, task.fields["scored"]) == (1, 3, 1234)
        assert task.description == "run: choices"
