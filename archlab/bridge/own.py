"""archlab's own folders: safetensors under archlab's names, for what no other library can run.

archlab.json         size, architecture, vocabulary, length of a row
model.safetensors    or shards of it; each weight under its path
"""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np

from archlab import batch, form, mesh
from archlab.architecture import Architecture
from archlab.bridge import shards, words
from archlab.bridge.model import Model
from archlab.bridge.shards import Shards
from archlab.model import transformer
from archlab.model.transformer import Transformer
from archlab.refusal import blame
from archlab.size import Size

FORM = {"size": {str: int}, "architecture": {"name": str}, "vocabulary": {"path": str}}


def read(folder: Path) -> Model:
    """Reads a model.

    Args:
      folder: as `write` left it.

    Returns:
      The model.

    Raises:
      ValueError: a file is not what was written.
    """
    said = form.read(folder / words.OWN, FORM)
    with blame(ahead=f"{folder}: "):
        try:
            size, architecture = Size(**said["size"]), Architecture(**said["architecture"])
        except TypeError as error:
            raise ValueError(f"{words.OWN} is of another version: {error}") from error
        stored, shapes = Shards(folder), transformer.shapes(size, architecture)
        if stored.shapes != shapes:
            differ = sorted(set(stored.shapes.items()) ^ set(shapes.items()))
            raise ValueError(f"{differ[0][0]} is not as {words.OWN} says: {differ[0][1]}")
        weights = jax.tree_util.tree_map_with_path(
            lambda keys, _: stored.read(mesh.path(keys)), _tree(size, architecture)
        )
        vocabulary = words.read(folder)
    return Model(size, architecture, weights, vocabulary, said.get("length", 0))


def write(model: Model, folder: Path, most: int = shards.BYTES) -> str:
    """Writes a model.

    Args:
      model: any.
      folder: where to; it is there, and empty.
      most: bytes of a file of weights.

    Returns:
      What reads it.
    """
    leaves = jax.tree_util.tree_flatten_with_path(model.weights)[0]
    weights = {mesh.path(keys): np.asarray(leaf) for keys, leaf in leaves}
    shards.write(
        folder, {name: one.shape for name, one in weights.items()}, weights.__getitem__, most
    )
    said = {
        "size": dataclasses.asdict(model.size),
        "architecture": dataclasses.asdict(model.architecture),
        "vocabulary": words.keep(model.vocabulary, folder),
        "length": model.length,
    }
    (folder / words.OWN).write_text(json.dumps(said, indent=2) + "\n")
    return "archlab"


def _tree(size: Size, architecture: Architecture) -> dict:
    """Shapes of the weights, as the model has them."""
    made = Transformer(size, architecture).init
    blank = batch.abstract(architecture.kind, 1, 1, 1)
    return jax.eval_shape(made, jax.random.key(0), blank)["params"]
