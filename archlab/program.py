"""The programs of a stage: its model on a mesh, and its step and its score, each compiled once."""

import dataclasses
import functools
import itertools
from collections.abc import Callable

import jax
import numpy as np

from archlab import batch as batches
from archlab import compiled, mesh, shares, stages
from archlab.architecture import Architecture
from archlab.batch import Batch
from archlab.data import pipeline
from archlab.data.recipes import Recipe
from archlab.model.stack import HOST
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal, blame
from archlab.settings import Run
from archlab.size import Size
from archlab.surgery import compatibility
from archlab.surgery.choices import Surgery
from archlab.surgery.origins import Origin, origins
from archlab.surgery.outcome import Outcome, outcome
from archlab.surgery.transplant import transplant
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
      start: the model whose weights the run starts from; None where it draws its own.
    """

    run: Run
    number: int
    mesh: jax.sharding.Mesh
    start: Transformer | None = None

    @property
    def stage(self) -> stages.Stage:
        """The stage itself."""
        return self.run.stages[self.number]

    @property
    def architecture(self) -> Architecture:
        """The stage's."""
        return self.run.architecture_in(self.stage)

    @property
    def size(self) -> Size:
        """The stage's."""
        return self.run.size_in(self.stage)

    @functools.cached_property
    def parameters(self) -> int:
        """How many weights its model has."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.shapes.weights))

    @property
    def before(self) -> Transformer | None:
        """The model whose weights there are when the stage begins; None if there are none."""
        return self.run.model(self.run.stages[self.number - 1]) if self.number else self.start

    @functools.cached_property
    def origins(self) -> tuple[Origin, ...]:
        """Where its weights come from; none where they are drawn, or all stay."""
        surgery = self.stage.surgery or (Surgery() if self.start and not self.number else None)
        if surgery is None or self.before is None:
            return ()
        return origins(self.before, self.run.model(self.stage), surgery)

    @property
    def outcome(self) -> Outcome | None:
        """What becomes of the weights when the stage begins; None if all stay."""
        return outcome(self.before, self.model, self.origins) if self.origins else None

    @property
    def keeps_moments(self) -> bool:
        """Whether moments are carried over from what there is when it begins."""
        return self.stage.moments == "keep" if self.stage.moments else self.number > 0

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
        kind = self.architecture.kind
        return batches.abstract(kind, self.stage.rows, self.stage.inputs, self.stage.targets)

    @property
    def microbatch(self) -> Batch:
        """Shapes of a microbatch."""
        return step.microbatch(self.batch, self.stage.accumulate)

    @functools.cached_property
    def shapes(self) -> State:
        """Shapes of the state, with shardings."""
        return states.shapes(self.model, self.run.optimizer, self.mesh)

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
                self.stage.surgery.frozen if self.origins and self.stage.surgery else 0,
                {origin.path: origin.moves for origin in self.origins},
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
            stage, these devices do not run this attention or it has more pairs of blocks than one
            of them has room to list, what the run starts from cannot become what it trains, nothing
            is new where nothing else moves, or there is no other memory to offload to.
        """
        surgery = self.stage.surgery
        if self.start and not self.number:
            with blame(stage=0, ahead=f"{self.run.start}: "):
                compatibility.check(self.start, self.model, surgery)
        is_known = self.before is not None
        if (
            is_known
            and surgery
            and surgery.frozen
            and not any(one.moves.any() for one in self.origins)
        ):
            raise Refusal(
                f"stage {self.stage.name}: Surgery.frozen={surgery.frozen}, and no weight is new: "
                "nothing would move; 0 would do",
                "Surgery.frozen",
                self.number,
            )
        with blame(stage=self.number, ahead=f"stage {self.stage.name}: "):
            mesh.rows(self.mesh, self.microbatch)
            rate(self.stage.schedule, self.stage.total_steps)
            self.shapes  # noqa: B018 - made to see that it can be
            with blame("Stage.accumulate"):
                self._attended()
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

    def _attended(self) -> None:
        """Traces each attention of the step by itself, with the shapes that it has there."""
        batch, size, dtype = self.microbatch, self.size, self.model.dtype
        streams = [one for one in (batch.decoder, batch.encoder) if one is not None]
        # Every stack asks itself; the decoder, which is first, asks the encoder too.
        for asking, asked in itertools.combinations_with_replacement(streams, 2):
            edge_BL, asked_BM = asking.start_BL, asked.tokens_BL
            query_BLHK = jax.ShapeDtypeStruct((*edge_BL.shape, size.heads, size.kv), dtype)
            key_BMGK = jax.ShapeDtypeStruct((*asked_BM.shape, size.kv_heads, size.kv), dtype)
            jax.eval_shape(self.model.attend, query_BLHK, key_BMGK, key_BMGK, edge_BL, edge_BL)

    def first(self, weights: dict | None = None, moments: mesh.Tree = None) -> State:
        """Makes the state that a run begins with.

        Args:
          weights: what it starts from, used up; None draws them by the seed.
          moments: of the optimizer, used up too; None begins them anew.

        Returns:
          Step 0.
        """
        if weights is None:
            return states.first(self.model, self.run.optimizer, self.mesh, self.run.seed)
        step = jax.device_put(np.int32(0), self.shapes.step.sharding)
        return self.after(State(weights, moments, step))

    def after(self, state: State) -> State:
        """Makes the state that the stage begins with of what there is when it begins.

        Args:
          state: the last of the stage before, or, without moments, what the run starts from; used
            up.

        Returns:
          Step 0.
        """
        if not self.origins:
            return states.anew(state, self.run.optimizer, self.keeps_moments)
        if not self.keeps_moments:
            jax.tree.map(lambda leaf: leaf.delete(), state.moments)
            state = dataclasses.replace(state, moments=None)
        # Of what is made in the first stage, the seed draws what it would draw of it by itself.
        key = jax.random.key(self.run.seed)
        key = jax.random.fold_in(key, self.number) if self.number else key
        draw = functools.partial(states.drawn, self.model, self.run.optimizer, key)
        return transplant(state, self.shapes, self.origins, draw)

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
                self.architecture.kind,
                seed=self.run.seed,
                stage=self.number,
                split=split,
                unit=self.stage.unit,
                documents=self.stage.documents,
                own=functools.partial(shares.own, self.mesh),
            )
