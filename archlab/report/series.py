"""Series: the numbers that curves are drawn of, read off a run's record."""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np

from archlab.report.history import History

HALF = 100  # one record in so many is the half-life of a curve's average; longer, and it lags
POINTS = 150  # stretches that a curve is cut into, at most; each keeps its least and its greatest


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
COURSE = (
    Measure("learning rate", lambda line: line.get("learning_rate"), is_noisy=False),
    Measure("gradient norm before clipping", lambda line: line.get("gradient_norm"), True),
)
SYSTEM = (
    Measure("tokens per second", lambda line: line.get("tokens_per_second")),
    Measure("waiting for data, share of the time", lambda line: line.get("waiting")),
    Measure("memory of the process, bytes", lambda line: memory(line, "resident"), is_noisy=False),
    Measure(
        "most memory of a device so far, bytes",
        lambda line: memory(line, "device_peak"),
        is_noisy=False,
    ),
)


def by_objective(name: str) -> Measure:
    """The loss of one objective.

    Args:
      name: of the objective.

    Returns:
      What to show.
    """
    return Measure(name, lambda line: line["loss_by_objective"].get(name), True, True)


def memory(line: dict, name: str) -> int | None:
    """Reads how much memory was held.

    Args:
      line: a "train" line.
      name: "resident" or "device_peak".

    Returns:
      Bytes; None where the line has none.
    """
    return (line.get("memory") or {}).get(name)


def points(history: History, measure: Measure, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """The curve of a run.

    Args:
      history: the run.
      measure: what is shown.
      unit: the ledger that it is shown against, a key of `history.LEDGERS`.

    Returns:
      x and y; NaN in both between two stages, whose losses no line should join, and in y where the
      number was not finite.
    """
    x: list[float] = []
    y: list[float] = []
    for _, lines in itertools.groupby(history.trains, key=lambda line: line["stage"]):
        every = [(history.at(line, unit), measure.of(line)) for line in lines]
        found = [(where, value) for where, value in every if value is not None]
        if found and x:
            x.append(math.nan)
            y.append(math.nan)
        x += [where for where, _ in found]
        y += [value if math.isfinite(value) else math.nan for _, value in found]
    return np.array(x, float), np.array(y, float)


def marks(history: History, measure: Measure, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """The validations of a run.

    Args:
      history: the run.
      measure: what is shown.
      unit: see `points`.

    Returns:
      x and y, where y was recorded and finite; empty where the measure is not validated.
    """
    lines = history.evaluates if measure.is_validated else []
    pairs = [(history.cost(one["stage"], one["step"], unit), measure.of(one)) for one in lines]
    pairs = [(x, y) for x, y in pairs if y is not None and math.isfinite(y)]
    return np.array([x for x, _ in pairs], float), np.array([y for _, y in pairs], float)


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


def thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leaves of a long curve what can be seen of it.

    Args:
      x: as from `points`.
      y: likewise.

    Returns:
      The same, or, of each of `POINTS` stretches, the first and the last point, the least and the
      greatest, and a gap.
    """
    if len(x) <= 5 * POINTS:
        return x, y
    kept: set[int] = set()
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
