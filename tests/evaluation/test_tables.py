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


def test_progress_counts_measures_and_questions():
    with tables.Progress(3) as progress:
        progress.begin("run", "pairs")
        progress.passed(1200)
        progress.begin("run", "choices")
        progress.passed(34)
        (task,) = progress._shown.tasks
        assert (task.completed, task.total, task.fields["scored"]) == (1, 3, 1234)
        assert task.description == "run: choices"
