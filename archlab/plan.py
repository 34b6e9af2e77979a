"""Plans: what a run costs and holds, counted in seconds, before anything is compiled.

What only a compiler knows, how much memory activations take and how long a step is, is not guessed:
hours follow from a share of the chips' peak that whoever asks has to name.
"""

import dataclasses
import functools
import math

import jax

from archlab import batch as batches
from archlab import mesh as meshes
from archlab.chips import CHIPS, Chip
from archlab.ledger import visited
from archlab.model.transformer import parameters
from archlab.refusal import blame
from archlab.settings import Run
from archlab.spelling import not_one_of
from archlab.stages import Stage
from archlab.train import state as states
from archlab.train import step

HOUR, DAY = 3600.0, 86400.0  # seconds


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one stage costs.

    Args:
      name: of the stage.
      steps: it takes.
      tokens: it sees, padding included.
      flops: of its steps, if every position carries loss: the most that it can take.
      chip_hours: of all chips together.
      days: by the clock.
      rows: of a microbatch, on one chip.
      visited: weights that a token is multiplied with, if every position carries loss.
    """

    name: str
    steps: int
    tokens: int
    flops: int
    chip_hours: float
    days: float
    rows: int
    visited: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run on so many chips of a kind.

    Example:
      Plan(run, "v5p", 256, mfu=0.5).costs[0].days

    Args:
      run: the settings; its stages in order, not the name of some.
      chip: a key of `CHIPS`.
      chips: how many; None takes as many as the mesh names.
      mfu: share of the peak that the FLOPs of the ledger are done at, above 0 and up to 1.

    Raises:
      ValueError: an unknown chip, an MFU or a number of chips that cannot be, a mesh without a
        number of chips, or one that the rows or a weight do not divide over.

    Source: Chowdhery et al. 2022 (PaLM), section 4.1, for MFU; here attention counts whole, masked
      or not, as in `ledger.py`.
    """

    run: Run
    chip: str
    chips: int | None = None
    mfu: float = 0.5

    def __post_init__(self):
        if self.chip not in CHIPS:
            raise ValueError(f"chip={not_one_of(self.chip, CHIPS)}")
        if self.chips is not None and self.chips < 1:
            raise ValueError(f"chips={self.chips}; it is 1 or more")
        if not 0 < self.mfu <= 1:
            raise ValueError(f"mfu={self.mfu}; it is a share of the peak, above 0 and up to 1")
        mesh = self.mesh
        for number, stage in enumerate(self.run.stages):
            with blame(stage=number, ahead=f"stage {stage.name}: "):
                meshes.rows(mesh, self._microbatch(stage))

    @property
    def kind(self) -> Chip:
        """What the chip can do."""
        return CHIPS[self.chip]

    @functools.cached_property
    def mesh(self) -> jax.sharding.AbstractMesh:
        """The mesh, of chips that are not here."""
        return self.run.mesh.abstract(self.chips)

    @property
    def many(self) -> int:
        """How many chips there are."""
        return math.prod(self.mesh.shape.values())

    @functools.cached_property
    def parameters(self) -> dict[str, int]:
        """Weights of each part of the model."""
        return parameters(self.run.size, self.run.architecture)

    @functools.cached_property
    def costs(self) -> list[Cost]:
        """What each stage costs, in order."""
        found = []
        for stage in self.run.stages:
            flops = self.run.flops(stage).times(stage.total_steps)
            seconds = flops.total / (self.kind.flops * self.mfu)
            batch = self._microbatch(stage)
            placed = meshes.rows(self.mesh, batch).target_BL
            rows = placed.shard_shape(batch.target_BL.shape)[0]
            architecture = self.run.architecture_in(stage)
            seen = visited(self.run.size, architecture, stage.inputs, stage.targets)
            hours, days = seconds / HOUR, seconds / self.many / DAY
            sizes = (stage.total_steps, stage.total_tokens, flops.total)
            found.append(Cost(stage.name, *sizes, hours, days, rows, seen))
        return found

    @functools.cached_property
    def checkpoint(self) -> int:
        """Bytes of one checkpoint's arrays: the weights, the moments, the step."""
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(self._state))

    @functools.cached_property
    def held(self) -> dict[str, int]:
        """Bytes on one chip that are there whatever the compiler does.

        Gradients are as large as the weights; activations come on top.
        """
        weights, moments = self._bytes(self._state.weights), self._bytes(self._state.moments)
        batch = max(self._batch_bytes(stage) for stage in self.run.stages)
        return {"weights": weights, "moments": moments, "gradients": weights, "batch": batch}

    @functools.cached_property
    def _state(self) -> states.State:
        stage = self.run.stages[0]
        # The state is the same whatever computes attention, and no kernel has to run here.
        model = dataclasses.replace(self.run, attention="dense").model(stage)
        batch = self._microbatch(stage)
        return states.shapes(model, self.run.optimizer, self.mesh, batch)

    def _batch(self, stage: Stage) -> batches.Batch:
        kind = self.run.architecture.kind
        return batches.abstract(kind, stage.rows, stage.inputs, stage.targets)

    def _microbatch(self, stage: Stage) -> batches.Batch:
        return step.microbatch(self._batch(stage), stage.accumulate)

    def _batch_bytes(self, stage: Stage) -> int:
        batch = self._batch(stage)
        placed = meshes.rows(self.mesh, batch)
        both = zip(jax.tree.leaves(batch), jax.tree.leaves(placed), strict=True)
        return sum(
            math.prod(sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
            for leaf, sharding in both
        )

    def _bytes(self, tree: meshes.Tree) -> int:
        """Bytes of what one chip holds of a tree."""
        return sum(
            math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
            for leaf in jax.tree.leaves(tree)
        )
