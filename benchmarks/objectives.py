"""The objectives: what is proven of each, how fast it is, how full its rows are.

`make objectives` runs the proofs, measures, and writes docs/objectives.md.
"""

import collections
import platform
import re
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
HEAD = """# Objectives

Written by `make objectives`, which runs the proofs and measures.

*Properties* and *oracles* are the tests that passed, of an objective and of its family: what must
hold whatever is drawn (inputs and targets give the text back, sentinels are distinct and in range,
a row is what it is alone, …), and equality with something independent (t5.data, a published number,
a law by chi-square). *M tokens/s* is millions of tokens of text a second of one core's time, from
the store to arrays, of bytes, the median of {rounds} batches of {rows} rows of {inputs} +
{targets}. *Filled* is the share of positions that hold tokens, encoder + decoder where there are
both: both are full only where the row's sides are in the objective's own ratio. *Text* is the
tokens of text that a row takes, *loss* what the loss counts in it.

{machine}.

"""
# Tests that compare with something independent, by what they are called: another library, a
# published number, a law that draws must follow.
ORACLE = re.compile(r"t5|published|equally_likely|distributed|shares|antithetic|binomial")


class Proofs:
    """Counts the tests that passed, by objective and kind.

    A test of the table proves the objective that it is parametrised with, any other those of the
    family whose file it stands in.
    """

    def __init__(self):
        self.passed: dict[tuple[str, str], int] = collections.Counter()
        self._items: dict[str, pytest.Item] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Args: items: that were collected."""
        self._items = {item.nodeid: item for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Args: report: of a test."""
        if report.when != "call" or not report.passed:
            return
        item = self._items[report.nodeid]
        given = getattr(item, "callspec", None)
        named = {one for one in given.params.values() if isinstance(one, str)} if given else set()
        family = item.path.stem.removeprefix("test_").removesuffix("_t5")
        kind = "oracle" if ORACLE.search(f"{item.path.stem} {item.name}") else "property"
        self.passed[family, kind] += 1
        for name in named & {*OBJECTIVES}:
            self.passed[name, kind] += 1

    def of(self, name: str) -> list[str]:
        """Says how many proofs there are of an objective.

        Args:
          name: of the objective.

        Returns:
          Properties, and oracles.
        """
        family = type(OBJECTIVES[name]).__module__.rpartition(".")[2]
        both = ("property", "oracle")
        return [str(self.passed[family, kind] + self.passed[name, kind]) for kind in both]


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
        proven = proofs.of(name)
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
        HEAD.format(
            rounds=ROUNDS,
            rows=ROWS,
            inputs=INPUTS,
            targets=TARGETS,
            machine=", ".join(
                [
                    platform.machine(),
                    f"Python {platform.python_version()}",
                    f"NumPy {np.__version__}",
                ]
            ),
        )
        + table(head, lines),
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
