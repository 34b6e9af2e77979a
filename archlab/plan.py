"""Plans: what a run costs and holds, counted in seconds, before anything is compiled.

What only a compiler knows, how long a step is and what it needs besides what the gradient keeps, is
not guessed: hours follow from a share of the chips' peak that whoever asks has to name.
"""

import collections
import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from archlab import mesh as meshes
from archlab import shares
from archlab.chips import CHIPS, Chip
from archlab.ledger import visited
from archlab.model.transformer import Transformer, parameters
from archlab.program import Program
from archlab.refusal import blame
from archlab.settings import Run
from archlab.spelling import not_one_of
from archlab.surgery.transplant import made
from archlab.train import state as states

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
class Kept:
    """Arrays of one shape that the forward pass leaves for the gradient.

    Args:
      shape: on one chip.
      dtype: of their values.
      count: of them.
    """

    shape: tuple[int, ...]
    dtype: jnp.dtype
    count: int

    @property
    def bytes(self) -> int:
        """Of all of them."""
        return self.count * math.prod(self.shape) * self.dtype.itemsize

    def __str__(self):
        return f"{self.count} × {self.dtype}{list(self.shape)}"


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
        for program in self._programs:
            with blame(stage=program.number, ahead=f"stage {program.stage.name}: "):
                meshes.rows(mesh, program.microbatch)

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
        """Weights of each part of the largest stage's model."""
        largest = max(self._programs, key=lambda program: program.parameters)
        return parameters(largest.size, largest.architecture)

    @functools.cached_property
    def costs(self) -> list[Cost]:
        """What each stage costs, in order."""
        found = []
        for program in self._programs:
            stage, batch = program.stage, program.microbatch
            flops = self.run.flops(stage).times(stage.total_steps)
            seconds = flops.total / (self.kind.flops * self.mfu)
            placed = meshes.rows(self.mesh, batch).target_BL
            rows = placed.shard_shape(batch.target_BL.shape)[0]
            model = (program.size, program.architecture)
            seen = visited(*model, stage.inputs, stage.targets)
            hours, days = seconds / HOUR, seconds / self.many / DAY
            sizes = (stage.total_steps, stage.total_tokens, flops.total)
            found.append(Cost(stage.name, *sizes, hours, days, rows, seen))
        return found

    @functools.cached_property
    def checkpoint(self) -> int:
        """Bytes of the largest checkpoint's arrays: the weights, the moments, the step."""
        return max(
            sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
            for state in self._states
        )

    @functools.cached_property
    def held(self) -> dict[str, int]:
        """Bytes on one chip whatever the compiler does, in the stage with most.

        Gradients are as large as the weights; what else a step needs comes on top. Of what is kept,
        `Run.remat = "offload"` leaves the stream between layers on the chip.
        """
        return max(map(self._held, self._programs), key=lambda held: sum(held.values()))

    @functools.cached_property
    def boundaries(self) -> dict[int, dict[str, int]]:
        """Bytes on one chip as a stage begins whose weights are made of others.

        Until all are made, what there was is still there. What is handed over as it is counts once,
        as old. There are no gradients then, and no rows.

        Returns:
          By the stage's number, from 0; none where all weights stay.
        """
        found = {}
        for program in self._programs:
            if not program.origins:
                continue
            old, new = self._states[program.number - 1 : program.number + 1]
            if not program.keeps_moments:  # they are let go first
                old = dataclasses.replace(old, moments=None)
            found[program.number] = {
                "old weights": self._bytes(old.weights),
                "old moments": self._bytes(old.moments),
                "what is made of them": self._bytes(made(old, new, program.origins)),
            }
        return found

    def _held(self, program: Program) -> dict[str, int]:
        """Bytes on one chip in one stage."""
        state = self._states[program.number]
        weights, moments = self._bytes(state.weights), self._bytes(state.moments)
        batch = self._bytes(self._placed(program))
        kept = sum(one.bytes for one in self.kept(program.number))
        return {
            **{"weights": weights, "moments": moments, "gradients": weights, "batch": batch},
            "kept for the gradient": kept,
        }

    def kept(self, number: int) -> list[Kept]:
        """Finds what the forward pass of a microbatch leaves for the gradient on one chip.

        `Run.remat` decides it. A chip has its rows, its part of their length, and, where heads or
        the hidden layer are innermost, its part of those.

        Args:
          number: of the stage, from 0.

        Returns:
          Arrays by shape, the greatest first.
        """
        program = self._programs[number]
        there = "full" if self.run.remat == "offload" else self.run.remat
        model = dataclasses.replace(self.run, remat=there).model(program.stage)

        def back(weights: dict, batch: meshes.Tree) -> meshes.Tree:
            return jax.vjp(lambda weights: _read(model, weights, batch), weights)[1]

        given = self._states[number].weights, program.microbatch
        found = jax.tree.leaves(jax.eval_shape(back, *given))
        named = collections.Counter((leaf.shape, leaf.dtype) for leaf in found)
        named.subtract((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(given))
        weights = {
            leaf.shape: leaf.sharding.shard_shape(leaf.shape) for leaf in jax.tree.leaves(given[0])
        }
        each = [
            Kept(weights.get(shape) or self._own(shape, program), dtype, count)
            for (shape, dtype), count in named.items()
            if count > 0
        ]
        return sorted(each, key=lambda one: -one.bytes)

    def _own(self, shape: tuple[int, ...], program: Program) -> tuple[int, ...]:
        """What one chip has of an array with the rows of a microbatch in it."""
        ways, size, own, batch = self.mesh.shape, program.size, list(shape), program.microbatch
        rows = batch.target_BL.shape[0]
        if rows in shape[:2]:
            at = shape.index(rows)
            own[at] //= shares.parts(self.mesh, batch)[0]
            if len(shape) > at + 1 and not own[at + 1] % ways["context"]:
                own[at + 1] //= ways["context"]
        for at, extent in enumerate(shape):
            is_hidden = at == len(shape) - 1 and extent == size.mlp != size.embed
            is_head = at == len(shape) - 2 and shape[at:] == (size.heads, size.kv)
            if is_hidden or is_head:
                own[at] //= ways["model"]
        return tuple(own)

    @functools.cached_property
    def _programs(self) -> list[Program]:
        return [Program(self.run, number, self.mesh) for number in range(len(self.run.stages))]

    @functools.cached_property
    def _states(self) -> list[states.State]:
        return [program.shapes for program in self._programs]

    def _placed(self, program: Program) -> meshes.Tree:
        """The shapes of a batch, with shardings."""
        return jax.tree.map(
            lambda leaf, placed: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placed),
            program.batch,
            meshes.rows(self.mesh, program.batch),
        )

    def _bytes(self, tree: meshes.Tree) -> int:
        """Bytes of what one chip holds of a tree."""
        return sum(
            math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
            for leaf in jax.tree.leaves(tree)
        )


def _read(model: Transformer, weights: dict, batch: meshes.Tree) -> jax.Array:
    return model.apply({"params": weights}, batch, method=model.read)
