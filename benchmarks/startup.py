"""How long a start takes to its first step: the first time, and the second.

`python -m benchmarks.startup` writes the section "Start-up" of docs/performance.md.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax

from archlab import experiments
from benchmarks.table import table, write

HOME = experiments.home()
EXPERIMENTS = ("quickstart", "smoke_encoder_decoder")
TIMES = 3
STARTS = ("nothing kept", "text kept", "text and programs kept")


def first_step(experiment: str, out: Path, cache: Path) -> float:
    """Starts a run, and stops it after its first step.

    Args:
      experiment: its name.
      out: the run directory, which is not there yet.
      cache: where text and programs are kept.

    Returns:
      Seconds from the start of the process to the record of the first step.
    """
    env = {**os.environ, "ARCHLAB_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    env.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "archlab", "train", experiment, "--out", str(out)]
    since, record = time.time(), out / "metrics.jsonl"
    process = subprocess.Popen(
        [*command, "--set", "Run.record_every=1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=env,
        cwd=HOME,
    )
    while process.poll() is None:
        lines = record.read_text().split("\n")[:-1] if record.exists() else []
        steps = [line for line in map(json.loads, lines) if line["kind"] == "train"]
        if steps:
            process.kill()
            process.communicate()
            return steps[0]["time"] - since
        time.sleep(0.05)
    raise RuntimeError(process.stderr.read().decode())


def measured(experiment: str) -> dict[str, float]:
    """Times each kind of start, in turns.

    Args:
      experiment: its name.

    Returns:
      Median seconds, by what was kept.
    """
    taken: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(TIMES):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "cache"
            for number, name in enumerate((STARTS[0], STARTS[2], STARTS[1])):
                if name == STARTS[1]:
                    shutil.rmtree(cache / "xla")
                taken[name].append(first_step(experiment, Path(folder) / str(number), cache))
    return {name: statistics.median(many) for name, many in taken.items()}


def section() -> str:
    """Measures, and writes the section.

    Returns:
      Markdown.
    """
    lines = []
    for experiment in EXPERIMENTS:
        found = measured(experiment)
        for name, seconds in found.items():
            ratios = [f"{seconds / found[other]:.0%}" for other in STARTS[:2]]
            lines.append([experiment, name, f"{seconds:.1f}", *ratios])
    machine = f"{platform.machine()}, {os.cpu_count()} cores, jax {jax.__version__}, cpu"
    return (
        "## Start-up\n\n"
        f"From the start of the process to its first step, medians of {TIMES} runs in turns;\n"
        f"{machine}. A second start of the same run finds text and programs.\n"
        "`python -m benchmarks.startup` measures it. Ratios are what to compare.\n\n"
        + table(["experiment", "start", "seconds", "of the first", "of text kept"], lines)
    )


def main() -> None:
    """Writes the section in place of the one that is there, or behind the others."""
    write(section())


if __name__ == "__main__":
    main()
