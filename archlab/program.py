"""The programs of a stage: its model on a mesh, and its step and its score, each compiled once."""

import dataclasses
import functools
from collections.abc import Callable

import jax

from archlab import batch as batches
from archlab import compiled, mesh, shares, stages
from archlab.batch import Batch
from archlab.data import pipeline
from archlab.data.recipes import Recipe
from archlab.model.stack import HOST
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal, blame
from archlab.settings import Run
from archlab.train import state as states
from archlab.train import step
from archlab.train.optimizer import rate
from archlab.train.state import State


@dataclasses.dataclass(frozen=True)
class Program:
    """One stage of a run, on a mesh.

    Args:
      run: the settings.
      number: of the stage, from 0.
      mesh: of the devices.
    """

    run: Run
    number: int
    mesh: jax.sharding.Mesh

    @property
    def stage(self) -> stages.Stage:
        """The stage itself."""
        return self.run.stages[self.number]

    @property
    def steps_before(self) -> int:
        """Steps of all stages before it."""
        return sum(stage.total_steps for stage in self.run.stages[: self.number])

    @functools.cached_property
    def model(self) -> Transformer:
        """The model, bound to the mesh."""
        return step.on(self.mesh, self.run.model(self.stage))

    @functools.cached_property
    def batch(self) -> Batch:
        """Shapes of a batch."""
        kind = self.run.architecture.kind
        return batches.abstract(kind, self.stage.rows, self.stage.inputs, self.stage.targets)

    @property
    def microbatch(self) -> Batch:
        """Shapes of a microbatch."""
        return step.microbatch(self.batch, self.stage.accumulate)

    @functools.cached_property
    def shapes(self) -> State:
        """Shapes of the state, with shardings."""
        return states.shapes(self.model, self.run.optimizer, self.mesh, self.microbatch)

    @functools.cached_property
    def learn(self) -> Callable:
        """The compiled step: state and batch to state and outcome."""
        return compiled.program(self.lowered, self.mesh)

    @property
    def lowered(self) -> jax.stages.Lowered:
        """The step, ready to be compiled."""
        with jax.default_matmul_precision(self.model.precision):
            return step.lower(
                self.model,
                self.run.optimizer,
                self.stage.schedule,
                self.stage.total_steps,
                self.mesh,
                self.batch,
                self.stage.accumulate,
                self.run.z_loss,
                (self.run.seed, self.number),
                self.run.balance,
            )

    @functools.cached_property
    def score(self) -> Callable:
        """The compiled score: weights and a microbatch, as training holds it, to sums."""
        with jax.default_matmul_precision(self.model.precision):
            given = (self.model, self.mesh, self.shapes.weights, self.microbatch)
            return compiled.program(step.scorer(*given), self.mesh)

    def check(self) -> None:
        """Finds what does not fit, before anything is compiled or trained.

        Raises:
          ValueError: rows or weights do not divide over the mesh, the schedule is longer than the
            stage, or there is no other memory to offload to.
        """
        with blame(stage=self.number, ahead=f"stage {self.stage.name}: "):
            mesh.rows(self.mesh, self.microbatch)
            rate(self.stage.schedule, self.stage.total_steps)
            self.shapes  # noqa: B018 - made to see that it can be
        if self.run.remat == "offload":
            device = self.mesh.devices.flat[0]
            # Of a device that is not here nothing is known. What a CPU calls so is the one memory
            # that it has: nothing would be moved.
            kinds = [memory.kind for memory in device.addressable_memories()] or [HOST]
            if device.platform == "cpu" or HOST not in kinds:
                raise Refusal(
                    f"Run.remat='offload' needs an accelerator with {HOST} memory, and "
                    f"{device.platform} has none of its own; 'full' keeps the least here",
                    "Run.remat",
                )

    def first(self) -> State:
        """Makes the state that a run begins with."""
        given = (self.model, self.run.optimizer, self.mesh, self.microbatch)
        return states.first(*given, self.run.seed)

    def put(self, batch: Batch) -> Batch:
        """Moves a batch to the devices, each its own rows.

        Args:
          batch: NumPy arrays of the rows that are this process's.

        Returns:
          JAX arrays of all rows.
        """
        return shares.put(self.mesh, batch)

    def rows(self, recipe: Recipe, split: str) -> pipeline.Rows:
        """Numbers the rows of the stage, of which this process makes those that it holds.

        Args:
          recipe: of the stage's mixture.
          split: "train" or "validation".

        Returns:
          The rows.

        Raises:
          ValueError: an objective does not fit the architecture or the lengths.
        """
        with blame("Stage.mixture", self.number):
            return pipeline.Rows(
                recipe,
                self.stage.inputs,
                self.stage.targets,
                self.run.architecture.kind,
                seed=self.run.seed,
                stage=self.number,
                split=split,
                unit=self.stage.unit,
                documents=self.stage.documents,
                own=functools.partial(shares.own, self.mesh),
            )
