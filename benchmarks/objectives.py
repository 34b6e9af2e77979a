"""The objectives: what is proven of each, how fast it is, how full its rows are.

`make objectives` runs the proofs, measures, and writes docs/objectives.md.
"""

import collections
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from archlab.data.objectives.table import OBJECTIVES
from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, prepare
from archlab.data.row import KINDS, Row
from archlab.data.vocabulary import Vocabulary
from benchmarks.table import table

HOME = Path(__file__).parent.parent
PAGE = HOME / "docs" / "objectives.md"
TESTS = HOME / "tests" / "data" / "objectives"
INPUTS, TARGETS = 512, 128
ROWS, ROUNDS = 64, 7
KINDS_OF_PROOF = ("property", "oracle")


class Proofs:
    """Counts the tests that passed, by objective and kind of proof.

    A test says what it proves with `@pytest.mark.proves("property", "span_corruption", …)`; one
    that names no objective proves those that it is parametrised with.
    """

    def __init__(self):
        self.passed: dict[tuple[str, str], int] = collections.Counter()
        self._proves: dict[str, list[tuple[str, str]]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Args: items: that were collected."""
        for item in items:
            given = getattr(item, "callspec", None)
            values = {one for one in given.params.values() if isinstance(one, str)} if given else ()
            self._proves[item.nodeid] = [
                (name, mark.args[0])
                for mark in item.iter_markers("proves")
                for name in (mark.args[1:] or sorted({*values} & {*OBJECTIVES}))
            ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Args: report: of a test."""
        if report.when == "call" and report.passed:
            self.passed.update(self._proves.get(report.nodeid, ()))


def measured(name: str, kind: str, recipes: dict) -> list[str]:
    """Measures one objective in one kind of row."""
    rows = Rows(recipes[f"python_stdlib_{name}"], INPUTS, TARGETS, kind, 0, 0)
    raw = OBJECTIVES[name].raw(Row(INPUTS, TARGETS, kind), rows.vocabulary)
    taken = []
    for number in range(ROUNDS):
        since = time.process_time()
        batch = rows.batch(number * ROWS, ROWS)
        taken.append(time.process_time() - since)
    streams = [one for one in (batch.encoder, batch.decoder) if one is not None]
    filled = [np.mean(stream.end_BL > 0) for stream in streams]
    learnt = float(np.sum(batch.weight_BL)) / ROWS
    speed = ROWS * raw / statistics.median(taken) / 1e6
    share = " + ".join(f"{one:.1%}" for one in filled)
    return [f"{speed:.0f}", share, str(raw), f"{learnt:.0f}"]


def main() -> int:
    """Runs the proofs, measures, writes.

    Returns:
      The exit status: that of the proofs.
    """
    proofs = Proofs()
    status = pytest.main(["-q", "-p", "no:cacheprovider", str(TESTS)], plugins=[proofs])
    if status:
        return int(status)
    recipes = prepare([f"python_stdlib_{name}" for name in OBJECTIVES], Data()).wait()
    lines, vocabulary = [], Vocabulary()
    for name, objective in OBJECTIVES.items():
        proven = [str(proofs.passed[name, kind]) for kind in KINDS_OF_PROOF]
        for kind in KINDS:
            if objective.refusal(kind):
                continue
            try:
                objective.check(name, Row(INPUTS, TARGETS, kind), vocabulary)
            except ValueError as error:
                lines.append([f"`{name}`", kind, *proven, f"refused: {error}", "", "", ""])
                continue
            lines.append([f"`{name}`", kind, *proven, *measured(name, kind, recipes)])
            print(*lines[-1])
    head = ["objective", "rows", "properties", "oracles", "M tokens/s", "filled", "text", "loss"]
    PAGE.write_text(
        "# Objectives\n\nWritten by `make objectives`, which runs the proofs and measures.\n\n"
        "*Properties* and *oracles* are the tests that passed: what must hold whatever is drawn "
        "(inputs and targets give the text back, sentinels are distinct and in range, a row is "
        "what it is alone, …), and equality with something independent (t5.data, a published "
        "number, a law by chi-square). *M tokens/s* is millions of tokens of text a second of one "
        "core's time, from the store to arrays, bytes, the median of "
        f"{ROUNDS} batches of {ROWS} rows of {INPUTS} + {TARGETS}. *Filled* is the share of "
        "positions that hold tokens, encoder + decoder where there are both: they can both be full "
        "only where the row's sides are in the objective's own ratio. *Text* is the tokens of text "
        "that a row takes, *loss* what the loss counts in a row.\n\n"
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}.\n\n"
        + table(head, lines),
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
