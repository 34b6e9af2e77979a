"""Curves of runs, drawn so that they are told apart by colour, by dash and by marker.

The loss has a logarithmic axis, so that the end of a run is not flattened by its beginning.
"""

import math

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

from archlab.report import series
from archlab.report.history import LEDGERS, History
from archlab.report.ink import COLOURS, INK, LOOK, style
from archlab.report.series import LOSS, Measure

SHOWN = ("tokens", "flops")  # what the picture of the losses shows them against
ROUND = {"steps": (1, 2, 2.5, 5, 10)}  # distances between two ticks
TICKS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 4, 6, 8), (1, 2, 5), (1,))
TIMES = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
ROOM = 60  # letters of a stage's name that go across a panel
SPREAD = 8  # of what the runs cost, from which on an axis is logarithmic
TALL = 0.05  # of a panel: a mark where a stage begins


def panel(histories: list[History], measure: Measure, unit: str = "tokens") -> Figure:
    """Draws one measure of all runs.

    Args:
      histories: the runs.
      measure: what is shown.
      unit: the ledger that it is shown against, a key of `history.LEDGERS`.

    Returns:
      A figure of one panel.
    """
    with matplotlib.rc_context(LOOK):
        # A page gives the loss more room; letters come out alike if their panel is larger too.
        size = (6.0, 3.5) if measure is LOSS else (3.7, 2.6)
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
        for axes, unit in zip(figure.subplots(1, 2), SHOWN, strict=True):
            _draw(axes, histories, LOSS, unit)
        handles = [Line2D([], [], **style(number)) for number in range(len(histories))]
        # A label that begins with _ is left out of a legend, one that begins with a space is not.
        labels = [f" {history.name}" for history in histories]
        columns = max(1, min(4, 120 // max(map(len, labels))))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def are_bands_shared(histories: list[History], unit: str) -> bool:
    """Says whether the stages of all runs stand in the same places.

    Args:
      histories: the runs.
      unit: see `panel`.

    Returns:
      Whether their names and boundaries are the same, so that one set of bands is everybody's.
    """
    first, *rest = [(_names(one), _edges(one, unit)) for one in histories]
    return all(names == first[0] and np.allclose(edges, first[1]) for names, edges in rest)


def _names(history: History) -> list[str]:
    return [facts["name"] for facts in history.stages]


def _edges(history: History, unit: str) -> list[float]:
    return [history.cost(number, 0, unit) for number in range(len(history.stages) + 1)]


def _draw(axes: Axes, histories: list[History], measure: Measure, unit: str) -> None:
    ends = [_end(history, measure, unit) for history in histories]
    size, label = _unit(unit, max(ends))
    shown, first = [], math.inf
    for number, history in enumerate(histories):
        x, y = series.points(history, measure, unit)
        _curve(axes, x / size, y, number, history.name, measure.is_noisy)
        held_x, held_y = series.marks(history, measure, unit)
        look = style(number)
        if measure.is_validated:
            marker = {"marker": look["marker"], "linewidths": 0, "zorder": 3}
            axes.scatter(held_x / size, held_y, 34, look["color"], **marker)
        shown += [*y.tolist(), *held_y.tolist()]
        first = np.nanmin([first, *x])
    is_named = measure is LOSS and are_bands_shared(histories, unit)
    _across(axes, first / size, [end / size for end in ends])
    if are_bands_shared(histories, unit):
        _bands(axes, histories[0], unit, size, max(ends), is_named)
    else:
        _beginnings(axes, histories, unit, size, ends)
    if len(histories) == 1 and measure is LOSS and histories[0].expect is not None:
        low, high = histories[0].expect
        last = [histories[0].cost(len(histories[0].stages) - 1, 0, unit) / size, ends[0] / size]
        if last[0] < last[1]:  # the band is about the last stage, which has begun
            axes.fill_between(last, low, high, color=COLOURS[2], alpha=0.25, lw=0, zorder=0)
            shown += [low, high]
    _scale(axes, measure, [value for value in shown if math.isfinite(value)])
    axes.xaxis.set_major_formatter("{x:g}" if unit == "seconds" else EngFormatter(sep="\u00a0"))
    axes.set_xlabel(label)
    pad = 16 if is_named else 6  # above the names of the stages
    axes.set_title(measure.title, loc="left", fontsize=10, pad=pad)
    axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
    if not shown:
        axes.set(xticks=[], yticks=[])
        axes.annotate("nothing recorded yet", (0.5, 0.5), None, "axes fraction", ha="center")


def _end(history: History, measure: Measure, unit: str) -> float:
    """Where a run stands; 0 where it has nothing to show."""
    has_any = any(measure.of(line) is not None for line in history.trains)
    return history.at(history.trains[-1], unit) if has_any else 0.0


def _unit(unit: str, most: float) -> tuple[float, str]:
    """How much one of an axis is, and what the axis is called."""
    if unit != "seconds":
        return 1, LEDGERS[unit]
    size, word = next((one for one in TIMES if most >= 2 * one[0]), TIMES[-1])
    return size, f"{LEDGERS[unit]}, {word}"


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
    smooth = series.average(y) if is_noisy else y
    if smooth is not y:
        light = {"label": "_records", "linewidth": 0.7, "alpha": 0.35, "color": look["color"]}
        axes.plot(*series.thin(x, y), **light)
    x, y = series.thin(x, smooth)
    bare = np.concatenate([[True], np.isnan(y), [True]])
    alone = np.flatnonzero(~bare[1:-1] & bare[:-2] & bare[2:]).tolist()  # no line shows these
    axes.plot(x, y, label=f" {name}", linewidth=1.4, markersize=4, markevery=alone, **look)


def _across(axes: Axes, first: float, ends: list[float]) -> None:
    """Scales the axis of what was spent."""
    if max(ends) >= SPREAD * min(filter(None, ends), default=math.inf):
        axes.set_xscale("log")
        axes.set_xlim(first / 1.2, max(ends) * 1.2)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(_ticks(*axes.get_xlim()))
    else:
        axes.set_xlim(0, max(ends) * 1.03 or 1)
        axes.xaxis.set_major_locator(MaxNLocator(6, **ROUND))


def _bands(
    axes: Axes, history: History, unit: str, size: float, last: float, is_named: bool
) -> None:
    """Shades every other stage, and names them."""
    edges, left = _edges(history, unit), axes.get_xlim()[0]
    for number, name in enumerate(_names(history)):
        low, high = edges[number], min(edges[number + 1], last)
        if low >= last:
            break
        start = max(low / size, left)  # a logarithmic axis has no 0
        if number % 2:
            axes.axvspan(start, high / size, color=INK, alpha=0.06, linewidth=0, zorder=0)
        if not is_named:
            continue
        room = int(ROOM * (high - low) / last)
        if len(name) > room:
            name = name[: room - 1] + "…" if room > 3 else ""
        at = (start, 1)
        axes.annotate(name, at, (1, 3), axes.get_xaxis_transform(), "offset points", fontsize=8)


def _beginnings(
    axes: Axes, histories: list[History], unit: str, size: float, ends: list[float]
) -> None:
    """Marks, at the upper edge, where the stages of each run begin."""
    for number, history in enumerate(histories):
        within = [edge / size for edge in _edges(history, unit)[1:-1] if edge < ends[number]]
        look = {"color": style(number)["color"], "linewidth": 2, "label": "begins"}
        axes.vlines(within, 1 - TALL, 1, transform=axes.get_xaxis_transform(), **look)


def _scale(axes: Axes, measure: Measure, shown: list[float]) -> None:
    if measure.is_log and shown and min(shown) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(_ticks(*axes.get_ylim()))
    elif shown and not measure.is_log and min(shown) >= 0:
        axes.set_ylim(bottom=0)
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
