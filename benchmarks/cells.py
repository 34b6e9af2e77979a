"""How every cell starts: `python -m benchmarks.cells` prints what docs/ingredients.md says.

A cell is an architecture, a position, a norm and an activation; the places of norms take turns.
Tests start six of them, this all.
"""

import itertools
import math

import jax

from archlab import inspection
from archlab.architecture import ACTIVATIONS, NORMS, PLACES, POSITIONS, VISIBILITY, Architecture
from archlab.model.transformer import Transformer
from archlab.size import Size

SIZE = Size(layers=2, embed=64, mlp=128, heads=4, kv=16, vocab=400, positions=32)
SCALE = 0.1  # of the output, with which the first loss is to be near log V
TOGETHER = 12  # programs that are kept at once


def started(architecture: Architecture) -> list[float]:
    """Says how far from sane a cell starts.

    Args:
      architecture: of the cell.

    Returns:
      The first loss over log V, less 1; the root mean square of the stream, where it is largest and
      where it is smallest; the largest gradient of a layer over the smallest of its stack.
    """
    found = inspection.inspect(Transformer(SIZE, architecture), 3, 14, 18)
    layers = [part for part in found.parts if part.stream is not None]
    streams = [part.stream for part in layers]
    apart = []
    for stack in architecture.stacks:
        own = [part.gradient for part in layers if part.name.startswith(f"{stack}/")]
        apart.append(max(own) / min(own) if min(own) else math.inf)
    return [found.loss / found.chance - 1, max(streams), min(streams), max(apart)]


def main() -> None:
    """Starts all cells, and prints the worst of each number."""
    places, all_ = itertools.cycle(PLACES), []
    for cell in itertools.product(VISIBILITY, POSITIONS, NORMS, ACTIVATIONS):
        name, position, norm, activation = cell
        words = {"norm": norm, "norm_place": next(places), "bias": norm == "layer"}
        all_.append(started(Architecture(name, position, activation, output_scale=SCALE, **words)))
        if not len(all_) % TOGETHER:
            jax.clear_caches()
            print(f"{len(all_)} cells", flush=True)
    off, large, small, apart = zip(*all_, strict=True)
    print(f"first loss within {max(map(abs, off)):.2%} of log V")
    print(f"stream from {min(small):.2f} to {max(large):.2f}, root mean square after each layer")
    print(f"gradients of a stack's layers at most {max(apart):.2f} times apart")


if __name__ == "__main__":
    main()
