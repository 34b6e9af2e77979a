"""The start: what a run begins with, where it is not drawn but read.

It is a run directory, of which the latest checkpoint counts, or a folder of weights, of Hugging
Face's form or archlab's own. What the weights were is written into the manifest of the run that
begins with them, so that it goes on without them.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import jax
import numpy as np

from archlab import directory, processes, trained
from archlab import mesh as meshes
from archlab.architecture import Architecture
from archlab.bridge import folders
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal, blame
from archlab.size import Size
from archlab.spelling import beside
from archlab.train.optimizer import Optimizer


@dataclasses.dataclass(frozen=True)
class Start:
    """Weights that a run begins with.

    Args:
      folder: where they are.
      step: of the run that they are from; None where they are from no run.
      digest: of their bits, the same in every form.
      architecture: of their model.
      size: of their model.
      vocabulary: the spec of that of its text.
      weights: themselves; None where they are not needed any more.
      moments: of the optimizer; None where they begin anew.
    """

    folder: str
    step: int | None
    digest: str
    architecture: Architecture
    size: Size
    vocabulary: dict
    weights: dict | None = dataclasses.field(default=None, compare=False)
    moments: meshes.Tree = dataclasses.field(default=None, compare=False)

    @property
    def model(self) -> Transformer:
        """Their model, on no mesh."""
        return Transformer(self.size, self.architecture)

    def as_dict(self) -> dict:
        """What a manifest and the record keep.

        Returns:
          JSON-able; `restored` reads it.
        """
        fields = dataclasses.asdict(dataclasses.replace(self, weights=None, moments=None))
        del fields["weights"], fields["moments"]
        return fields


def restored(kept: dict) -> Start:
    """Reads back what a manifest kept.

    Args:
      kept: from `as_dict`.

    Returns:
      The start, without its weights.
    """
    architecture, size = Architecture(**kept["architecture"]), Size(**kept["size"])
    return Start(**{**kept, "architecture": architecture, "size": size})


def read(folder: str, mesh: jax.sharding.Mesh, optimizer: Optimizer | None = None) -> Start:
    """Reads the weights that a run begins with.

    Args:
      folder: a run directory, or a folder of weights.
      mesh: of the devices that they are read onto.
      optimizer: that goes on with the moments that are there; None leaves them there.

    Returns:
      The start.

    Raises:
      Refusal: it is neither, or one of its files is damaged; or there are no moments, or those of
        another optimizer.
    """
    path = Path(folder)
    with blame("Run.start", ahead="Run.start: "):
        if not path.is_dir():
            raise ValueError(f"there is no folder {folder}{beside(folder)}")
        if (path / "manifest.json").exists():
            run = trained.load(path, mesh=mesh, moments=optimizer is not None)
            if optimizer:
                _check(run, folder, optimizer)
            model, vocabulary = run.model, run.vocabulary
            facts = (folder, run.step, _digest(run.sums), model.architecture, model.size)
            return Start(*facts, vocabulary.spec(), run.weights, run.moments)
        own = folders.read(path)
        if optimizer:
            raise _without(folder)
    leaves = jax.tree_util.tree_flatten_with_path(own.weights)[0]
    sums = {trained.WEIGHTS + meshes.path(keys): _sum(leaf) for keys, leaf in leaves}
    known = (folder, None, _digest(sums), own.architecture, own.size)
    placed = meshes.shardings(mesh, own.weights, own.weights)
    return Start(*known, own.vocabulary.spec(), jax.tree.map(_placed, own.weights, placed))


def _check(run: trained.Trained, folder: str, optimizer: Optimizer) -> None:
    """Refuses moments that an optimizer cannot go on with."""
    if run.moments is None:
        raise _without(folder)
    had = run.run.optimizer
    old, new = (
        jax.tree.flatten(jax.eval_shape(one.transform().init, run.weights))
        for one in (had, optimizer)
    )
    if old != new:
        others = ", ".join(
            f"Optimizer.{field.name}: {before!r} → {after!r}"
            for field in dataclasses.fields(optimizer)
            if (before := getattr(had, field.name)) != (after := getattr(optimizer, field.name))
        )
        raise Refusal(
            f"Stage.moments='keep', and the moments in {folder} are another optimizer's "
            f"({others}); 'reset' begins anew",
            "Stage.moments",
            0,
        )


def _without(folder: str) -> Refusal:
    return Refusal(
        f"Stage.moments='keep', and {folder} holds weights and no moments; 'reset' begins anew",
        "Stage.moments",
        0,
    )


def found(
    folder: str | None,
    out: Path,
    mesh: jax.sharding.Mesh,
    has_begun: bool,
    optimizer: Optimizer | None = None,
) -> Start | None:
    """Finds what a run begins or began with.

    Args:
      folder: as the settings name it; None for nothing.
      out: the run directory.
      mesh: of the run's devices.
      has_begun: whether the run has a checkpoint of its own, and needs no weights any more.
      optimizer: as `read` has it.

    Returns:
      The start; None if there is none.

    Raises:
      Refusal: it cannot be read, or is not what the run began with.
    """
    if folder is None:
        return None

    def manifest() -> dict | None:
        path = out / "manifest.json"
        return directory.read(path).get("start") if path.exists() else None

    kept = processes.first(manifest)
    if kept and has_begun:
        return restored(kept)
    start = read(folder, mesh, optimizer)
    processes.same(f"weights in {folder}", start.digest)
    if kept and kept["digest"] != start.digest:
        raise Refusal(
            f"the weights in {folder} have changed since {out} began: {kept['digest'][:12]} → "
            f"{start.digest[:12]}; put the old ones back, or name another directory with --out",
            "Run.start",
        )
    return start


def _sum(leaf: np.ndarray) -> int:
    """The sum over the bits of an array as a checkpoint has it (`train/bits.py`), on this host."""
    flat = np.ascontiguousarray(leaf, np.float32).view(np.uint32).reshape(-1)
    odd = 2 * np.arange(flat.size, dtype=np.uint32) + 1
    return int(np.sum(flat * odd, dtype=np.uint32))


def _digest(sums: dict[str, int]) -> str:
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()


def _placed(leaf: np.ndarray, sharding: jax.sharding.Sharding) -> jax.Array:
    """An array that every process has read, of which each device gets its own part."""
    return jax.make_array_from_callback(leaf.shape, sharding, leaf.__getitem__)
