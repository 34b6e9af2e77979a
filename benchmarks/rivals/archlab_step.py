"""archlab's training step on this machine's CPU, a turn at a time.

    python -m benchmarks.rivals.archlab_step SHAPE [unrolled]

Each line that is read is a turn: the seconds of one step are written. Before it, the machine's own
rate is taken, at multiplying matrices of the width of the model.
"""

import dataclasses
import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from archlab.architecture import Architecture
from archlab.batch import Batch, Stream
from archlab.mesh import Mesh
from archlab.program import Program
from archlab.settings import Run
from archlab.size import Size
from archlab.stages import Schedule, Stage
from benchmarks.rivals.shapes import SHAPES, STEPS, Shape

EDGE = 2048  # of the matrices that the machine is measured by


def settings(shape: Shape, unroll: bool = False) -> Run:
    """Args: shape: what is trained. unroll: `Run.unroll`. Returns: a run that trains it."""
    is_pair = shape.kind == "encoder_decoder"
    architecture = Architecture(
        "causal_decoder" if shape.kind == "decoder" else shape.kind,
        position="relative" if is_pair else "rope",
        activation="geglu" if is_pair else "swiglu",
        tied=False,
    )
    fields = ("layers", "embed", "mlp", "heads", "kv", "vocab")
    size = Size(**{name: getattr(shape, name) for name in fields})
    lengths = {"inputs": shape.inputs, "targets": shape.targets}
    if not is_pair:  # whose rows are one stream
        lengths = {"inputs": shape.targets // 2, "targets": shape.targets // 2}
    schedule = Schedule("flat", peak=1e-3, warmup=0)
    stage = Stage("none", steps=1000, rows=shape.rows, schedule=schedule, **lengths)
    precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    remat = "none" if precision == "float32" else "minimal"
    fields = {"precision": precision, "remat": remat, "z_loss": 0.0, "unroll": unroll}
    return Run(architecture, size, (stage,), **fields)


def stream(rows: int, length: int, vocab: int) -> Stream:
    """Args: rows, length, vocab: of one stream. Returns: rows of one segment of random tokens."""
    random = np.random.default_rng(0)
    whole = np.zeros((rows, length), np.int32)
    tokens_BL = random.integers(3, vocab, whole.shape).astype(np.int32)
    return Stream(
        tokens_BL, whole + np.arange(length, dtype=np.int32), whole, whole, whole + length
    )


def rows(shape: Shape) -> Batch:
    """Args: shape: what is trained. Returns: full rows, of which all but inputs is learnt."""
    last = stream(shape.rows, shape.targets, shape.vocab)
    is_pair, given = shape.kind == "encoder_decoder", 0
    if shape.kind == "prefix_decoder":
        given = shape.targets // 2
        last = dataclasses.replace(last, split_BL=last.start_BL + given)
    weight_BL = np.ones(last.tokens_BL.shape, np.float32)
    weight_BL[:, : given - 1 if given else 0] = 0  # the last input predicts the first target
    return Batch(
        encoder=stream(shape.rows, shape.inputs, shape.vocab) if is_pair else None,
        decoder=last,
        memory_start_BL=np.zeros_like(last.start_BL) if is_pair else None,
        memory_end_BL=np.full_like(last.start_BL, shape.inputs) if is_pair else None,
        target_BL=np.roll(last.tokens_BL, -1, axis=1),
        weight_BL=weight_BL,
        objective_B=np.zeros(shape.rows, np.int32),
    )


class Step:
    """A training step, compiled, and the machine's own rate beside it.

    Args:
      shape: what is trained.
      unroll: see `settings`.
    """

    def __init__(self, shape: Shape, unroll: bool = False):
        self.run = settings(shape, unroll)
        self._program = Program(self.run, 0, Mesh().build(jax.devices()[:1]))
        self._state, self._batch = self._program.first(), self._program.put(rows(shape))
        self._square = jnp.ones((EDGE, EDGE), self._program.model.dtype)
        self._product = jax.jit(lambda a, b: a @ b)
        self.rate()
        self.seconds(1)

    def rate(self) -> float:
        """Returns: FLOPs a second of products of square matrices."""
        since = time.perf_counter()
        for _ in range(STEPS):
            out = self._product(self._square, self._square)
        out.block_until_ready()
        return STEPS * 2 * EDGE**3 / (time.perf_counter() - since)

    def seconds(self, steps: int = STEPS) -> float:
        """Args: steps: to take. Returns: seconds of one."""
        since = time.perf_counter()
        for _ in range(steps):
            self._state, outcome = self._program.learn(self._state, self._batch)
        outcome.gradient_norm.block_until_ready()
        return (time.perf_counter() - since) / steps


def main(name: str, how: str = "looped") -> None:
    """Args: name: of a shape. how: "looped" or "unrolled"."""
    step = Step(SHAPES[name], {"looped": False, "unrolled": True}[how])
    flops = step.run.flops(step.run.stages[0])
    print(json.dumps({"flops": flops.total, "attention": flops.attention}), flush=True)
    for _ in sys.stdin:
        rate = step.rate()
        print(json.dumps({"seconds": step.seconds(), "rate": rate}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
