"""Every architecture compiled for every pod: `make compile-matrix` writes docs/compiled.md.

Nothing is run: the compiler for TPUs says what fits, what is sent and how many cycles it expects.
What was compiled is found again by the next start, so that it may be stopped and gone on with.
"""

import importlib.metadata
import tempfile
from pathlib import Path

import jax

from archlab import config
from archlab.architecture import VISIBILITY
from archlab.compilation import Compilation, Exhausted
from archlab.settings import Run
from benchmarks.table import table

PAGE = Path("docs/compiled.md")
LENGTH, ROWS = 2048, 4  # of a row, and of those on each chip, or on each group that shares them
PODS = {  # words of gin/mesh: their topology, slices, and ways to split the rows
    "v5e_256": ("v5e:16x16", 1, 256),
    "v5p_4096": ("v5p:8x16x16", 1, 512),
    "v6e_256": ("v6e:16x16", 1, 256),
    "2x_v5p_512": ("v5p:4x8x8", 2, 512),
}
SENTENCE = """
include 'gin/architecture/{architecture}.gin'
include 'gin/mesh/{pod}.gin'
include 'gin/optimizer/adamw.gin'
Run.size = @Size()
Size.layers = 24
Size.embed = 1024
Size.mlp = 4096
Size.heads = 8
Size.kv = 128
Size.vocab = 32128
Run.stages = [@Stage()]
Stage.mixture = "python_stdlib_prefix_lm"
Stage.tokens = "1T"
Stage.inputs = {inputs}
Stage.targets = {targets}
Stage.rows = {rows}
Stage.schedule = @Schedule()
Schedule.kind = "rsqrt"
Run.remat = "full"
"""

HEAD = """# Compiled for pods

Written by `make compile-matrix`, with jax {jax} and the compiler of libtpu {libtpu}, on a machine
without a TPU. Nothing was run: memory and what is sent are read off the compiled program, and time
is what its compiler estimates. `archlab compile EXPERIMENT --topology v5e:16x16` says the same of
any experiment.

24 layers a stack, embed 1,024, 8 heads of 128, gated hidden layers of 4,096, vocabulary 32,128;
{rows} rows of {length:,} tokens on each chip (v5p_4096: on each four), half of them given;
bfloat16 over float32 weights, AdamW, `Run.remat = "full"`. Pods are words of `gin/mesh/`.

*A step* is the compiler's cycles at the chip's clock, with attention, a kernel whose cycles it does
not estimate, at the chip's peak for all pairs of a query and a key. At best what is sent within a
slice hides behind that, at worst nothing does; what crosses between slices is not in it. *MFU*
follows from the same, by the FLOPs of the ledger, which count attention whole, the head at every
position, and what is computed again not at all. On v5p the compiler writes gathers and scatters as
reductions of whole arrays.

"""


def run(architecture: str, pod: str) -> Run:
    """Args: architecture: its name. pod: a word of gin/mesh. Returns: what is compiled."""
    half = LENGTH // 2
    said = {"architecture": architecture, "pod": pod, "rows": ROWS * PODS[pod][2]}
    with tempfile.NamedTemporaryFile("w", suffix=".gin") as file:
        file.write(SENTENCE.format(**said, inputs=half, targets=half))
        file.flush()
        return config.read(Path(file.name)).run


def gib(number: float) -> str:
    """Args: number: of bytes. Returns: of GiB."""
    return f"{number / 2**30:.2f}"


def line(architecture: str, pod: str) -> list[str]:
    """Args: architecture, pod: what is compiled for what. Returns: what came of it."""
    topology, slices, _ = PODS[pod]
    one = Compilation(run(architecture, pod), 0, topology, slices)
    try:
        held = one.memory
    except Exhausted as why:
        return [architecture, pod, f"no: {why}", *[""] * 8]
    best, worst = one.step
    high, low = one.mfu
    within, across = (
        sum(traffic.bytes for traffic in kinds.values())
        for kinds in (one.census.within, one.census.across)
    )
    sizes = [sum(held.values()), held["temporaries"], within, across]
    times = [f"{1000 * best:.0f} to {1000 * worst:.0f}", f"{high:.0%} to {low:.0%}"]
    cycles = f"{one.census.cycles / 1e6:,.0f}"
    return [architecture, pod, "yes", *map(gib, sizes), cycles, *times, f"{one.seconds:.0f}"]


def main() -> None:
    """Compiles, and writes the page."""
    lines = []
    for pod in PODS:
        for architecture in VISIBILITY:
            lines.append(line(architecture, pod))
            print(" | ".join(lines[-1]), flush=True)
    columns = ["architecture", "pod", "fits", "a chip, GiB", "temporaries, GiB"]
    columns += ["arrays of collectives in a slice, GiB", "across slices, GiB", "million cycles"]
    columns += ["a step, at best to at worst, ms", "MFU"]
    columns += ["compiling, s"]
    about = {"jax": jax.__version__, "libtpu": importlib.metadata.version("libtpu")}
    PAGE.write_text(HEAD.format(**about, rows=ROWS, length=LENGTH) + table(columns, lines))


if __name__ == "__main__":
    main()
