"""The systems that people know, counted, planned and compiled: `make experiments` writes a page.

It is docs/experiments.md. Nothing is run and no text is read. What was compiled is found again by
the next start, so that it may be stopped and gone on with.
"""

import dataclasses
import importlib.metadata
from pathlib import Path

import jax

from archlab import config, experiments
from archlab.compilation import Compilation, Exhausted
from archlab.plan import Plan
from archlab.settings import Run
from benchmarks.table import table

PAGE = Path("docs/experiments.md")
MFU = 0.5


@dataclasses.dataclass(frozen=True)
class Named:
    """A system that others published.

    Args:
      parameters: what they say of it.
      topology: of the pod that the experiment names.
      pod: the word of gin/mesh.
    """

    parameters: str
    topology: str
    pod: str

    @property
    def chip(self) -> str:
        """The kind of chip."""
        return self.topology.partition(":")[0]


NAMED = {
    "bert_base": Named("110M", "v5e:4x4", "v5e_16"),
    "gpt2_xl": Named("1,557,611,200", "v5e:4x4", "v5e_16"),
    "code_fim_1b": Named("1,124,886,528", "v5e:4x4", "v5e_16"),
    "palm_8b": Named("8.63B", "v5p:4x8x8", "v5p_512"),
    "t5_1_1_xxl": Named("11,135,332,352", "v5p:4x8x8", "v5p_512"),
    "ul2_20b": Named("20B", "v5p:4x8x8", "v5p_512"),
    "palm_62b": Named("62.50B", "v5p:8x16x16", "v5p_4096"),
    "u_palm_62b": Named("62.50B", "v5p:4x8x8", "v5p_512_long"),
    "flan_t5_xxl": Named("11,135,332,352", "v5p:4x8x8", "v5p_512_few"),
}

HEAD = """# The systems people know

Written by `make experiments`, with jax {jax} and the compiler of libtpu {libtpu}, on a machine
without a TPU: nothing was run, and no text was read. Each is a file of `experiments/`, which says
where its numbers are from, what was not published, and what differs here; each has a twin,
`…_tiny`, of the same stages, objectives and switches, which trains in seconds on the standard
library.

```sh long
archlab plan ul2_20b --chip v5p
archlab compile ul2_20b --topology v5p:4x8x8
archlab train ul2_20b_tiny
archlab train ul2_20b --set Data.tfds=DIR --set Data.vocabulary=FILE
```

"""
COUNTS = f"""## What they are

Parameters are counted here and, beside it, by those who published them, of BERT with those of its
other task. Chip-hours and days are those of `archlab plan` at {MFU:.0%} of the chips' peak.

"""
COMPILED = """## Compiled for their pods

Of each the stage whose gradient keeps the most, as `archlab plan` reckons. Pods are words of
`gin/mesh/`. *A chip* is all that the compiled step holds of a chip's memory; *a step* is what its
compiler expects it to take, if what is sent hides behind what is computed or if not.
[compiled.md](compiled.md) says how these are reckoned. Compiling shared two cores with other work.

"""


def gib(number: float) -> str:
    """Args: number: of bytes. Returns: of GiB."""
    return f"{number / 2**30:.2f}"


def cost(name: str, run: Run) -> list[str]:
    """Args: name, run: an experiment. Returns: what it is, and what it takes."""
    named = NAMED[name]
    made = Plan(run, named.chip, mfu=MFU)
    assert f"/{named.pod}.gin'" in experiments.find(name).read_text()
    stages = ", then ".join(
        f"{one.mixture}, {one.total_tokens / 1e9:,.0f}B tokens" for one in run.stages
    )
    hours, days = (sum(getattr(one, what) for one in made.costs) for what in ("chip_hours", "days"))
    counted = f"{sum(made.parameters.values()):,}"
    many = f"{made.many:,} {named.chip}"
    return [f"`{name}`", stages, counted, named.parameters, many, f"{hours:,.0f}", f"{days:.3g}"]


def largest(made: Plan) -> int:
    """Args: made: of an experiment. Returns: the stage whose gradient keeps the most."""
    numbers = range(len(made.run.stages))
    return max(numbers, key=lambda number: sum(one.bytes for one in made.kept(number)))


def compiled(name: str, run: Run) -> list[str]:
    """Args: name, run: an experiment. Returns: what came of its largest stage."""
    named = NAMED[name]
    number = largest(Plan(run, named.chip))
    one = Compilation(run, number, named.topology)
    head = [f"`{name}`", run.stages[number].mixture, named.pod]
    try:
        held = one.memory
    except Exhausted as why:
        return [*head, f"no: {why}", "", gib(one.chip.bytes), "", "", ""]
    best, worst = one.step
    high, low = one.mfu
    sizes = [gib(sum(held.values())), gib(one.chip.bytes)]
    times = [f"{best:.2f} to {worst:.2f}", f"{high:.0%} to {low:.0%}"]
    return [*head, "yes", *sizes, *times, f"{one.seconds:.0f}"]


def main() -> None:
    """Counts, plans, compiles, and writes the page, anew with each that was compiled."""
    runs = {name: config.read(name).run for name in NAMED}
    costs = [cost(name, run) for name, run in runs.items()]
    about = {"jax": jax.__version__, "libtpu": importlib.metadata.version("libtpu")}
    counted = ["experiment", "stages", "parameters", "published", "chips", "chip-hours", "days"]
    found = ["experiment", "stage", "pod", "fits", "a chip, GiB", "of GiB"]
    found += ["a step, s", "MFU", "compiling, s"]
    head = HEAD.format(**about) + COUNTS + table(counted, costs) + "\n" + COMPILED
    lines = []
    for name, run in runs.items():
        lines.append(compiled(name, run))
        print(" | ".join(lines[-1]), flush=True)
        PAGE.write_text(head + table(found, lines))


if __name__ == "__main__":
    main()
