"""How the cost of a step grows with width and with length: `make bench-growth`.

Writes the section `## How the cost grows` of docs/performance.md, and its figure. A number is a
share of the machine's own rate at multiplying matrices, taken before each turn.
"""

import dataclasses
import os
import platform
import statistics

import jax
import matplotlib
from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from archlab.report.ink import COLOURS, MARKERS
from benchmarks.rivals.archlab_step import Step
from benchmarks.rivals.shapes import SHAPES, Shape
from benchmarks.table import PAGE, table, write

DOCS = PAGE.parent
FIGURE = "images/growth.svg"
TITLE = "## How the cost grows"
ROUNDS = 5
TOKENS = 2048  # of a step
WIDTHS, LENGTH = (128, 256, 512, 1024), 512
LENGTHS, WIDTH = (128, 256, 512, 1024, 2048, 4096), 512
KINDS = ("decoder", "encoder_decoder")
SAID = """{title}

`make bench-growth`; {machine}, {cores} cores, load {load:.1f} as it began, jax {jax}. One
training step of {tokens:,} tokens, float32, four layers (of each stack), heads of 64, hidden
layers of 2.75 times the width, vocabulary 8,192, AdamW; half of an encoder-decoder's tokens are
inputs. A share is what the FLOPs of the ledger, attention counted whole, take at the machine's
rate for products of 2,048 × 2,048, over what they took: the median of {rounds} turns of one step,
with the least and the greatest. With length attention grows into most of the step; a causal
decoder skips half of it, so that its share may pass that of its products.

![Share of the matmul rate by width and by length]({figure})

"""


def shape(kind: str, width: int, length: int) -> Shape:
    """Args: kind, width, length: of the rows. Returns: what is trained."""
    is_pair = kind == "encoder_decoder"
    length = length // 2 if is_pair else length
    return dataclasses.replace(
        SHAPES["decoder"],
        kind=kind,
        layers=4,
        embed=width,
        mlp=width * 11 // 4,
        heads=width // 64,
        rows=TOKENS // (2 * length if is_pair else length) or 1,
        inputs=length if is_pair else 0,
        targets=length,
    )


def shares(one: Shape) -> tuple[list[float], float, float]:
    """Args: one: to train. Returns: its share of the rate by turn, seconds, attention's share."""
    step = Step(one)
    flops = step.run.flops(step.run.stages[0])
    turns = [(step.rate(), step.seconds(1)) for _ in range(ROUNDS)]
    seconds = statistics.median(took for _, took in turns)
    return (
        [flops.total / took / rate for rate, took in turns],
        seconds,
        flops.attention / flops.total,
    )


def drawn(found: dict[tuple[str, int, int], list[float]]) -> None:
    """Args: found: shares by kind, width and length. Writes the figure."""
    matplotlib.rcParams["svg.hashsalt"] = "growth"  # the same figure of the same numbers
    figure, panels = pyplot.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    sides = (
        ("width", f"length {LENGTH}", [(width, (width, LENGTH)) for width in WIDTHS]),
        ("length", f"width {WIDTH}", [(length, (WIDTH, length)) for length in LENGTHS]),
    )
    for panel, (name, rest, places) in zip(panels, sides, strict=True):
        for number, kind in enumerate(KINDS):
            x = [at for at, _ in places]
            turns = [found[kind, *place] for _, place in places]
            y = [statistics.median(one) for one in turns]
            look = {"color": COLOURS[number], "marker": MARKERS[number]}
            spread = [
                [middle - min(one) for middle, one in zip(y, turns, strict=True)],
                [max(one) - middle for middle, one in zip(y, turns, strict=True)],
            ]
            panel.errorbar(x, y, spread, label=kind.replace("_", "-"), capsize=2, **look)
        panel.set(xscale="log", xlabel=f"{name}, at {rest}", ylim=(0, None))
        panel.xaxis.set_major_locator(FixedLocator([at for at, _ in places]))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter("{x:,.0f}")
        panel.yaxis.set_major_formatter(PercentFormatter(1))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("share of the matmul rate")
    panels[0].legend(frameon=False)
    path = DOCS / FIGURE
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measures, and writes the section."""
    load = os.getloadavg()[0]
    places = [(width, LENGTH) for width in WIDTHS] + [(WIDTH, length) for length in LENGTHS]
    found, lines = {}, []
    for kind in KINDS:
        for place in dict.fromkeys(places):
            turns, seconds, attention = shares(shape(kind, *place))
            found[kind, *place] = turns
            middle, low, high = statistics.median(turns), min(turns), max(turns)
            share = f"{middle:.0%} ({low:.0%} to {high:.0%})"
            numbers = (f"{one:,}" for one in place)
            lines.append([kind, *numbers, f"{1000 * seconds:,.0f}", f"{attention:.0%}", share])
            print(lines[-1], flush=True)
            jax.clear_caches()
    drawn(found)
    columns = ["rows", "width", "length", "ms a step", "FLOPs in attention", "share of matmul rate"]
    text = SAID.format(
        title=TITLE,
        machine=platform.machine(),
        cores=os.cpu_count(),
        load=load,
        jax=jax.__version__,
        tokens=TOKENS,
        rounds=ROUNDS,
        figure=FIGURE,
    )
    write(text + table(columns, lines))


if __name__ == "__main__":
    main()
