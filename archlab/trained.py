"""A trained run, read back from its directory."""

import dataclasses
import json
from pathlib import Path

import jax

from archlab.data.vocabulary import Vocabulary
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.program import Program
from archlab.settings import Run, from_settings
from archlab.train.checkpoint import Checkpoints


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run that was read back.

    Args:
      run: its settings.
      model: of its last stage, on no mesh.
      weights: after the step that was read.
      vocabulary: of its text.
      step: steps taken in all stages.
    """

    run: Run
    model: Transformer
    weights: dict
    vocabulary: Vocabulary
    step: int


def load(folder: Path, total_step: int | None = None) -> Trained:
    """Reads a trained run back, onto this machine's first device.

    Args:
      folder: the run directory.
      total_step: the checkpoint; the latest unless given.

    Returns:
      The run, its model and its weights.

    Raises:
      ValueError: the folder is no run, has no checkpoint, or the checkpoint is damaged.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no run directory {folder}")
    if not (folder / "manifest.json").exists():
        raise ValueError(f"{folder} is not a run that has trained: it holds no manifest.json")
    run = from_settings(json.loads((folder / "config.json").read_text())["run"])
    vocabulary = Vocabulary.from_spec(
        json.loads((folder / "manifest.json").read_text())["vocabulary"]
    )
    checkpoints = Checkpoints(folder / "checkpoints", run.keep)
    try:
        there = checkpoints.steps()
        if not there:
            raise ValueError(f"{folder} holds no checkpoint yet; train it for longer")
        step_wanted = there[-1] if total_step is None else total_step
        at = checkpoints.position(step_wanted)["stage"]
        program = Program(run, at, Mesh().build(jax.devices()[:1]))
        state = checkpoints.restore(step_wanted, program.shapes)
        return Trained(run, run.model(run.stages[at]), state.weights, vocabulary, step_wanted)
    finally:
        checkpoints.close()
