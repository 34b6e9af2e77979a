"""Speed, as ratios within one run: `make bench` prints the table and writes docs/benchmarks.md.

Absolute times say more about a machine than about archlab, so each is set against the machine's own
rate at multiplying matrices, measured between the same steps.
"""

import io
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.markdown import Markdown

from archlab import experiments, ledger
from archlab.architecture import VISIBILITY, Architecture
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, prepare
from archlab.data.row import KINDS
from archlab.mesh import Mesh
from archlab.program import Program
from archlab.settings import Run
from archlab.size import Size
from archlab.stages import Stage
from benchmarks.table import table

SIZE = Size(layers=4, embed=256, mlp=1024, heads=4, kv=64, vocab=384)
ROWS, INPUTS, TARGETS = 8, 256, 64
EDGE = 1024  # of the square matrices that the machine is measured by
ROUNDS = 7
OBJECTIVE = {
    "causal_decoder": "causal_lm",
    "prefix_decoder": "prefix_lm",
    "encoder_decoder": "prefix_lm",
    "encoder": "masked_lm",
}


def seconds(work) -> float:
    """Takes the time of one call, until its arrays are there."""
    since = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - since


def models(recipes: dict) -> list[list[str]]:
    """Times a training step of each architecture, between products of matrices."""
    square = jnp.ones((EDGE, EDGE), jnp.float32)
    product = jax.jit(lambda a, b: a @ b)
    product(square, square)
    steps, states, times = {}, {}, {name: [] for name in VISIBILITY}
    for name in VISIBILITY:
        mixture = f"python_stdlib_{OBJECTIVE[name]}"
        stage = Stage(mixture, steps=100, rows=ROWS, inputs=INPUTS, targets=TARGETS)
        run = Run(Architecture(name), SIZE, (stage,), precision="float32")
        program = Program(run, 0, Mesh().build(jax.devices()[:1]))
        batch = program.put(program.rows(recipes[mixture], "train").batch(0, ROWS))
        steps[name], states[name] = (program.learn, batch), program.first()
    machine = []
    for number in range(ROUNDS + 1):
        for name, (learn, batch) in steps.items():
            machine.append(2 * EDGE**3 / seconds(lambda: product(square, square)))

            def step(name=name, learn=learn, batch=batch):
                states[name], _ = learn(states[name], batch)
                return states[name]

            taken = seconds(step)
            if number:  # the first warms up
                times[name].append(taken)
    rate = statistics.median(machine)
    lines = []
    for name, taken in times.items():
        flops = ledger.training(SIZE, Architecture(name), INPUTS, TARGETS).times(ROWS).total
        middle = statistics.median(taken)
        tokens = ROWS * (INPUTS + TARGETS) / middle
        lines.append([name, f"{tokens:,.0f}", f"{flops / middle / rate:.0%}"])
    return [[*line, f"{rate / 1e9:,.0f}"] for line in lines]


def data(recipes: dict) -> list[list[str]]:
    """Times the making of batches, one core, for each objective and kind of row."""
    lines = []
    for objective, how in OBJECTIVES.items():
        for kind in (kind for kind in KINDS if not how.refusal(kind)):
            rows = Rows(recipes[f"python_stdlib_{objective}"], 512, 128, kind, 0, 0)
            taken = []
            for number in range(ROUNDS):
                since = time.process_time()
                rows.batch(number * 64, 64)
                taken.append(time.process_time() - since)
            rate = 64 * 640 / statistics.median(taken)
            lines.append([objective, kind, f"{rate / 1e6:.1f}"])
    return lines


def starts() -> list[list[str]]:
    """Times what a user waits for, in processes of their own."""
    archlab = [sys.executable, "-m", "archlab"]
    lines = []
    for name, command in {
        "archlab --help": [*archlab, "--help"],
        "archlab list": [*archlab, "list"],
        "import jax": [sys.executable, "-c", "import jax"],
        "import seqio": [sys.executable, "-c", "import seqio"],
    }.items():
        taken = [_process(command) for _ in range(3)]
        lines.append([name, f"{statistics.median(taken):.2f}"])
    smoke = str(experiments.find("smoke_causal_decoder"))
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "ARCHLAB_CACHE": f"{folder}/cache"}
        few = [
            "--set",
            "Stage.tokens=1K",
            "--set",
            "Schedule.warmup=1",
            "--set",
            "Run.evaluate_rows=8",
        ]
        for name in ("first", "second"):
            command = [*archlab, "train", smoke, *few, "--out", f"{folder}/{name}"]
            taken = _process(command, env)
            lines.append([f"one step of smoke_causal_decoder, {name} time", f"{taken:.1f}"])
    return lines


def _process(command: list[str], env: dict | None = None) -> float:
    since = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=env)
    return time.perf_counter() - since


def main() -> None:
    """Measures, prints, writes."""
    names = [f"python_stdlib_{objective}" for objective in OBJECTIVES]
    recipes = prepare(names, Data()).wait()
    page = io.StringIO()
    page.write(
        "# Benchmarks\n\nWritten by `make bench`; medians of one run. Ratios are what to compare; "
        "the absolute numbers are this machine's.\n\n"
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"jax {jax.__version__}, {jax.devices()[0].device_kind}.\n\n"
    )
    page.write(
        f"## Training steps\n\n{SIZE.layers} layers a stack, embed {SIZE.embed}, mlp {SIZE.mlp}, "
        f"{ROWS} rows of {INPUTS} + {TARGETS}, float32. The share is of the rate at which the "
        f"machine multiplies {EDGE} × {EDGE} matrices, measured between the steps.\n\n"
    )
    page.write(
        table(
            ["architecture", "tokens/s", "share of matmul rate", "matmul GFLOP/s"], models(recipes)
        )
    )
    page.write(
        "\n## Batches\n\nMillions of tokens a second of one core's time, rows of 512 + 128.\n\n"
    )
    page.write(table(["objective", "kind", "M tokens/s"], data(recipes)))
    page.write("\n## Starting\n\nSeconds of wall clock.\n\n")
    page.write(table(["what", "seconds"], starts()))
    Console().print(Markdown(page.getvalue()))
    (Path(__file__).parent.parent / "docs" / "benchmarks.md").write_text(page.getvalue())


if __name__ == "__main__":
    main()
