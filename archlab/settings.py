"""The settings of a run: everything that its numbers depend on, in one frozen tree."""

import dataclasses
import math

import jax.numpy as jnp

from archlab import ledger, stages
from archlab.architecture import VISIBILITY, Architecture
from archlab.data.options import Data
from archlab.mesh import Mesh
from archlab.model.attention import WORDS, Attend
from archlab.model.stack import REMAT
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal, blame
from archlab.size import Size
from archlab.spelling import not_one_of
from archlab.stages import Stage
from archlab.surgery import compatibility
from archlab.train.optimizer import Optimizer

PRECISIONS = {"bfloat16": jnp.bfloat16, "float32": jnp.float32}
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
      start: a run directory or a folder of weights whose weights the first stage begins with; None
        draws them.
      seed: of the first weights and of the data's order; 0 or more, below 2**32.
      precision: of the computation, "bfloat16" or "float32"; weights are float32 in both.
      attention: how it is computed: "auto", "dense", "chunked" or "pallas" (`model/attention.py`).
      remat: what the gradient computes again: "none", "minimal", "full" or "offload"; see `Stack`.
      unroll: whether the compiled program repeats the layers instead of looping over them.
      z_loss: weight of the squared log-normaliser in the loss, 0 or more.
      balance: weight of the loss that evens out what experts are sent (`model/experts.py`), 0 or
        more; of use where there are experts.
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
    start: str | None = None
    seed: int = 0
    precision: str = "bfloat16"
    attention: str = "auto"
    remat: str = "none"
    unroll: bool = False
    z_loss: float = 1e-4
    balance: float = 0.01
    record_every: int = 10
    save_every: int = 1000
    evaluate_every: int = 0
    evaluate_rows: int = 64
    keep: int = 3
    tensorboard: bool = False
    expect: tuple[float, float] | None = None

    def __post_init__(self):
        self._check_model(self.size, self.architecture)
        if not self.stages:
            raise Refusal("Run.stages is empty; a run has at least one stage", "Run.stages")
        if not isinstance(self.stages, str):
            object.__setattr__(self, "stages", tuple(self.stages))
        if self.precision not in PRECISIONS:
            raise Refusal(
                f"Run.precision={not_one_of(self.precision, PRECISIONS)}", "Run.precision"
            )
        for name in ("record_every", "save_every", "keep", "evaluate_rows"):
            if getattr(self, name) < 1:
                raise Refusal(f"Run.{name}={getattr(self, name)}; it is 1 or more", f"Run.{name}")
        if self.evaluate_every < 0:
            said = f"Run.evaluate_every={self.evaluate_every}; it is 0 or more"
            raise Refusal(said, "Run.evaluate_every")
        for name in ("z_loss", "balance"):
            if not 0 <= getattr(self, name) < math.inf:
                said = f"Run.{name}={getattr(self, name)}; it is a number, 0 or more"
                raise Refusal(said, f"Run.{name}")
        if not 0 <= self.seed < SEEDS:
            said = f"Run.seed={self.seed}; it is in [0, {SEEDS}); JAX keeps 32 bits of it"
            raise Refusal(said, "Run.seed")
        if self.remat not in REMAT:
            raise Refusal(f"Run.remat={not_one_of(self.remat, REMAT)}", "Run.remat")
        if self.attention not in WORDS:
            raise Refusal(f"Run.attention={not_one_of(self.attention, WORDS)}", "Run.attention")
        if self.expect is not None:
            object.__setattr__(self, "expect", tuple(self.expect))
            if len(self.expect) != 2 or self.expect[0] > self.expect[1]:
                raise Refusal(
                    f"Run.expect={self.expect}; a band is its lower and upper end", "Run.expect"
                )
        before = None
        for number, stage in enumerate(() if isinstance(self.stages, str) else self.stages):
            self._check_stage(number, stage, before)
            before = stage

    def _check_model(self, size: Size, architecture: Architecture) -> None:
        """Refuses a size that does not go with the architecture or the optimizer."""
        if size.encoder_layers and len(architecture.stacks) == 1:
            raise Refusal(
                f"Size.encoder_layers={size.encoder_layers}, and a {architecture.name} "
                "has one stack; Size.layers is its depth",
                "Size.encoder_layers",
            )
        paired = [name for name in ("tied_stacks", "aligned") if getattr(architecture, name)]
        if paired and size.depth("encoder") != size.layers:
            raise Refusal(
                f"Size.encoder_layers={size.encoder_layers}, and Architecture.{paired[0]} has each "
                f"layer beside one of Size.layers={size.layers}; 0 is as deep",
                "Size.encoder_layers",
            )
        if size.layers <= architecture.unread:
            said = "Architecture.aligned=True takes one off an encoder with weights of its own"
            raise Refusal(f"Size.layers={size.layers}, and {said}; 2 would do", "Size.layers")
        if size.experts and architecture.bias:
            raise Refusal(
                f"Architecture.bias=True, and Size.experts={size.experts} hidden layers have "
                "no biases; False goes with them",
                "Architecture.bias",
            )
        if size.base_embed and not architecture.scaled:
            raise Refusal(
                f"Size.base_embed={size.base_embed} counts on tables that are read times the "
                "root of the width; Architecture.scaled=True reads them so",
                "Architecture.scaled",
            )
        if size.base_embed and self.optimizer.name != "adamw":
            raise Refusal(
                f"Size.base_embed={size.base_embed} scales the steps of adamw; those of "
                f"{self.optimizer.name} follow the weights' own size",
                "Size.base_embed",
            )

    def _check_stage(self, number: int, stage: Stage, before: Stage | None) -> None:
        """Refuses a stage whose model cannot be, or not after that of the stage before."""
        with blame("Stage.architecture", number):
            architecture = self.architecture_in(stage)
            self._check_model(self.size_in(stage), architecture)
        with blame("Size.positions", number):
            self._check_positions(stage)
        if before:
            with blame("Stage.surgery", number, f"stage {stage.name}: "):
                compatibility.check(self.model(before), self.model(stage), stage.surgery)
        elif stage.surgery and not self.start:
            raise Refusal(
                f"stage {stage.name}: Stage.surgery has nothing to work on in the first stage of "
                "a run that starts from nothing; Run.start names what it starts from",
                "Stage.surgery",
                number,
            )

    def in_order(self) -> "Run":
        """The same run, with the stages themselves where their name stood.

        Returns:
          The run.

        Raises:
          ValueError: no staged mixture has that name.
        """
        if not isinstance(self.stages, str):
            return self
        return dataclasses.replace(self, stages=stages.named(self.stages))

    def _check_positions(self, stage: Stage) -> None:
        """Refuses rows that are longer than the table of positions."""
        lengths, size = (stage.inputs, stage.targets), self.size_in(stage)
        architecture = self.architecture_in(stage)
        is_apart = architecture.kind == "encoder_decoder" and not architecture.merged
        longest = max(lengths) if is_apart else sum(lengths)
        if architecture.position == "learned" and longest > size.positions:
            raise ValueError(
                f"stage {stage.name}: a row has {longest} positions, and the table that they are "
                f"learned in Size.positions={size.positions}; {longest} would do"
            )

    def architecture_in(self, stage: Stage) -> Architecture:
        """The architecture of one stage.

        Args:
          stage: of this run.

        Returns:
          The run's own, or the one that the stage names, of the same ingredients.

        Raises:
          ValueError: there is none of that name.
        """
        own = self.architecture
        if stage.architecture in (None, own.name):
            return own
        if stage.architecture not in VISIBILITY:
            said = not_one_of(stage.architecture, VISIBILITY)
            raise ValueError(f"stage {stage.name}: architecture={said}")
        return own.named(stage.architecture)

    def size_in(self, stage: Stage) -> Size:
        """The size of one stage.

        Args:
          stage: of this run.

        Returns:
          The stage's own, or the run's; a stack that is left alone is as deep as it was.
        """
        return stage.size or self.size.within(self.architecture_in(stage).stacks)

    def model(self, stage: Stage) -> Transformer:
        """The model of one stage.

        Args:
          stage: of this run.

        Returns:
          The model, on no mesh.
        """
        return Transformer(
            size=self.size_in(stage),
            architecture=self.architecture_in(stage),
            dtype=PRECISIONS[self.precision],
            attend=Attend(self.attention),
            dropout=stage.dropout,
            remat=self.remat,
            unroll=self.unroll,
        )

    def flops(self, stage: Stage, scored: float | None = None) -> ledger.Flops:
        """The FLOPs of one step.

        Args:
          stage: of this run.
          scored: positions of all its rows that carry loss; every one, the most that there can be,
            unless given.

        Returns:
          By part, for all rows.
        """
        row = (self.size_in(stage), self.architecture_in(stage), stage.inputs, stage.targets)
        if scored is None:
            return ledger.training(*row).times(stage.rows)
        body = ledger.training(*row, scored=0).times(stage.rows)
        return dataclasses.replace(body, head=ledger.training(*row, scored=scored).head)

    def visited(self, stage: Stage, scored: float) -> float:
        """How many weights one token is multiplied with, on average.

        Args:
          stage: of this run.
          scored: positions of a row that carry loss.

        Returns:
          Weights per token.
        """
        row = (self.size_in(stage), self.architecture_in(stage), stage.inputs, stage.targets)
        return ledger.visited(*row, scored)
