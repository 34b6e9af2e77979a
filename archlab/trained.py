"""A trained run, read back from its directory."""

import dataclasses
import hashlib
import json
from pathlib import Path

import jax

from archlab import directory
from archlab.data.vocabulary import Vocabulary
from archlab.mesh import Mesh, Tree
from archlab.model.transformer import Transformer
from archlab.plain import from_settings
from archlab.settings import Run
from archlab.spelling import beside
from archlab.stages import Stage
from archlab.train import state as states
from archlab.train.checkpoint import Checkpoints
from archlab.train.state import State

WEIGHTS, MOMENTS = "weights/", "moments/"  # what paths begin with, among those of a state


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run that was read back.

    Args:
      run: its settings.
      stage: that the step belongs to.
      model: of that stage, on no mesh.
      weights: after the step that was read.
      vocabulary: of its text.
      step: steps taken in all stages.
      objectives: name and parameters of those that it was trained on, the last stage's first.
      digest: of the weights.
      sums: of the bits of each weight, by its path.
      moments: of the optimizer, where they were asked for; None if there are none.
    """

    run: Run
    stage: Stage
    model: Transformer
    weights: dict
    vocabulary: Vocabulary
    step: int
    objectives: tuple[tuple[str, dict], ...] = ()
    digest: str = ""
    sums: dict[str, int] = dataclasses.field(default_factory=dict)
    moments: Tree = None


def load(
    folder: Path,
    total_step: int | None = None,
    mesh: jax.sharding.Mesh | None = None,
    moments: bool = False,
) -> Trained:
    """Reads a trained run back.

    The run may still be training: nothing is written, and nothing cleared away.

    Args:
      folder: the run directory.
      total_step: the checkpoint; the latest unless given.
      mesh: of the devices that it is read onto; this machine's first unless given.
      moments: whether those of the optimizer are read too.

    Returns:
      The run, its model and its weights.

    Raises:
      ValueError: the folder is no run, has no checkpoint, or one of its files is damaged.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no run directory {folder}{beside(folder)}")
    if not (folder / "manifest.json").exists():
        raise ValueError(f"{folder} is not a run that has trained: it holds no manifest.json")
    config, manifest = (directory.read(folder / f"{name}.json") for name in ("config", "manifest"))
    try:
        run = from_settings(config["run"])
        vocabulary = Vocabulary.from_spec(manifest["vocabulary"], folder)
        run = dataclasses.replace(run, attention="auto")  # as suits this machine, not that one
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder}/config.json or manifest.json is not as archlab wrote it: {error}"
        ) from error
    if not (folder / "checkpoints").is_dir():
        raise ValueError(f"{folder} holds no checkpoint yet; train it for longer")
    checkpoints = Checkpoints(folder / "checkpoints", flag="--step")
    try:
        there = checkpoints.steps()
        if not there:
            raise ValueError(f"{folder} holds no checkpoint yet; train it for longer")
        step = there[-1] if total_step is None else total_step
        position = checkpoints.position(step)
        number = position.stage
        stage = run.stages[number]
        model, mesh = run.model(stage), mesh or Mesh().build(jax.devices()[:1])
        shapes = states.shapes(model, run.optimizer, mesh)
        if moments and any(name.startswith(MOMENTS) for name in position.bit_sums):
            state = checkpoints.restore(step, shapes)
        else:
            state = State(checkpoints.weights(step, shapes.weights), None, step)
        passed = [one.mixture for one in run.stages[number::-1]]
        told = manifest.get("objectives", {})
        objectives = tuple((one[0], one[1]) for name in passed for one in told.get(name, []))
        digest = _digest(model, step, position.bit_sums)
        sums = {name: one for name, one in position.bit_sums.items() if name.startswith(WEIGHTS)}
        facts = (vocabulary, step, objectives, digest, sums)
        return Trained(run, stage, model, state.weights, *facts, state.moments)
    finally:
        checkpoints.close()


def _digest(model: Transformer, total_step: int, bit_sums: dict) -> str:
    """Names weights by their sums, with the step that they are of and the model."""
    own = {name: value for name, value in bit_sums.items() if name.startswith("weights")}
    said = [total_step, own, repr((model.size, model.architecture, model.dtype))]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
