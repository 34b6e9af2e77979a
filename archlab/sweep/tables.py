"""A sweep, for people: what its runs will cost, and what came of them, beside what they were given.

A loss says nothing without what it cost, so no table here is without it.
"""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

from rich import box, table

from archlab.report import fairness, history
from archlab.report.history import History
from archlab.report.numbers import NONE, clock, engineering, loss
from archlab.sweep import standing
from archlab.sweep.grid import Cell

BESIDE = "beside the least"


def planned(costs: Mapping[str, Mapping[str, float]], stands: Mapping[str, str]) -> table.Table:
    """Lays out what runs will cost.

    Args:
      costs: of each run, by name, how much of each ledger.
      stands: how far each is.

    Returns:
      The table.
    """
    numbers = list(next(iter(costs.values())))
    made = _table(["run", "stands"], numbers)
    beside = fairness.shares(_columns(costs.values()))
    for (name, own), more in zip(costs.items(), beside, strict=True):
        shown = [engineering(own[number]) for number in numbers]
        made.add_row(name, stands[name], *shown, more)
    return made


def reached(runs: Mapping[str, History | None], failed: Mapping[str, int]) -> table.Table:
    """Lays out what came of runs.

    Args:
      runs: the history of each, by name; None of one that recorded nothing.
      failed: exit statuses of those that failed.

    Returns:
      The table.
    """
    made = _table(["run", "stands"], ["validation loss", *history.LEDGERS.values(), "parameters"])
    counted, ended = spent(runs), spent(finished(runs))
    beside = dict(zip(ended, fairness.shares(_columns(ended.values())), strict=True))
    for name, run in runs.items():
        stands = f"failed ({failed[name]})" if name in failed else _stands(run)
        if run is None or name not in counted:
            made.add_row(name, stands, *[NONE] * (2 + len(history.LEDGERS)), NONE)
            continue
        cost = [engineering(one) for one in counted[name].values()]
        cost.insert(3, clock(run.ledger["seconds"]))
        made.add_row(name, stands, loss(run.loss), *cost, beside.get(name, NONE))
    return made


def finished(runs: Mapping[str, History | None]) -> dict[str, History]:
    """Finds the runs that may be compared.

    Args:
      runs: the history of each, by name.

    Returns:
      Those that ended.
    """
    return {name: run for name, run in runs.items() if run is not None and run.end is not None}


def spent(runs: Mapping[str, History | None]) -> dict[str, dict[str, float]]:
    """Counts what runs were given.

    Args:
      runs: the history of each, by name.

    Returns:
      Of each that took a step, tokens, loss tokens, FLOPs and parameters, by those words.
    """
    words = {unit: word for unit, word in history.LEDGERS.items() if unit != "seconds"}
    return {
        name: {
            **{word: run.spent(unit) for unit, word in words.items()},
            "parameters": run.ledger["parameters"],
        }
        for name, run in runs.items()
        if run is not None and run.trains
    }


def seeds(cells: Sequence[Cell], runs: Mapping[str, History | None]) -> table.Table | None:
    """Lays out how far runs that differ in nothing but the seed are from each other.

    Args:
      cells: of the sweep.
      runs: the history of each, by name.

    Returns:
      The table, of what is finished; None where no two runs differ in the seed alone.
    """
    groups: dict[str, list[float]] = {}
    for cell in cells:
        run = finished(runs).get(cell.name)
        if run is not None and run.loss is not None:
            groups.setdefault(cell.but_seed, []).append(run.loss)
    if not any(len(losses) > 1 for losses in groups.values()):
        return None
    made = _table(["runs"], ["seeds", "median loss", "standard deviation"], False)
    for name, losses in groups.items():
        # A loss that is not finite is past all others, and leaves no deviation.
        ordered = [one if math.isfinite(one) else math.inf for one in losses]
        spread = None
        if len(losses) > 1:
            spread = statistics.stdev(losses) if max(ordered) < math.inf else math.inf
        made.add_row(
            name or "all", str(len(losses)), loss(statistics.median(ordered)), loss(spread)
        )
    return made


def notes(costs: Mapping[str, Mapping[str, float]], asked: Sequence[Sequence[str]]) -> list[str]:
    """Says what to know before comparing losses.

    Args:
      costs: of each run, by name, how much of each ledger.
      asked: the tasks that each run's losses are of.

    Returns:
      Sentences.
    """
    said = []
    if len(costs) > 1:
        said.append(fairness.sentence(_columns(costs.values())))
    if len({tuple(one) for one in asked}) > 1:
        said.append("They learn different tasks, and losses of different tasks are not comparable.")
    return said


def _stands(run: History | None) -> str:
    if run is None:
        return standing.NEW
    return standing.BEGUN if run.end is None else standing.FINISHED


def _columns(costs: Collection[Mapping[str, float]]) -> dict[str, list[float]]:
    every = [*costs]
    return {name: [one[name] for one in every] for name in (every[0] if every else {})}


def _table(words: list[str], numbers: list[str], is_beside: bool = True) -> table.Table:
    made = table.Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in words:
        made.add_column(heading, overflow="fold", no_wrap=heading == "stands")
    for heading in numbers:
        made.add_column(heading.replace(" ", "\n", 1), justify="right", no_wrap=True)
    if is_beside:
        made.add_column(BESIDE)
    return made
