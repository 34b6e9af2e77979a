"""Where arrays live: a named mesh, and rules that read each array's sharding off its name.

Rules are pairs of a word of the alphabet and a mesh axis, first come, first served within one
array. `batch` comes first, so an activation `x_BLD` is split over its rows and left whole over
`embed`, while a weight `query_DHK`, which has no batch, is split over `embed` (FSDP) and `heads`
(tensor parallelism): the same words, no second set of names.

Queries are split over their length and keys, whose length is `memory`, are not: what each device
asks is its own, and what is asked it gathers. Weights have no length, so they are split over
`context` too, and no rule splits a weight over `slice`: what crosses the slow network between
slices is the gradient, once a microbatch.

Optimizer moments follow, since they carry the paths of their weights. An array is split only if it
has the path and the shape of a weight: Adafactor's factored moments keep the path but drop a
dimension, and stay whole.
"""

import dataclasses
import math
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import NamedSharding, PartitionSpec

from archlab import axes
from archlab.refusal import Refusal, blame

Tree = Any  # arrays, or what stands for them, in dicts, tuples and dataclasses
AXES = ("slice", "data", "expert", "context", "model")  # from what talks least to what talks most
RULES = (
    ("batch", "slice"),
    ("batch", "data"),
    ("batch", "expert"),
    ("parts", "slice"),
    ("parts", "data"),
    ("parts", "expert"),
    ("parts", "context"),
    ("length", "context"),
    ("experts", "expert"),
    ("vocab", "model"),
    ("heads", "model"),
    ("kv_heads", "model"),
    ("mlp", "model"),
    ("embed", "data"),
    ("embed", "expert"),
    ("embed", "context"),
)
SAID = {"batch": ("rows", "Stage.rows"), "length": ("length", "")}  # and where it is set


def spec(words: tuple[str, ...]) -> PartitionSpec:
    """Says which mesh axes each dimension is split over.

    Example:
      >>> tuple(spec(("embed", "heads", "kv")))
      (('data', 'expert', 'context'), 'model', None)
      >>> tuple(spec(("batch", "length", "embed")))
      (('slice', 'data', 'expert'), 'context', None)

    Args:
      words: the array's dimensions, outermost first.

    Returns:
      A mesh axis, several, or None, for each dimension; no axis twice.
    """
    chosen: list[list[str]] = [[] for _ in words]
    for word, axis in RULES:
        if word in words and not any(axis in taken for taken in chosen):
            chosen[words.index(word)].append(axis)
    return PartitionSpec(*(_shortest(taken) for taken in chosen))


def _shortest(taken: list[str]) -> tuple[str, ...] | str | None:
    return tuple(taken) if len(taken) > 1 else taken[0] if taken else None


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
    """How many ways everything is split.

    Example, two slices of eight devices:
      Mesh(slice=2, data=2, context=2, model=2)

    Args:
      data: ways to split the rows of a slice and, as FSDP, the weights; -1 takes the devices that
        are left.
      model: ways to split heads, hidden layers and the vocabulary (tensor parallelism).
      context: ways to split the length of queries (sequence parallelism), and the weights.
      slice: slices that the rows are shared out to; each keeps all weights.
      expert: ways to split experts (expert parallelism), and the rows and other weights as `data`.

    Raises:
      ValueError: a number below 1.
    """

    data: int = -1
    model: int = 1
    context: int = 1
    slice: int = 1
    expert: int = 1

    def __post_init__(self):
        for name in AXES:
            ways = getattr(self, name)
            if ways < 1 and (name, ways) != ("data", -1):
                right = "1 or more, or -1 for what is left" if name == "data" else "1 or more"
                raise Refusal(f"Mesh.{name}={ways}; it is {right}", f"Mesh.{name}")

    def build(self, devices: list[jax.Device] | None = None) -> jax.sharding.Mesh:
        """Lays the devices out, those that talk most nearest to each other.

        Args:
          devices: the devices to use; all there are, unless given.

        Returns:
          A mesh with the axes `AXES`.

        Raises:
          ValueError: the numbers do not multiply to the number of devices, or the devices form
            another number of slices.
        """
        devices = jax.devices() if devices is None else devices
        ways = {name: getattr(self, name) for name in AXES}
        ways["data"] = self._data(len(devices))
        within = [ways[name] for name in AXES[1:]]
        laid_out = [
            mesh_utils.create_device_mesh(within, part, allow_split_physical_axes=True)
            for part in self._slices(devices)
        ]
        kinds = (jax.sharding.AxisType.Auto,) * len(AXES)
        return jax.sharding.Mesh(np.stack(laid_out), AXES, axis_types=kinds)

    def abstract(self, devices: int | None = None) -> jax.sharding.AbstractMesh:
        """Says how devices would be laid out that are not here.

        Args:
          devices: how many; None takes as many as the numbers multiply to.

        Returns:
          A mesh of the same axes, on which shapes can be split and nothing can run.

        Raises:
          ValueError: the numbers do not multiply to that many, or leave open how many there are.
        """
        ways = {name: getattr(self, name) for name in AXES}
        if devices is None and self.data == -1:
            raise Refusal(
                "Mesh.data=-1 takes all devices that are left, and it was not said how many there "
                "are: --chips says it",
                "Mesh.data",
            )
        ways["data"] = self.data if devices is None else self._data(devices)
        kinds = (jax.sharding.AxisType.Auto,) * len(AXES)
        return jax.sharding.AbstractMesh(tuple(ways.values()), AXES, axis_types=kinds)

    def _data(self, devices: int) -> int:
        """Ways to split the rows of a slice."""
        others = {name: getattr(self, name) for name in AXES if name != "data"}
        product = math.prod(others.values())
        said = " × ".join(f"Mesh.{name}={ways}" for name, ways in others.items() if ways > 1)
        if devices % product:
            do = [ways for ways in range(1, devices + 1) if not devices % ways]
            near = [*[ways for ways in do if ways < product][-1:]]
            near += [ways for ways in do if ways > product][:1]
            raise Refusal(
                f"{said}{f' = {product}' if '×' in said else ''} does not divide the {devices} "
                "devices; "
                f"{' or '.join(map(str, near))} would",
                f"Mesh.{max(others, key=others.__getitem__)}",
            )
        left = devices // product
        if self.data not in (-1, left):
            said = f"Mesh.data={self.data}{f' × {said}' if said else ''}"
            raise Refusal(
                f"{said} is not the {devices} devices; data={left} would be",
                "Mesh.data",
            )
        return left

    def _slices(self, devices: list[jax.Device]) -> list[list[jax.Device]]:
        """The devices of each slice; where there are no slices, neighbours stand for one."""
        own: dict[int, list] = {}
        for device in devices:
            own.setdefault(getattr(device, "slice_index", 0), []).append(device)
        if len(own) == self.slice:
            return [own[number] for number in sorted(own)]
        if devices[0].platform == "tpu":
            raise Refusal(
                f"Mesh.slice={self.slice}, and the {len(devices)} devices form {len(own)} slices; "
                f"slice={len(own)} would do",
                "Mesh.slice",
            )
        many = len(devices) // self.slice
        return [devices[first : first + many] for first in range(0, len(devices), many)]


def sharding(mesh: jax.sharding.Mesh, name: str, shape: tuple[int, ...]) -> NamedSharding:
    """Says how one array, named in the alphabet, is split over a mesh.

    Args:
      mesh: from `Mesh.build`.
      name: of a weight or an activation, like `query_DHK`.
      shape: of the array; one dimension more than letters means a stack of layers, outermost.

    Returns:
      The sharding. Key and value heads that do not divide over the ways to split them stay whole.

    Raises:
      ValueError: a dimension does not divide over its mesh axes.
    """
    words = axes.words(name)
    if len(shape) == len(words) + 1:
        words = ("layers", *words)
    assert len(shape) == len(words), f"{name} has shape {shape}"
    chosen = list(spec(words))
    for number, (word, extent, axis) in enumerate(zip(words, shape, chosen, strict=True)):
        taken = axis if isinstance(axis, tuple) else (axis,) if axis else ()
        ways = math.prod(mesh.shape[one] for one in taken)
        if extent % ways and word == "kv_heads":
            chosen[number] = None
        elif extent % ways:
            over = " × ".join(f"{one}={mesh.shape[one]}" for one in taken if mesh.shape[one] > 1)
            said, about = SAID.get(word, (word, f"Size.{word}"))
            nearest = ways * max(1, (2 * extent + ways) // (2 * ways))
            raise Refusal(
                f"{said}={extent} does not divide over {over}; the nearest that does is {nearest}",
                about,
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
    """Says how a batch is split: over its rows, and over its length.

    Args:
      mesh: from `Mesh.build`.
      batch: a `Batch` of arrays, rows outermost.

    Returns:
      `batch` with a sharding in place of each array.

    Raises:
      ValueError: the rows or a length do not divide over their mesh axes.
    """

    def place(keys, array):
        with blame("Stage.inputs" if path(keys).startswith("encoder/") else "Stage.targets"):
            return sharding(mesh, path(keys[-1:]), array.shape)

    return jax.tree_util.tree_map_with_path(place, batch)
