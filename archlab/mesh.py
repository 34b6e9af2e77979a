"""Where arrays live: a named mesh, and rules that read each array's sharding off its name.

Rules are pairs of a word of the alphabet and a mesh axis, first come, first served within one
array. `batch` comes first, so an activation `x_BLD` is split over its rows and left whole over
`embed`, while a weight `query_DHK`, which has no batch, is split over `embed` (FSDP) and `heads`
(tensor parallelism): the same words, no second set of names.

Optimizer moments follow, since they carry the paths of their weights. An array is split only if it
has the path and the shape of a weight: Adafactor's factored moments keep the path but drop a
dimension, and stay whole.
"""

import dataclasses
import math
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

from archlab import axes
from archlab.refusal import Refusal

Tree = Any  # arrays, or what stands for them, in dicts, tuples and dataclasses
RULES = (
    ("batch", "data"),
    ("vocab", "model"),
    ("heads", "model"),
    ("kv_heads", "model"),
    ("mlp", "model"),
    ("embed", "data"),
)


def spec(words: tuple[str, ...]) -> PartitionSpec:
    """Says which mesh axis each dimension is split over.

    Example:
      >>> tuple(spec(("embed", "heads", "kv")))
      ('data', 'model', None)
      >>> tuple(spec(("batch", "length", "embed")))
      ('data', None, None)

    Args:
      words: the array's dimensions, outermost first.

    Returns:
      One mesh axis, or None, for each dimension; no axis twice.
    """
    chosen: list[str | None] = [None] * len(words)
    for word, axis in RULES:
        if word in words and axis not in chosen:
            chosen[words.index(word)] = axis
    return PartitionSpec(*chosen)


def path(keys: tuple) -> str:
    """Writes a pytree path with slashes.

    Example:
      decoder/layers/attention/query_DHK

    Args:
      keys: the keys of `jax.tree_util.tree_flatten_with_path`.

    Returns:
      The keys' own names, joined by "/".
    """
    return jax.tree_util.keystr(keys, simple=True, separator="/")


@dataclasses.dataclass(frozen=True)
class Mesh:
    """How many ways the data and the model are split.

    Args:
      data: ways to split the rows and, as FSDP, the weights; -1 takes the devices that are left.
      model: ways to split heads, hidden layers and the vocabulary (tensor parallelism).
    """

    data: int = -1
    model: int = 1

    def build(self, devices: list[jax.Device] | None = None) -> jax.sharding.Mesh:
        """Lays the devices out.

        Args:
          devices: the devices to use; all there are, unless given.

        Returns:
          A mesh with the axes `data` and `model`.

        Raises:
          ValueError: the two numbers do not multiply to the number of devices.
        """
        devices = jax.devices() if devices is None else devices
        if self.model < 1 or len(devices) % self.model:
            raise Refusal(
                f"Mesh.model={self.model} does not divide the {len(devices)} devices that are here",
                "Mesh.model",
            )
        data = len(devices) // self.model if self.data == -1 else self.data
        if data * self.model != len(devices):
            raise Refusal(
                f"Mesh.data={self.data} × Mesh.model={self.model} is not the {len(devices)} "
                f"devices that are here; data={len(devices) // self.model} would be",
                "Mesh.data",
            )
        return jax.make_mesh(
            (data, self.model),
            ("data", "model"),
            axis_types=(jax.sharding.AxisType.Auto,) * 2,
            devices=devices,
        )


def sharding(mesh: jax.sharding.Mesh, name: str, shape: tuple[int, ...]) -> NamedSharding:
    """Says how one array, named in the alphabet, is split over a mesh.

    Args:
      mesh: from `Mesh.build`.
      name: of a weight or an activation, like `query_DHK`.
      shape: of the array; one dimension more than letters means a stack of layers, outermost.

    Returns:
      The sharding. Key and value heads that do not divide over the ways to split them stay whole.

    Raises:
      ValueError: a dimension does not divide over its mesh axis.
    """
    words = axes.words(name)
    if len(shape) == len(words) + 1:
        words = ("layers", *words)
    assert len(shape) == len(words), f"{name} has shape {shape}"
    chosen = list(spec(words))
    for number, (word, extent, axis) in enumerate(zip(words, shape, chosen, strict=True)):
        ways = mesh.shape[axis] if axis else 1
        if extent % ways and word == "kv_heads":
            chosen[number] = None
        elif extent % ways:
            raise Refusal(
                f"{word}={extent} does not divide over {axis}={ways}; "
                f"the nearest that does is {ways * math.ceil(extent / ways)}",
                f"Size.{word}",
            )
    return NamedSharding(mesh, PartitionSpec(*chosen))


def shardings(mesh: jax.sharding.Mesh, tree: Tree, weights: Tree) -> Tree:
    """Says how every array of a tree is split.

    Split are those that are weights, or have the path and the shape of one.

    Args:
      mesh: from `Mesh.build`.
      tree: arrays or their shapes; the weights themselves, or optimizer state.
      weights: the weights or their shapes, whose paths end in names of the alphabet.

    Returns:
      `tree` with a sharding in place of each array.
    """
    shapes = {
        path(keys): leaf.shape for keys, leaf in jax.tree_util.tree_flatten_with_path(weights)[0]
    }

    def place(keys, leaf):
        parts = path(keys).split("/")
        ends = ("/".join(parts[first:]) for first in range(len(parts)))
        if any(shapes.get(end) == leaf.shape for end in ends):
            return sharding(mesh, parts[-1], leaf.shape)
        return NamedSharding(mesh, PartitionSpec())

    return jax.tree_util.tree_map_with_path(place, tree)


def rows(mesh: jax.sharding.Mesh, batch: Tree) -> Tree:
    """Says how a batch is split: by rows, over `data`.

    Args:
      mesh: from `Mesh.build`.
      batch: a `Batch` of arrays, rows outermost.

    Returns:
      `batch` with a sharding in place of each array.

    Raises:
      ValueError: the rows do not divide over `data`.
    """
    ways = mesh.shape["data"]

    def place(array):
        if array.shape[0] % ways:
            raise Refusal(
                f"rows={array.shape[0]} does not divide over data={ways}; "
                f"the nearest that does is {ways * math.ceil(array.shape[0] / ways)}",
                "Stage.rows",
            )
        return NamedSharding(mesh, PartitionSpec("data"))

    return jax.tree.map(place, batch)
