"""Checkpoints: the state and where it stands, written in the background, checked when read.

Orbax writes and commits them; a checkpoint that was being written when the run was killed does not
count. Orbax does not notice a flipped bit in a stored array, so a sum over the bits of each array
is kept beside the state and compared when it is read.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from archlab import mesh
from archlab.train.step import State


def bit_sums(tree: mesh.Tree) -> dict[str, jax.Array]:
    """Sums the bits of each array, weighted by place, on the devices that hold it.

    The weights are odd, so any one flipped bit changes the sum, and they differ, so two values that
    change places nearly always do.

    Args:
      tree: arrays of 4 bytes a value.

    Returns:
      uint32 scalar of each array, by path.
    """

    def total(array: jax.Array) -> jax.Array:
        place = jnp.zeros(array.shape, jnp.uint32)
        for number, extent in enumerate(array.shape):
            place = place * extent + jax.lax.broadcasted_iota(jnp.uint32, array.shape, number)
        bits = jax.lax.bitcast_convert_type(array, jnp.uint32)
        return jnp.sum(bits * (2 * place + 1), dtype=jnp.uint32)

    return {
        mesh.path(keys): total(leaf) for keys, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    }


def _plain(state: State) -> dict:
    return {"weights": state.weights, "moments": state.moments, "step": state.step}


class Checkpoints:
    """The checkpoints of one run, by the number of steps taken in all stages.

    Args:
      folder: where they are; made if it is not there.
      keep: how many of the latest stay.
    """

    def __init__(self, folder: Path, keep: int):
        self.folder = folder
        self._sums = jax.jit(bit_sums)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, cleanup_tmp_directories=True, enable_async_checkpointing=True
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def steps(self) -> list[int]:
        """The committed checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, total_step: int, state: State, position: dict) -> None:
        """Copies the state off the devices and writes it in the background.

        Args:
          total_step: steps taken in all stages.
          state: to be kept.
          position: where it stands, JSON-able; given back by `restore`.
        """
        sums = {name: int(value) for name, value in jax.device_get(self._sums(state)).items()}
        self._manager.save(
            total_step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(_plain(state)),
                position=ocp.args.JsonSave({**position, "bit_sums": sums}),
            ),
        )

    def position(self, total_step: int) -> dict:
        """Reads where a checkpoint stands, without its arrays.

        Args:
          total_step: one of `steps()`.

        Returns:
          What `save` was given.

        Raises:
          ValueError: there is no such checkpoint, or it cannot be read; an earlier one is offered.
        """
        if total_step not in self.steps():
            raise ValueError(
                f"{self.folder} holds no checkpoint {total_step}; it holds {self.steps()}"
            )
        return self._read(total_step, position=ocp.args.JsonRestore()).position

    def restore(self, total_step: int, shapes: State) -> State:
        """Reads a state, and checks every array of it.

        Args:
          total_step: one of `steps()`.
          shapes: with shardings, from `step.shapes`.

        Returns:
          The state, bit for bit as it was saved.

        Raises:
          ValueError: the checkpoint cannot be read, or an array is not what was saved; it names
            the array and offers the checkpoint before.
        """
        sums = self.position(total_step)["bit_sums"]
        found = self._read(total_step, state=ocp.args.StandardRestore(_plain(shapes))).state
        state = State(found["weights"], found["moments"], found["step"])
        for name, value in jax.device_get(self._sums(state)).items():
            if int(value) != sums.get(name):
                raise ValueError(self._damaged(total_step, f"{name} is not what was saved"))
        return state

    def drop_after(self, total_step: int) -> None:
        """Deletes the checkpoints after one, when a run goes back to it.

        Args:
          total_step: the one that is gone back to.
        """
        for later in self.steps():
            if later > total_step:
                self._manager.delete(later)

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()

    def _read(self, total_step: int, **args):
        try:
            return self._manager.restore(total_step, args=ocp.args.Composite(**args))
        except Exception as error:
            # Orbax, TensorStore, JSON and the file system each fail in their own way.
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(self._damaged(total_step, first)) from error

    def _damaged(self, total_step: int, why: str) -> str:
        before = [step for step in self.steps() if step < total_step]
        offer = (
            f"--resume-from {before[-1]} goes back to the one before"
            if before
            else ("there is none before it; begin again in another directory with --out")
        )
        return f"checkpoint {self.folder / str(total_step)} is damaged: {why}; {offer}"
