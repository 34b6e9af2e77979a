"""The settings of a run: everything that its numbers depend on, in one frozen tree."""

import dataclasses
import math

import jax.numpy as jnp

from archlab import ledger
from archlab.architecture import Architecture
from archlab.data.recipes import Data
from archlab.mesh import Mesh
from archlab.model.transformer import REMAT, Transformer
from archlab.size import Size
from archlab.stages import Schedule, Stage
from archlab.train.optimizer import Optimizer

PRECISIONS = {"bfloat16": jnp.bfloat16, "float32": jnp.float32}
SWITCHABLE = ("causal_decoder", "prefix_decoder")
SEEDS = 2**32


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that a run's numbers depend on.

    Args:
      architecture: which stacks there are and who sees whom.
      size: extents of every dimension.
      stages: mixtures with budgets, first to last, or the name of a registered staged mixture.
      optimizer: which way weights move.
      mesh: how the devices are laid out.
      data: where the text is.
      seed: of the first weights and of the data's order; 0 or more, below 2**32.
      precision: of the computation, "bfloat16" or "float32"; weights are float32 in both.
      remat: what the gradient computes again: "none", "minimal" or "full".
      unroll: whether the compiled program repeats the layers instead of looping over them.
      z_loss: weight of the squared log-normaliser in the loss, 0 or more.
      record_every: steps between two records.
      save_every: steps between two checkpoints.
      evaluate_every: steps between two validations; 0 validates at the end of a stage only.
      evaluate_rows: validation rows, rounded up to whole batches.
      keep: how many of the latest checkpoints stay.
      tensorboard: whether TensorBoard files are written too.
      expect: the band that the last validation loss should fall in, in nats per loss token.

    Raises:
      ValueError: no stages, an unknown word, or a number out of its range.
    """

    architecture: Architecture
    size: Size
    stages: tuple[Stage, ...] | str
    optimizer: Optimizer = Optimizer()
    mesh: Mesh = Mesh()
    data: Data = Data()
    seed: int = 0
    precision: str = "bfloat16"
    remat: str = "none"
    unroll: bool = False
    z_loss: float = 1e-4
    record_every: int = 10
    save_every: int = 1000
    evaluate_every: int = 0
    evaluate_rows: int = 64
    keep: int = 3
    tensorboard: bool = False
    expect: tuple[float, float] | None = None

    def __post_init__(self):
        if not self.stages:
            raise ValueError("Run.stages is empty; a run has at least one stage")
        if not isinstance(self.stages, str):
            object.__setattr__(self, "stages", tuple(self.stages))
            for stage in self.stages:
                self.architecture_in(stage)
        if self.precision not in PRECISIONS:
            raise ValueError(f"Run.precision={self.precision!r} is not bfloat16 or float32")
        for name in ("record_every", "save_every", "keep", "evaluate_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"Run.{name}={getattr(self, name)}; it is 1 or more")
        if self.evaluate_every < 0:
            raise ValueError(f"Run.evaluate_every={self.evaluate_every}; it is 0 or more")
        if not 0 <= self.z_loss < math.inf:
            raise ValueError(f"Run.z_loss={self.z_loss}; it is a number, 0 or more")
        if not 0 <= self.seed < SEEDS:
            raise ValueError(
                f"Run.seed={self.seed}; it is in [0, {SEEDS}); JAX keeps 32 bits of it"
            )
        if self.remat not in REMAT:
            raise ValueError(f"Run.remat={self.remat!r} is not one of {', '.join(REMAT)}")
        if self.expect is not None:
            object.__setattr__(self, "expect", tuple(self.expect))
            if len(self.expect) != 2 or self.expect[0] > self.expect[1]:
                raise ValueError(f"Run.expect={self.expect}; a band is its lower and upper end")

    def architecture_in(self, stage: Stage) -> Architecture:
        """The architecture of one stage.

        Args:
          stage: of this run.

        Returns:
          The run's own, or the one that the stage switches to.

        Raises:
          ValueError: the two do not share their weights.
        """
        own = self.architecture
        if stage.architecture in (None, own.name):
            return own
        if own.name not in SWITCHABLE or stage.architecture not in SWITCHABLE:
            raise ValueError(
                f"stage {stage.name}: architecture={stage.architecture!r} has other weights than "
                f"{own.name}; a stage may switch between {' and '.join(SWITCHABLE)}"
            )
        if own.position == "relative":
            raise ValueError(
                f"stage {stage.name}: {own.name} and {stage.architecture} sort distances into "
                "different buckets with Architecture.position='relative'; use 'rope' or 'none'"
            )
        return dataclasses.replace(own, name=stage.architecture)

    def model(self, stage: Stage) -> Transformer:
        """The model of one stage.

        Args:
          stage: of this run.

        Returns:
          The model, on no mesh.
        """
        return Transformer(
            size=self.size,
            architecture=self.architecture_in(stage),
            dtype=PRECISIONS[self.precision],
            remat=self.remat,
            unroll=self.unroll,
        )

    def flops(self, stage: Stage) -> ledger.Flops:
        """The FLOPs of one step.

        Args:
          stage: of this run.

        Returns:
          By part, for all rows.
        """
        row = ledger.training(self.size, self.architecture_in(stage), stage.inputs, stage.targets)
        return row.times(stage.rows)


def from_settings(settings: dict) -> Run:
    """Builds a run from plain settings.

    Args:
      settings: what `dataclasses.asdict` makes of a `Run`, perhaps by way of JSON.

    Returns:
      The run.
    """
    parts = {"architecture": Architecture, "size": Size, "optimizer": Optimizer, "mesh": Mesh}
    fields = dict(settings)
    for name, kind in {**parts, "data": Data}.items():
        fields[name] = kind(**fields[name])
    if not isinstance(fields["stages"], str):
        fields["stages"] = tuple(
            Stage(**{**stage, "schedule": Schedule(**stage["schedule"])})
            for stage in fields["stages"]
        )
    return Run(**fields)
