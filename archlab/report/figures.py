"""Curves of runs, drawn so that they are told apart by colour, by dash and by marker.

The loss has a logarithmic axis, so that the end of a run is not flattened by its beginning.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    Locator,
    LogLocator,
    MaxNLocator,
    NullLocator,
)

from archlab.report.history import History, total
from archlab.report.ink import COLOURS, INK, LOOK, style

AXES = {"tokens": "tokens", "flops": "FLOPs"}
HALF = 100  # one record in so many is the half-life of a curve's average; longer, and it lags
POINTS = 600  # stretches that a curve is cut into, at most; each keeps its least and its greatest
ROUND = {"steps": (1, 2, 2.5, 5, 10)}  # distances between two ticks
TICKS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 4, 6, 8), (1, 2, 5), (1,))
ROOM = 60  # letters of a stage's name that go across a panel
SPREAD = 8  # of the runs' FLOPs, from which on an axis is logarithmic


@dataclasses.dataclass(frozen=True)
class Measure:
    """What a panel shows.

    Args:
      title: of the panel, with the unit.
      of: the number in a "train" or "evaluate" line; None where the line has none.
      is_log: whether its axis is logarithmic.
      is_validated: whether "evaluate" lines have it too.
      is_noisy: whether a curve of many records is drawn lightly, below its moving average.
    """

    title: str
    of: Callable[[dict], float | None]
    is_log: bool = False
    is_validated: bool = False
    is_noisy: bool = True


LOSS = Measure(
    "loss, nats per loss token (marks: validation)", lambda line: line["loss"], True, True
)
REST = (
    Measure("learning rate", lambda line: line.get("learning_rate"), is_noisy=False),
    Measure("gradient norm before clipping", lambda line: line.get("gradient_norm"), True),
    Measure("tokens per second", lambda line: line.get("tokens_per_second")),
)


def by_objective(name: str) -> Measure:
    """The loss of one objective.

    Args:
      name: of the objective.

    Returns:
      What to show.
    """
    return Measure(name, lambda line: line["loss_by_objective"].get(name), True, True)


def panel(histories: list[History], measure: Measure, unit: str = "tokens") -> Figure:
    """Draws one measure of all runs.

    Args:
      histories: the runs.
      measure: what is shown.
      unit: what it is shown against, "tokens" or "flops".

    Returns:
      A figure of one panel.
    """
    with matplotlib.rc_context(LOOK):
        # A page gives the loss more room; letters come out alike if their panel is larger too.
        size = (4.8, 3.1) if measure is LOSS else (3.7, 2.6)
        figure = Figure(figsize=size, layout="constrained")
        _draw(figure.add_subplot(), histories, measure, unit)
    return figure


def curves(histories: list[History]) -> Figure:
    """Draws the loss of all runs, against tokens and against FLOPs.

    Args:
      histories: the runs.

    Returns:
      A figure of two panels with a legend.
    """
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(10.5, 4.2), layout="constrained", facecolor="white")
        for axes, unit in zip(figure.subplots(1, 2), AXES, strict=True):
            _draw(axes, histories, LOSS, unit)
        handles = [Line2D([], [], **style(number)) for number in range(len(histories))]
        # A label that begins with _ is left out of a legend, one that begins with a space is not.
        labels = [f" {history.name}" for history in histories]
        columns = max(1, min(4, 120 // max(map(len, labels))))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def points(history: History, measure: Measure, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """The curve of a run.

    Args:
      history: the run.
      measure: what is shown.
      unit: what it is shown against, "tokens" or "flops".

    Returns:
      x and y; NaN in both between two stages, whose losses no line should join, and in y where the
      number was not finite.
    """
    x, y = [], []
    for _, lines in itertools.groupby(history.trains, key=lambda line: line["stage"]):
        found = [(_place(line, unit), measure.of(line)) for line in lines]
        found = [(where, value) for where, value in found if value is not None]
        if found and x:
            x.append(math.nan)
            y.append(math.nan)
        x += [where for where, _ in found]
        y += [value if math.isfinite(value) else math.nan for _, value in found]
    return np.array(x, float), np.array(y, float)


def average(y: np.ndarray) -> np.ndarray:
    """Smooths a curve: a moving average that forgets half in 1 % of the records.

    It begins anew behind each NaN, so that no stage leans on the one before, and its weights add up
    to one from the first record on.

    Args:
      y: as from `points`.

    Returns:
      As many numbers; NaN where y is. Below 100 records, y itself.
    """
    records = int(np.sum(~np.isnan(y)))
    if records < HALF:
        return y
    kept = 0.5 ** (HALF / records)
    found, held, weight = np.empty_like(y), 0.0, 0.0
    for number, value in enumerate(y):
        held, weight = kept * held + value, kept * weight + 1
        found[number] = held / weight
        if math.isnan(value):
            held, weight = 0.0, 0.0
    return found


def _end(history: History, unit: str) -> float:
    return _place(history.trains[-1], unit) if history.trains else 0.0


def _place(line: dict, unit: str) -> float:
    return line["tokens"] if unit == "tokens" else total(line)


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(x) <= 5 * POINTS:
        return x, y
    kept = set()
    for part in np.array_split(np.arange(len(x)), POINTS):
        if len(part) < 4:
            kept.update(part)
            continue
        bare = np.isnan(y[part])
        floor, ceiling = np.where(bare, np.inf, y[part]), np.where(bare, -np.inf, y[part])
        kept.update((part[0], part[np.argmin(floor)], part[np.argmax(ceiling)], part[-1]))
        kept.update(part[bare][:1])
    order = sorted(kept)
    return x[order], y[order]


def _draw(axes: Axes, histories: list[History], measure: Measure, unit: str) -> None:
    ends = [_end(history, unit) for history in histories]
    shown: list[float] = []
    for number, history in enumerate(histories):
        x, y = points(history, measure, unit)
        _curve(axes, x, y, number, history.name, measure.is_noisy)
        shown += y.tolist()
        if measure.is_validated:
            shown += _validations(axes, history, measure, unit, number)
    if len(histories) == 1:
        _bands(axes, histories[0], unit, measure is LOSS)
        if measure is LOSS and histories[0].expect is not None:
            low, high = histories[0].expect
            x = [histories[0].cost(len(histories[0].stages) - 1, 0, unit), ends[0]]
            if x[0] < x[1]:  # the band is about the last stage, which has begun
                axes.fill_between(x, low, high, color=COLOURS[2], alpha=0.25, lw=0, zorder=0)
                shown += [low, high]
    _scale(axes, measure, [value for value in shown if math.isfinite(value)])
    if unit == "flops" and max(ends) >= SPREAD * min(filter(None, ends), default=math.inf):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(_ticks(*axes.get_xlim()))
    else:
        axes.set_xlim(0, max(ends) * 1.03 or 1)
        axes.xaxis.set_major_locator(MaxNLocator(6, **ROUND))
    axes.xaxis.set_major_formatter(EngFormatter(sep="\u00a0"))
    axes.set_xlabel(AXES[unit])
    pad = 16 if measure is LOSS and len(histories) == 1 else 6  # above the names of the stages
    axes.set_title(measure.title, loc="left", fontsize=10, pad=pad)
    axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
    if not shown:
        axes.set(xticks=[], yticks=[])
        axes.annotate("nothing recorded yet", (0.5, 0.5), None, "axes fraction", ha="center")


def _curve(
    axes: Axes, x: np.ndarray, y: np.ndarray, number: int, name: str, is_noisy: bool
) -> None:
    look = style(number)
    bad = np.isnan(y) & ~np.isnan(x)
    first = np.flatnonzero(bad & ~np.concatenate([[False], bad[:-1]]))
    if len(first):
        # At the foot of the panel, for a loss that is not a number has no height.
        foot = axes.get_xaxis_transform()
        heights = [0.03] * len(first)
        axes.scatter(x[first], heights, 36, look["color"], marker="x", transform=foot)
        is_late = x[first[0]] > 0.6 * np.nanmax(x)  # the words would leave the panel
        side, away = ("right", -6) if is_late else ("left", 6)
        at = (x[first[0]], 0.03)
        axes.annotate("not finite", at, (away, 0), foot, "offset points", ha=side, va="center")
    smooth = average(y) if is_noisy else y
    if smooth is not y:
        axes.plot(*_thin(x, y), label="_records", linewidth=0.7, alpha=0.35, color=look["color"])
    x, y = _thin(x, smooth)
    bare = np.concatenate([[True], np.isnan(y), [True]])
    alone = np.flatnonzero(~bare[1:-1] & bare[:-2] & bare[2:]).tolist()  # no line shows these
    axes.plot(x, y, label=f" {name}", linewidth=1.4, markersize=4, markevery=alone, **look)


def _validations(
    axes: Axes, history: History, measure: Measure, unit: str, number: int
) -> list[float]:
    pairs = [
        (history.cost(line["stage"], line["step"], unit), measure.of(line))
        for line in history.evaluates
    ]
    pairs = [(x, y) for x, y in pairs if y is not None and math.isfinite(y)]
    look = style(number)
    x, y = [x for x, _ in pairs], [y for _, y in pairs]
    axes.scatter(x, y, 34, look["color"], marker=look["marker"], linewidths=0, zorder=3)
    return [y for _, y in pairs]


def _bands(axes: Axes, history: History, unit: str, is_named: bool) -> None:
    edges = [history.cost(number, 0, unit) for number in range(len(history.stages) + 1)]
    last = _end(history, unit)
    for number, facts in enumerate(history.stages):
        low, high = edges[number], min(edges[number + 1], last)
        if low >= last:
            break
        if number % 2:
            axes.axvspan(low, high, color=INK, alpha=0.06, linewidth=0, zorder=0)
        if not is_named:
            continue
        room = int(ROOM * (high - low) / last)
        name = facts["name"]
        if len(name) > room:
            name = name[: room - 1] + "…" if room > 3 else ""
        axes.annotate(
            name, (low, 1), (1, 3), axes.get_xaxis_transform(), "offset points", fontsize=8
        )


def _scale(axes: Axes, measure: Measure, shown: list[float]) -> None:
    if measure.is_log and shown and min(shown) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(_ticks(*axes.get_ylim()))
    is_large = max(shown, default=0) >= 1000
    axes.yaxis.set_major_formatter(EngFormatter(sep="\u00a0") if is_large else "{x:g}")


def _ticks(low: float, high: float) -> Locator:
    decades = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    for steps in TICKS:
        ticks = np.outer(decades, steps).ravel()
        ticks = ticks[(low <= ticks) & (ticks <= high)]
        if 4 <= len(ticks) <= 8:
            return FixedLocator(ticks.tolist())
    return MaxNLocator(6, **ROUND) if high < 10 * low else LogLocator()
