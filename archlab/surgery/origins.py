"""Origins: which old weight each new one is, found by the paths of both.

A weight goes where its path says: `decoder/layers/mlp/up_DF` is the one of that path. Where a stack
is new, the other stack's weights go there; what has no counterpart is made as at a first step; and
what nothing took is dropped.

Why by rule and not by a table for each pair: an ingredient that is added to the model later has a
path too, and goes the same way.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np

from archlab import axes
from archlab.architecture import Architecture
from archlab.model.transformer import Transformer, shapes
from archlab.model.visibility import AHEAD
from archlab.surgery.choices import Surgery

ROWS = "VU"  # dimensions that may have more or fewer rows than they had
LAYERS = "/layers/"  # weights of which each layer has its own, outermost
OWN, OTHER = "/layers/attention", "/layers/cross"
OUT = ("out_", "down_")  # products whose sums are added to the stream, and their biases
HEAD, TABLE = "head/head_DV", "embedding/table_VD"  # the one is the other turned, where it is tied


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where the values of one new weight come from.

    Args:
      path: of the new weight.
      shape: of it.
      source: path of the old weight; "" where there is none.
      was: shape of that, as the new one lays it.
      layers: the old layer of each new one, outermost; none where the weight is no layers'.
      axis: dimension whose rows are more or fewer than they were; None where none is.
      rows: what rows begin as that there were not, of `choices.ROWS`.
      silent: of each layer, whether its values are 0 at first, so that it adds nothing to the
        stream; none where no layer's are.
      is_new: whether all of it is new where it is, though its values may be another's.
      is_turned: whether its dimensions are the old weight's in the opposite order, as those of a
        head are that was a table.
    """

    path: str
    shape: tuple[int, ...]
    source: str = ""
    was: tuple[int, ...] = ()
    layers: tuple[int, ...] = ()
    axis: int | None = None
    rows: str = "fresh"
    silent: tuple[bool, ...] = ()
    is_new: bool = False
    is_turned: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is the old weight as it was, all of it and nothing else."""
        in_order = self.layers == tuple(range(self.was[0])) if self.layers else bool(self.source)
        is_same = in_order and self.axis is None and not self.is_turned
        return is_same and not self.is_made.any()

    @property
    def repeats(self) -> np.ndarray:
        """Which layers repeat one before them; bool, broadcastable to the weight."""
        seen = [layer in self.layers[:number] for number, layer in enumerate(self.layers)]
        return self._spread(seen, 0)

    @property
    def is_silent(self) -> np.ndarray:
        """Which values are 0 at first; bool, broadcastable to the weight."""
        return self._spread(self.silent, 0)

    @property
    def is_made(self) -> np.ndarray:
        """Which values are no old weight's; bool, broadcastable to the weight."""
        if not self.source:
            return self._spread([True], 0)
        return self.is_silent | self._spread(self._is_row_new(), self.axis or 0)

    @property
    def moves(self) -> np.ndarray:
        """Which values are new where they are; bool, broadcastable to the weight."""
        return self.is_made | self.repeats | self.is_new

    @property
    def made(self) -> int:
        """How many values are made."""
        return _count(self.is_made, self.shape)

    @property
    def copied(self) -> int:
        """How many values are copied."""
        return math.prod(self.shape) - self.made

    @property
    def taken(self) -> np.ndarray:
        """Which values of the old weight it has; bool, broadcastable to that."""
        used = np.ones((1,) * len(self.was), bool)
        if self.layers:
            silent = self.silent or (False,) * len(self.layers)
            taken = {layer for layer, is_0 in zip(self.layers, silent, strict=True) if not is_0}
            used = used & _along([layer in taken for layer in range(self.was[0])], 0, self.was)
        if self.axis is not None:
            kept = np.arange(self.was[self.axis]) < self.shape[self.axis]
            used = used & _along(kept, self.axis, self.was)
        return used.T if self.is_turned else used

    def _is_row_new(self) -> np.ndarray:
        if self.axis is None:
            return np.zeros(1, bool)
        return np.arange(self.shape[self.axis]) >= self.was[self.axis]

    def _spread(self, values: Sequence[bool] | np.ndarray, axis: int) -> np.ndarray:
        return _along(values if len(values) else [False], axis, self.shape)


def _along(values: Sequence[bool] | np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """Lays values along one dimension of an array."""
    return np.asarray(values, bool).reshape([-1 if at == axis else 1 for at in range(len(shape))])


def _count(chosen: np.ndarray, shape: tuple[int, ...]) -> int:
    """How many values of an array are chosen."""
    return int(chosen.sum()) * (math.prod(shape) // chosen.size)


def origins(old: Transformer, new: Transformer, surgery: Surgery) -> tuple[Origin, ...]:
    """Finds where each weight of a new model comes from.

    Args:
      old: the model whose weights there are.
      new: the model that is wanted, as `compatibility.check` lets it pass.
      surgery: how.

    Returns:
      One for each weight of the new model.
    """
    had = shapes(old.size, old.architecture)
    found = []
    for path, shape in shapes(new.size, new.architecture).items():
        source, is_new = _source(path, had, old.architecture, new.architecture, surgery)
        if not source:
            found.append(Origin(path, shape, is_new=True))
            continue
        is_turned = (path, source) == (HEAD, TABLE)
        was = had[source][::-1] if is_turned else had[source]
        letters = ("N" if LAYERS in path else "") + axes.letters(path.split("/")[-1])
        other = [at for at, letter in enumerate(letters) if letter != "N" and was[at] != shape[at]]
        assert all(letters[at] in ROWS for at in other), f"{path} is {shape}, and {source} {was}"
        axis = other[0] if other else None
        rows = surgery.rows if "V" in letters else "fresh"
        order = layers(was[0], shape[0], surgery.depth) if LAYERS in path else ()
        silent = _silent(path, order, surgery, is_new)
        own = (source, was, order, axis, rows, silent, is_new, is_turned)
        found.append(Origin(path, shape, *own))
    return tuple(found)


def _silent(path: str, order: tuple[int, ...], surgery: Surgery, is_new: bool) -> tuple[bool, ...]:
    """Which layers of a weight are 0 at first."""
    adds = path.split("/")[-1].startswith(OUT) or path.endswith("_post_norm/bias_D")
    if not adds:
        return ()
    if is_new and surgery.cross == "silent":
        return (True,) * len(order)
    if surgery.depth == "silent":
        return tuple(layer in order[:number] for number, layer in enumerate(order))
    return ()


def _source(
    path: str,
    had: dict[str, tuple[int, ...]],
    old: Architecture,
    new: Architecture,
    surgery: Surgery,
) -> tuple[str, bool]:
    """The old weight that a new one is, "" if none is, and whether it has another place there."""
    part, _, rest = path.partition("/")
    is_new = False
    if part in new.stacks:
        # Stacks that were tied are stored as one, the decoder.
        held = [stack for stack in old.stacks if any(one.startswith(f"{stack}/") for one in had)]
        stack = part if part in held else held[-1]
        source = f"{stack}/{rest}"
        if rest == "bias_RH" and _sees(old, stack) != _sees(new, part):
            return "", True  # its buckets are of other distances
        if OTHER in source and source not in had:  # there was no other stack to attend to
            source, is_new = source.replace(OTHER, OWN, 1), True
            if surgery.cross == "fresh":
                return "", True
    else:
        source = path
        # Of two tables, an encoder alone reads the one that it read.
        if part == "embedding" and new.kind == "encoder" and "encoder_embedding/table_VD" in had:
            source = f"encoder_embedding/{rest}"
        if source not in had:
            source = TABLE if path == HEAD else source.removeprefix("encoder_")
    return (source, is_new) if source in had else ("", True)


def _sees(architecture: Architecture, stack: str) -> bool:
    """Whether some of the positions that share a stack's weights may see what comes after them."""
    return stack == "encoder" or architecture.visibility in AHEAD or architecture.tied_stacks


def layers(many: int, wanted: int, how: str) -> tuple[int, ...]:
    """Says which old layer each layer of a stack begins as.

    Example:
      >>> layers(2, 4, "stack"), layers(2, 4, "interleave"), layers(4, 2, "interleave")
      ((0, 1, 0, 1), (0, 0, 1, 1), (0, 2))

    Args:
      many: layers that there were.
      wanted: layers that there are to be.
      how: one of `choices.DEPTH`.

    Returns:
      The number of an old layer, from 0, for each new one. What was made deeper and is made as
      shallow as it was has the layers that it had.
    """
    if how == "stack":
        return tuple(number % many for number in range(wanted))
    if wanted < many:
        return tuple(-(-number * many // wanted) for number in range(wanted))
    return tuple(number * many // wanted for number in range(wanted))


def dropped(old: Transformer, found: tuple[Origin, ...]) -> dict[str, int]:
    """Counts what nothing took.

    Args:
      old: the model whose weights there were.
      found: from `origins`.

    Returns:
      The number of values of each old weight, by its path, where there are any.
    """
    had = shapes(old.size, old.architecture)
    takers: dict[str, list[np.ndarray]] = {path: [] for path in had}
    for origin in found:
        if origin.source:
            takers[origin.source].append(origin.taken)
    left = {}
    for path, shape in had.items():
        used = functools.reduce(np.logical_or, takers[path], np.zeros((1,) * len(shape), bool))
        left[path] = _count(~used, shape)
    return {path: many for path, many in left.items() if many}
