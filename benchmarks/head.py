"""What the head costs: `python -m benchmarks.head` prints the table of docs/performance.md.

Each line is one step of training, compiled twice: with the loss as archlab makes it, and with the
logits of every position made at once, as is the custom. Both learn from the same rows, in turn, so
that what else the machine does falls on both.
"""

import os
import platform
import statistics
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.markdown import Markdown

from archlab.architecture import Architecture
from archlab.data.recipes import Data, prepare
from archlab.mesh import Mesh
from archlab.program import Program
from archlab.settings import Run
from archlab.size import Size
from archlab.stages import Stage
from archlab.train import loss
from benchmarks.bench import seconds
from benchmarks.table import table

VOCABULARIES = (384, 32_128)  # bytes; T5's pieces
ROWS, INPUTS, TARGETS = 8, 256, 64
ROUNDS = 7
WORK = {
    "causal_decoder": ("causal_lm", "prefix_lm", "span_corruption"),
    "prefix_decoder": ("prefix_lm", "span_corruption", "mntp"),
    "encoder_decoder": ("prefix_lm", "span_corruption"),
    "encoder": ("masked_lm", "masked_diffusion"),
}


def dense(x_BLD, table_VD, target_BL, weight_BL, total, z_loss, ways, place):
    """The loss of `loss.mean`, of all logits of all positions at once."""
    table_VD = table_VD.astype(x_BLD.dtype)
    logits_BLV = jnp.einsum("BLD,VD->BLV", x_BLD, table_VD, preferred_element_type=jnp.float32)
    normalizer_BL = jax.nn.logsumexp(logits_BLV, axis=-1)
    chosen_BL = jnp.take_along_axis(logits_BLV, target_BL[..., None], axis=-1)[..., 0]
    is_correct_BL = jnp.argmax(logits_BLV, axis=-1) == target_BL
    sums = loss.Sums(
        loss_B=jnp.sum((normalizer_BL - chosen_BL) * weight_BL, axis=1),
        z_B=jnp.sum(z_loss * normalizer_BL**2 * weight_BL, axis=1),
        weight_B=jnp.sum(weight_BL, axis=1),
        correct_B=jnp.sum(is_correct_BL * weight_BL, axis=1),
    )
    return jnp.sum(sums.loss_B + sums.z_B) / total, sums


class Learner:
    """One compiled step, and the state that it has brought about."""

    def __init__(self, program: Program, batch):
        self.learn, self.state, self.batch = program.learn, program.first(), batch
        self.bytes = self.learn.memory_analysis().temp_size_in_bytes
        self.taken: list[float] = []

    def step(self):
        """Takes a step."""
        self.state, outcome = self.learn(self.state, self.batch)
        return outcome


def compared(architecture: str, objective: str, vocab: int, recipes: dict) -> list[str]:
    """Measures one step both ways."""
    mixture = f"python_stdlib_{objective}"
    stage = Stage(mixture, steps=100, rows=ROWS, inputs=INPUTS, targets=TARGETS)
    size = Size(layers=4, embed=128, mlp=512, heads=4, kv=32, vocab=vocab)
    run = Run(Architecture(architecture), size, (stage,), precision="float32")
    ours, theirs = (Program(run, 0, Mesh().build(jax.devices()[:1])) for _ in range(2))
    batch = ours.rows(recipes[mixture], "train").batch(0, ROWS)
    learnt = np.count_nonzero(batch.weight_BL) / batch.weight_BL.size
    learners = [Learner(ours, ours.put(batch))]
    with mock.patch.object(loss, "mean", dense):
        learners.append(Learner(theirs, theirs.put(batch)))
    for number in range(ROUNDS + 1):
        for learner in learners:
            taken = seconds(learner.step)
            if number:  # the first warms up
                learner.taken.append(taken)
    new, old = learners
    times = [statistics.median(learner.taken) for learner in (old, new)]
    return [
        architecture,
        objective,
        f"{vocab:,}",
        f"{learnt:.0%}",
        f"{times[0] / times[1]:.2f}",
        f"{old.bytes / new.bytes:.2f}",
        f"{times[1] * 1e3:,.0f}",
        f"{new.bytes / 2**20:,.0f}",
    ]


def main() -> None:
    """Measures and prints."""
    names = {f"python_stdlib_{one}" for objectives in WORK.values() for one in objectives}
    recipes = prepare(sorted(names), Data()).wait()
    lines = [
        compared(architecture, objective, vocab, recipes)
        for vocab in VOCABULARIES
        for architecture, objectives in WORK.items()
        for objective in objectives
    ]
    about = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"jax {jax.__version__}, {jax.devices()[0].device_kind}; 4 layers a stack, embed 128, "
        f"mlp 512, {ROWS} rows of {INPUTS} + {TARGETS}, float32, median of {ROUNDS} steps.\n\n"
    )
    names = ["architecture", "objective", "vocabulary", "positions that carry loss"]
    names += ["time, old / new", "temporaries, old / new", "new, ms a step", "new, MiB"]
    page = about + table(names, lines)
    print(page)
    Console().print(Markdown(page))


if __name__ == "__main__":
    main()
