"""Tables put losses beside what they cost, and seeds together."""

import io
import math
import statistics

import rich.console

from archlab.report import history
from archlab.sweep import grid, tables
from tests.runs_written import end, whole, write

CELLS = grid.cells(["Size.layers=2,4", "Run.seed=0:3"])


def drawn(table):
    console = rich.console.Console(width=300, record=True, file=io.StringIO())
    console.print(table)
    return [line.split("  ") for line in console.export_text().replace("\u00a0", " ").splitlines()]


def rows(table):
    every = [[cell.strip() for cell in line if cell.strip()] for line in drawn(table)]
    return [line for line in every if line and "─" not in line[0]]


def runs(tmp_path):
    """Five runs, the fourth unfinished, the last of twice the cost; the sixth recorded nothing."""
    found = {}
    for number, cell in enumerate(CELLS[:-1]):
        lines = whole(shift=number / 10)[: 5 if number == 3 else None]
        if number == 4:
            lines[-1] = end(16, 2.6)
        folder = write(tmp_path / cell.name, lines)
        found[cell.name] = history.read(folder, cell.name)
    return found | {CELLS[-1].name: None}


def test_what_runs_reached_stands_beside_what_they_cost(tmp_path):
    table = rows(tables.reached(runs(tmp_path), {CELLS[-1].name: 2}))
    heads = [head for line in table[:2] for head in line]
    assert {"run", "stands", "validation", "loss", "FLOPs", tables.BESIDE} <= set(heads)
    named = {line[0]: line[1:] for line in table[2:]}
    assert named["layers=2,seed=0"][:2] == ["finished", "2.2000"]
    assert named["layers=2,seed=0"][2:6] == ["800", "240", "80.0 k", "20.0 s"]
    assert named["layers=4,seed=0"][:2] == ["begun", "–"]  # what it was given is not all it will be
    assert named["layers=4,seed=0"][-1] == "–" and named["layers=2,seed=0"][-1] == "–"
    assert named["layers=4,seed=1"][-1] == "tokens × 2.00, loss tokens × 2.00, FLOPs × 2.00"
    assert named["layers=4,seed=2"][:2] == ["failed (2)", "–"]


def test_seeds_are_put_together(tmp_path):
    *_, first, second = rows(tables.seeds(CELLS, runs(tmp_path)))
    losses = [2.2, 2.3, 2.4]
    assert first == ["layers=2", "3", "2.3000", f"{statistics.stdev(losses):.4f}"]
    assert second == ["layers=4", "1", "2.6000", "–"]
    one = grid.cells(["Size.layers=2,4"])
    assert tables.seeds(one, {cell.name: None for cell in one}) is None


def test_what_is_to_be_known_before_comparing_is_said():
    costs = {"a": {"tokens": 5, "FLOPs": 5}, "b": {"tokens": 5, "FLOPs": 10}}
    said = tables.notes(costs, [["x"], ["x"]])
    assert said == ["The runs are equal in tokens, and not in FLOPs (up to 2.00 times the least)."]
    assert "not comparable" in tables.notes(costs, [["x"], ["y"]])[1]
    assert tables.notes({}, []) == []
    planned = rows(tables.planned(costs, {"a": "new", "b": "finished"}))
    assert planned[1:] == [
        ["a", "new", "5", "5", "–"],
        ["b", "finished", "5", "10", "FLOPs × 2.00"],
    ]


def test_a_seed_that_diverged_is_past_all_others(tmp_path):
    cells = grid.cells(["Run.seed=0:4"])
    shifts = dict(zip((cell.name for cell in cells), (0.1, math.nan, 0.2, math.inf), strict=True))
    ended = {
        name: history.read(write(tmp_path / name, whole(shift=shift)), name)
        for name, shift in shifts.items()
    }
    assert rows(tables.seeds(cells, ended))[-1] == ["all", "4", "not finite", "not finite"]
    few = {name: run for name, run in ended.items() if shifts[name] < math.inf}
    assert rows(tables.seeds(cells, few | {cells[1].name: ended[cells[1].name]}))[-1] == [
        *("all", "3", "2.4000", "not finite"),
    ]
