"""Parity with Hugging Face: model by model, each way, how far logits are apart.

`make parity` runs the tests whose oracle transformers is, all of them, and writes docs/parity.md of
what they measured.
"""

import collections
import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

from benchmarks.table import table

HOME = Path(__file__).parent.parent
PAGE = HOME / "docs" / "parity.md"
TESTS = HOME / "tests" / "bridge" / "test_huggingface.py"
LIBRARIES = ("transformers", "torch", "jax", "safetensors")
HEAD = """# Parity with Hugging Face

Written by `make parity`, which runs `tests/bridge/test_huggingface.py` on every model.

Of a small model of each kind, with drawn weights: the largest difference of any logit between
archlab and transformers, both in float32 on a CPU, of what archlab read from a folder of
transformers (*imported*), of what transformers read from a folder of archlab (*exported*), of one
file or in shards, and of one that archlab drew and scaled in every way it can (*ours*); the largest
difference of any weight that was written and read again (*again*); how many of {prompts} prompts
are continued with the same tokens by both, greedily, or, of an encoder, filled in with the same
ones (*prompts*). *Logits* is the largest logit there is, which differences are to be compared with.
At most {most:.0e} is wanted, and 0 of weights.

{versions}.

"""
COLUMNS = ("imported", "exported", "sharded", "ours", "again")


class Measured:
    """Keeps what the tests measured, by model."""

    def __init__(self):
        self.by_model: dict[str, dict[str, float]] = collections.defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Args: report: of a test."""
        if report.when == "call" and report.passed:
            for name, number in report.user_properties:
                model, _, what = name.rpartition(": ")
                self.by_model[model][what] = number


def main() -> int:
    """Runs the proofs and writes what they measured.

    Returns:
      The exit status: that of the proofs.
    """
    os.environ["ARCHLAB_PARITY"] = "1"
    measured = Measured()
    # All but the test of the page itself, which this writes.
    words = ["-q", "-p", "no:cacheprovider", "-k", "not the_page", str(TESTS)]
    status = pytest.main(words, plugins=[measured])
    if status:
        return int(status)
    from tests.bridge.test_huggingface import MOST, PROMPTS

    lines = []
    for model, numbers in measured.by_model.items():
        cells = [f"{numbers[column]:.1e}" if numbers[column] else "0" for column in COLUMNS]
        many = f"{numbers['continued']} of {PROMPTS}"
        lines.append([model, *cells, many, f"{numbers['largest']:.1f}"])
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    head = ["model", *COLUMNS, "prompts", "logits"]
    text = HEAD.format(prompts=PROMPTS, most=MOST, versions=versions)
    PAGE.write_text(text + table(head, lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
