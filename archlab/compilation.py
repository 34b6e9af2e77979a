"""A step, compiled for TPUs that are not here: what it takes, and what would make it fit."""

import contextlib
import dataclasses
import functools
import importlib.metadata
import math
import os
import re
import time
from collections.abc import Callable, Iterator

import jax

from archlab import census, compiled, shares, topology
from archlab.chips import CHIPS, Chip
from archlab.plan import Plan
from archlab.program import Program
from archlab.settings import Run
from archlab.train import loss

STRONGER = {"none": ("minimal", "full"), "minimal": ("full",), "offload": ("full",), "full": ()}
FULL, HBM = "RESOURCE_EXHAUSTED", "HBM"  # kernels may exhaust smaller memories
SIZES = ("argument", "output", "alias", "temp", "generated_code", "host_temp")  # as JAX names them
MOST = 64  # times more microbatches than there were, beyond which the rows are hardly rows


class Exhausted(ValueError):
    """The chips' memory does not hold the step."""


@dataclasses.dataclass(frozen=True)
class Compilation:
    """The step of one stage on a topology.

    Example:
      Compilation(run, 0, "v5e:4x4").memory["temporaries"]

    Args:
      run: the settings; its stages in order, not the name of some.
      number: of the stage, from 0.
      topology: a kind of chip and how its chips are laid out, as `v5p:4x8x8`.
      slices: of that shape.

    Raises:
      ValueError: there is no such topology, or the run's mesh does not fit it.
    """

    run: Run
    number: int
    topology: str
    slices: int = 1

    def __post_init__(self):
        self.program.check()

    @functools.cached_property
    def program(self) -> Program:
        """The stage on the topology's devices."""
        devices = topology.devices(self.topology, self.slices)
        return Program(self.run, self.number, self.run.mesh.build(devices))

    @property
    def chips(self) -> int:
        """How many there are."""
        return self.program.mesh.size

    @property
    def chip(self) -> Chip:
        """What one of them can do."""
        return CHIPS[topology.kind(self.topology)]

    @functools.cached_property
    def plan(self) -> Plan:
        """What is known of the stage, and of no other, before it is compiled."""
        stage = dataclasses.replace(self.program.stage, surgery=None)
        alone = dataclasses.replace(self.run, stages=(stage,))
        return Plan(alone, topology.kind(self.topology), self.chips)

    @functools.cached_property
    def _made(self) -> dict:
        """What the compiler said: the program's text, bytes by kind, seconds; or why it did not."""
        lowered = self.program.lowered

        def make() -> dict:
            since = time.perf_counter()
            try:
                with compiled.elsewhere():
                    made = compiled.program(lowered, self.program.mesh)
            except jax.errors.JaxRuntimeError as error:
                said = _said(str(error))
                if FULL not in str(error) or HBM not in said:
                    raise ValueError(f"the compiler says: {said}") from error
                return {"full": said}
            sizes = made.memory_analysis()
            return {
                "text": made.as_text(),
                "bytes": {name: getattr(sizes, f"{name}_size_in_bytes") for name in SIZES},
                "seconds": time.perf_counter() - since,
            }

        about = [self.topology, self.slices, compiled.OPTIONS["tpu"], SIZES, lowered.as_text()]
        about += [importlib.metadata.version(name) for name in ("jax", "jaxlib", "libtpu")]
        about += [os.environ.get(name) for name in ("LIBTPU_INIT_ARGS", "XLA_FLAGS")]
        return compiled.remembered("\n".join(map(str, about)), make)

    @property
    def said(self) -> dict:
        """What the compiler said: the program's text, bytes by kind, seconds.

        Raises:
          Exhausted: the chips' memory does not hold the step.
        """
        if "full" in self._made:
            raise Exhausted(self._made["full"])
        return self._made

    @property
    def seconds(self) -> float:
        """How long compiling took."""
        return self.said["seconds"]

    @functools.cached_property
    def memory(self) -> dict[str, int]:
        """Bytes on one chip, by what they hold.

        Raises:
          Exhausted: there are not enough of them.
        """
        said = self.said["bytes"]
        state = {name: self.plan.held[name] for name in ("weights", "moments")}
        return {
            **state,
            "batch and padding": said["argument"] - sum(state.values()),
            "results": said["output"] - said["alias"],
            "temporaries": said["temp"],
            "program": said["generated_code"],
        }

    @property
    def offloaded(self) -> int:
        """Bytes of one chip's temporaries that are in its host's memory."""
        return self.said["bytes"]["host_temp"]

    @functools.cached_property
    def census(self) -> census.Census:
        """What one step does on each chip, if every position carries loss."""
        return census.census(self.said["text"], {loss.NAME: self.turns})

    @functools.cached_property
    def arrays(self) -> list[tuple[str, int]]:
        """The largest arrays that the step makes, and their bytes on one chip."""
        return census.arrays(self.said["text"]).most_common(6)

    @property
    def turns(self) -> int:
        """Chunks of the head, if every position carries loss."""
        batch = self.program.microbatch
        parts = math.prod(shares.parts(self.program.mesh, batch))
        positions = math.prod(batch.target_BL.shape) // parts
        return -(-positions // loss.chunk(positions, self.program.size.vocab))

    @property
    def step(self) -> tuple[float, float]:
        """Seconds of a step, at best and at worst.

        At best what is sent hides behind what is computed, at worst nothing does.

        The compiler's cycles, and for kernels, of which it says none, all pairs of a query and a
        key at the chip's peak; what is sent arrives as fast as all links together can bring it.
        What leaves a slice comes on top of both.
        """
        own = self.census
        seconds = own.cycles / self.chip.clock
        if own.kernels:
            seconds += self._flops.attention / self.chips / self.chip.flops
        sent = own.moved / self.chip.link
        return max(seconds, sent), seconds + sent

    @property
    def mfu(self) -> tuple[float, float]:
        """The share of the peak that `step` comes to, at best and at worst."""
        best, worst = (self._flops.total / self.chips / self.chip.flops / one for one in self.step)
        return best, worst

    @property
    def _flops(self):
        return self.run.flops(self.program.stage)


def _said(error: str) -> str:
    """What the compiler says of memory, without its long list."""
    first = error.partition("\n")[0].removeprefix(f"{FULL}: ")
    return re.sub(r"\s+", " ", first).strip()


def knobs(run: Run, number: int, ways: int) -> Iterator[tuple[str, Run]]:
    """What to turn, a little more each time, until a step fits.

    What is learnt stays the same, but for what dropout draws.

    Args:
      run: the settings.
      number: of the stage.
      ways: that rows are split over the devices.

    Yields:
      The settings that were changed, as they are written in gin, and the run with them.
    """
    said = []
    for remat in STRONGER[run.remat]:
        run = dataclasses.replace(run, remat=remat)
        said = [f"Run.remat = {remat!r}"]
        yield said[0], run
    stage, first = run.stages[number], run.stages[number].accumulate
    many = 2 * first
    while many <= MOST * first and not stage.rows % (many * ways):
        stages = list(run.stages)
        stages[number] = dataclasses.replace(stage, accumulate=many)
        words = [*said, f"Stage.accumulate = {many}"]
        yield ", ".join(words), dataclasses.replace(run, stages=tuple(stages))
        many *= 2


def fitting(
    compilation: Compilation, tell: Callable[[str], None]
) -> tuple[str, Compilation] | None:
    """Finds what would make a step fit that does not.

    Args:
      compilation: of the step that does not fit.
      tell: takes what is tried, since each try takes as long as compiling.

    Returns:
      The settings to change, and the step with them, compiled; None if nothing helps.
    """
    program = compilation.program
    ways, _ = shares.parts(program.mesh, program.microbatch)
    for words, run in knobs(compilation.run, compilation.number, ways):
        tried = dataclasses.replace(compilation, run=run)
        if sum(tried.plan.held.values()) > compilation.chip.bytes:
            continue
        tell(f"trying {words}")
        with contextlib.suppress(Exhausted):
            tried.memory  # noqa: B018 - compiled to see whether it fits
            return words, tried
    return None
