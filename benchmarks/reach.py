"""What it costs to address rows by number: memory over ten million, time to the billionth.

Runs in a process of its own, without TensorFlow: `python -m benchmarks.reach REQUEST` reads the
stages and where their text is, and prints what it found.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, prepare

SPAN = 10_000_000  # rows
FAR = 1_000_000_000  # the row that is looked up
ROWS = 64
SECONDS = 40.0  # for making rows all over the span
WARM = 0.2  # of them, after which memory is to stay as it is
ROUNDS = 15


def memory(stages: list[Rows]) -> dict[str, float]:
    """Makes rows all over the first ten million of each stage, and watches memory.

    Args:
      stages: one after another, again and again.

    Returns:
      "rows" that were made, "warm" and "end", the greatest memory that the process had held after
      the first fifth of the time and at the end, bytes.
    """
    since, made, warm = time.perf_counter(), 0, None
    while (taken := time.perf_counter() - since) < SECONDS:
        if warm is None and taken > WARM * SECONDS:
            warm = peak()
        # The share of the time that has passed is the share of the span.
        first = int(SPAN * taken / SECONDS) // ROWS * ROWS
        for rows in stages:
            rows.batch(first, ROWS)
            made += ROWS
    return {"rows": made, "warm": warm, "end": peak()}


def peak() -> int:
    """The greatest memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux lets a process inherit its parent's greatest use, as getrusage tells it.
        (line,) = [one for one in status.read_text().splitlines() if one.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def seek(make: Callable[[], Rows]) -> dict[str, float]:
    """Times the first batch of a run that begins at row 0, and of one that begins far on.

    Args:
      make: a stage anew, that has looked nothing up.

    Returns:
      "near" and "far", seconds, medians of rounds that alternate.
    """
    taken = {0: [], FAR: []}
    for number in range(ROUNDS + 1):
        for first, times in taken.items():
            rows = make()
            since = time.perf_counter()
            rows.batch(first, ROWS)
            if number:  # the first warms up
                times.append(time.perf_counter() - since)
    return {"near": statistics.median(taken[0]), "far": statistics.median(taken[FAR])}


def main() -> None:
    """Reads the request, measures, prints."""
    request = json.loads(sys.argv[1])
    recipes = prepare([*request["stages"]], Data(**request["data"])).wait()

    def stage(name: str) -> Rows:
        return Rows(recipes[name], *request["stages"][name], seed=0, stage=0)

    found = {"seek": {name: seek(lambda name=name: stage(name)) for name in recipes}}
    found["memory"] = memory([stage(name) for name in recipes])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
