"""Checkpoints: the state and where it stands, written in the background, checked when read.

Orbax writes and commits them; a checkpoint that was being written when the run was killed does not
count. Orbax does not notice a flipped bit in a stored array, so a sum over the bits of each array
is kept beside them, with the position and its own digest, and all are compared when they are read.
"""

import asyncio
import contextlib
import dataclasses
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from archlab.train import bits
from archlab.train.position import Position
from archlab.train.state import State

LONGEST = 150  # characters of what another package said that are passed on
MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
# Of XLA, TensorStore and the processes that read together.
STATUSES = ("RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "UNAVAILABLE", "DEADLINE_EXCEEDED")


class _Latest:
    """Says which checkpoints stay: the latest, but for those that a run went back behind."""

    def __init__(self, keep: int):
        self.keep = keep
        self.void: set[int] = set()

    def should_preserve(self, checkpoints, *, context) -> list[bool]:
        steps = [checkpoint.step for checkpoint in checkpoints]
        latest = sorted(set(steps) - self.void)[-self.keep :]
        return [step in latest for step in steps]


class Checkpoints:
    """The checkpoints of one run, by the number of steps taken in all stages.

    Args:
      folder: where they are.
      keep: how many of the latest stay, for the process that has claimed the run, which makes the
        folder and clears away what was never finished. None only reads.
      flag: of the command that reads, which names the checkpoint; for what errors offer.
    """

    def __init__(self, folder: Path, keep: int | None = None, flag: str = "--resume-from"):
        self.folder, self._flag = folder, flag
        self._sums = jax.jit(bits.sums)
        self._latest, is_ours = _Latest(keep or 1), keep is not None
        options = ocp.CheckpointManagerOptions(
            create=is_ours, cleanup_tmp_directories=is_ours, preservation_policy=self._latest
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def steps(self) -> list[int]:
        """The committed checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, state: State, position: Position) -> None:
        """Copies the state off the devices and writes it in the background.

        Args:
          state: to be kept; weights alone where there are no moments.
          position: where it stands.
        """
        arrays = {"weights": state.weights}
        if state.moments is not None:
            arrays["moments"] = state.moments
        sums, step = jax.device_get((self._sums(arrays), state.step))
        assert step == position.step, f"the state is at step {step}, not at {position.step}"
        position = dataclasses.replace(
            position, bit_sums={name: int(value) for name, value in sums.items()}
        )
        if position.total_step in self._latest.void:
            self._latest.void.remove(position.total_step)
            self._manager.delete(position.total_step)
        self._manager.save(
            position.total_step,
            args=ocp.args.Composite(
                position=ocp.args.JsonSave(position.as_dict()),
                **{name: ocp.args.StandardSave(tree) for name, tree in arrays.items()},
            ),
            force=True,  # or Orbax saves nothing while there are later ones
        )
        self._latest.void = set()  # Orbax has them down, and deletes them when this one is written

    def position(self, total_step: int) -> Position:
        """Reads where a checkpoint stands, without its arrays.

        Args:
          total_step: one of `steps()`.

        Returns:
          The position.

        Raises:
          ValueError: there is no such checkpoint, or it is damaged; an earlier one is offered.
        """
        if total_step not in self.steps():
            raise ValueError(
                f"{self.folder} holds no checkpoint {total_step}; it holds {self.steps()}"
            )
        with self._reading(total_step):
            kept = self._manager.restore(
                total_step, args=ocp.args.Composite(position=ocp.args.JsonRestore())
            )
            position = Position.restored(kept.position)
            if position.total_step != total_step:
                raise ValueError(f"its position is that of checkpoint {position.total_step}")
            return position

    def restore(self, total_step: int, shapes: State) -> State:
        """Reads a state, and checks every array of it.

        Args:
          total_step: one of `steps()`.
          shapes: with shardings, from `state.shapes`.

        Returns:
          The state, bit for bit as it was saved.

        Raises:
          ValueError: the checkpoint cannot be read, or an array is not what was saved; it names
            the array and offers the checkpoint before.
        """
        position = self.position(total_step)
        found = self._arrays(position, weights=shapes.weights, moments=shapes.moments)
        step = jax.device_put(np.int32(position.step), shapes.step.sharding)
        return State(found["weights"], found["moments"], step)

    def weights(self, total_step: int, shapes: dict) -> dict:
        """Reads weights alone, and checks every array of them.

        Args:
          total_step: one of `steps()`.
          shapes: of the weights, with shardings.

        Returns:
          The weights, bit for bit as they were saved.

        Raises:
          ValueError: as `restore`.
        """
        return self._arrays(self.position(total_step), weights=shapes)["weights"]

    def go_back(self, total_step: int) -> None:
        """Makes the checkpoints after one void.

        They are deleted once another was saved, so that a wrong turn can be taken back until then.

        Args:
          total_step: the one that is gone back to.
        """
        self._latest.void = {step for step in self.steps() if step > total_step}

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        """Closes, unless the devices failed: whoever writes with us may be gone."""
        if kind is None or not issubclass(kind, jax.errors.JaxRuntimeError):
            self.close()

    def _arrays(self, position: Position, **shapes) -> dict:
        args = {name: ocp.args.StandardRestore(tree) for name, tree in shapes.items()}
        with self._reading(position.total_step), _patient():
            found = dict(
                self._manager.restore(position.total_step, args=ocp.args.Composite(**args)).items()
            )
            for name, value in jax.device_get(self._sums(found)).items():
                if int(value) != position.bit_sums.get(name):
                    raise ValueError(f"{name} is not what was saved")
        return found

    @contextlib.contextmanager
    def _reading(self, total_step: int):
        try:
            yield
        except Exception as error:
            # Orbax, TensorStore, JSON and the file system each fail in their own way.
            if _is_of_the_machine(error):
                raise
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            if len(why) > LONGEST:
                why = f"{why[:LONGEST].rstrip()}…"
            raise ValueError(
                f"checkpoint {self.folder / str(total_step)} is damaged: {why}; "
                f"{self._offer(total_step)}"
            ) from error

    def _offer(self, total_step: int) -> str:
        before = [step for step in self.steps() if step < total_step]
        if before:
            return f"{self._flag} {before[-1]} goes back to the one before"
        return "there is none before it; begin again in another directory with --out"


def _is_of_the_machine(error: Exception) -> bool:
    """Whether reading failed for want of memory, room or permission: nothing is damaged then."""
    if isinstance(error, OSError):
        return not isinstance(error, MISSING)
    return isinstance(error, MemoryError) or any(word in str(error) for word in STATUSES)


class _Finishing(asyncio.SelectorEventLoop):
    """A loop that ends what it began before it closes."""

    def close(self) -> None:
        left = [] if self.is_closed() else asyncio.all_tasks(self)
        if left:
            self.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        super().close()


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _Finishing()


@contextlib.contextmanager
def _patient():
    # Orbax reads all arrays at once, and when one fails it closes the loop on the others, which
    # then complain on standard error, one traceback each.
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(_Policy())
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(before)
