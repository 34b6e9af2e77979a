"""The lines that were measured of a run: evaluations.jsonl in its directory.

They are read without JAX, so that a report can be.
"""

import dataclasses
import math
from pathlib import Path

from archlab import form
from archlab.evaluation.estimate import Estimate
from archlab.form import NONE, NUMBER

FILE = "evaluations.jsonl"
MAY_LACK = ("value", "chance")  # numbers that may be missing
FORM = {
    **{name: str for name in ("measure", "metric", "asked")},
    **{name: (*NUMBER, NONE) for name in MAY_LACK},
    "interval": [(*NUMBER, NONE)],
    "items": int,
    "notes": [str],
    "about": {},
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One number of a measure.

    Args:
      measure: what it is called.
      metric: what is counted.
      found: the number with its interval.
      chance: what knowing nothing gives; nan if that is not known.
      asked: the format, for people.
      notes: what a reader should know.
    """

    measure: str
    metric: str
    found: Estimate
    chance: float
    asked: str
    notes: tuple[str, ...] = ()


def read(folder: Path) -> list[tuple[Line, dict]]:
    """Reads what was measured of a run.

    Args:
      folder: the run directory.

    Returns:
      Each line, and what it is about: digests of the "weights" and the "measure", the "formats"
      that the run was trained on, the "step" and the "seed". Later ones last; a line that is half
      written is none.
    """
    path, found = folder / FILE, []
    for text in path.read_bytes().split(b"\n") if path.is_file() else []:
        try:
            said = form.parsed(text)
            if form.wrong(said, FORM) is not None:
                continue
            low, high = (math.nan if one is None else one for one in said["interval"])
            middle, chance = (math.nan if said[one] is None else said[one] for one in MAY_LACK)
            value = Estimate(middle, low, high, said["items"])
            about = (said["measure"], said["metric"], value, chance, said["asked"])
            found.append((Line(*about, tuple(said["notes"])), said["about"]))
        except (ValueError, TypeError):  # no JSON, or an interval that has not two ends
            continue
    return found


def found(folder: Path, marks: dict) -> list[Line]:
    """Finds what was measured before.

    Args:
      folder: the run directory.
      marks: what the lines are about, all or some of it; see `read`.

    Returns:
      The lines that are about all of it.
    """
    return [line for line, about in read(folder) if marks.items() <= about.items()]


def add(folder: Path, lines: list[Line], about: dict) -> None:
    """Adds to what was measured of a run.

    Args:
      folder: the run directory.
      lines: to add.
      about: what they are about; see `read`.
    """

    def number(value: float) -> float | None:
        return None if math.isnan(value) else value

    said = [
        {
            "measure": line.measure,
            "metric": line.metric,
            "value": number(line.found.value),
            "interval": [number(line.found.low), number(line.found.high)],
            "items": line.found.items,
            "chance": number(line.chance),
            "asked": line.asked,
            "notes": list(line.notes),
            "about": about,
        }
        for line in lines
    ]
    form.add(folder / FILE, said)
