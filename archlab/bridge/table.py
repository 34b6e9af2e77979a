"""Which array of another library is which weight here, and how the one becomes the other.

A family of models says it once, weight by weight, as a table of pairs. Reading, writing, what must
be there, and counts all follow from it.

A layout is written in the alphabet: one word for each dimension that is stored, and in it the
letters that the dimension holds, outermost first. PyTorch's linear layers keep what comes out in
front of what goes in, with the heads and their width in one:

  here          there          layout
  query_DHK     HK × D         "HK D"
  out_HKD       D × HK         "D HK"
  key_DGK       D × 3GK        "D 3GK", part 1: of three in one array, one after another

A factor that one function has outside of its weights and the other has not is folded into them.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Collection, Container

import numpy as np

from archlab import axes
from archlab.size import Size

_DIMENSION = re.compile(r"(\d*)([A-Z]+)")
SHOWN = 3  # names in an error; more would bury what is wrong


@dataclasses.dataclass(frozen=True)
class Pair:
    """One weight, as both call it.

    Args:
      here: its path in archlab's tree; ends in its letters, without that of the stack.
      there: the name of its array; {} is the number of the layer, where it is in a stack.
      layout: of that array, in the alphabet.
      factor: the weight is the array times this.
      layers: how many arrays make up the stacked weight; 0 where it is no stack.
      part: which part of a dimension that holds many, from 0.
    """

    here: str
    there: str
    layout: str
    factor: float = 1.0
    layers: int = 0
    part: int = 0

    def __post_init__(self):
        assert sorted("".join(word for _, word in self._dimensions)) == sorted(self._letters), self

    @functools.cached_property
    def _dimensions(self) -> list[tuple[int, str]]:
        """How many weights each stored dimension holds, and its letters."""
        found = [_DIMENSION.fullmatch(word) for word in self.layout.split()]
        return [(int(many or 1), letters) for many, letters in (one.groups() for one in found)]

    @property
    def _letters(self) -> str:
        return axes.letters(self.here.split("/")[-1])

    @property
    def names(self) -> list[str]:
        """The arrays that it is made of, one for each layer."""
        return [self.there.format(layer) for layer in range(self.layers)] or [self.there]

    def shape(self, size: Size) -> tuple[int, ...]:
        """Args: size: of the model. Returns: the weight's shape, layers outermost."""
        own = tuple(_extent(letter, size) for letter in self._letters)
        return (self.layers, *own) if self.layers else own

    def stored(self, size: Size) -> tuple[int, ...]:
        """Args: size: of the model. Returns: the shape of each array there."""
        return tuple(
            many * math.prod(_extent(letter, size) for letter in word)
            for many, word in self._dimensions
        )

    @property
    def divided(self) -> int:
        """The stored dimension that holds many parts; -1 if none does."""
        found = [number for number, (many, _) in enumerate(self._dimensions) if many > 1]
        return found[0] if found else -1

    def taken(self, array: np.ndarray, size: Size) -> np.ndarray:
        """Makes one layer of the weight.

        Args:
          array: as it is stored there, float32.
          size: of the model.

        Returns:
          float32, in the order of the letters here.
        """
        if self.divided >= 0:
            many = self._dimensions[self.divided][0]
            array = np.split(array, many, self.divided)[self.part]
        there = "".join(word for _, word in self._dimensions)
        array = array.reshape([_extent(letter, size) for letter in there])
        return _times(array.transpose([there.index(one) for one in self._letters]), self.factor)

    def given(self, weight: np.ndarray, size: Size) -> np.ndarray:
        """Makes the array of one layer; `taken` makes the same weight of it again.

        Where the factor is no power of two, a weight that was never taken may differ in its last
        bit, since not every float32 is the product of another with it.

        Args:
          weight: one layer of it, float32.
          size: of the model.

        Returns:
          float32; of an array of many parts, its own.
        """
        there = "".join(word for _, word in self._dimensions)
        array = _divided(weight, self.factor)
        array = array.transpose([self._letters.index(one) for one in there])
        shape = [
            math.prod(_extent(letter, size) for letter in word) for _, word in self._dimensions
        ]
        return np.ascontiguousarray(array.reshape(shape))


@dataclasses.dataclass(frozen=True)
class Table:
    """All weights of a model, as both call them.

    Args:
      size: of the model.
      pairs: one for each weight here.
      copies: arrays that may be absent, and those that stand for them then. Where both are there
        and the model has but one weight, they are equal.
      spare: patterns of the names of arrays that the model has no use for.
    """

    size: Size
    pairs: tuple[Pair, ...]
    copies: dict[str, str] = dataclasses.field(default_factory=dict)
    spare: tuple[str, ...] = ()

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every array there, by name."""
        return {name: one.stored(self.size) for one in self.pairs for name in one.names}

    @property
    def parameters(self) -> int:
        """How many values the weights have."""
        return sum(math.prod(one.shape(self.size)) for one in self.pairs)

    def check(self, found: dict[str, tuple[int, ...]]) -> list[str]:
        """Compares what is stored with what there should be.

        Args:
          found: the shape of each array, by name.

        Returns:
          Names of arrays that the model has no use for.

        Raises:
          ValueError: an array is missing, has another shape, or has no place here.
        """
        missing = [name for name in self.shapes if self._source(name, found) not in found]
        if missing:
            raise ValueError(f"it lacks {_some(missing)}")
        for name, shape in self.shapes.items():
            stored = found[self._source(name, found)]
            if stored != shape:
                raise ValueError(f"{name} has shape {stored}, and its configuration says {shape}")
        left = [name for name in found if name not in self.shapes and name not in self.copies]
        strange = [name for name in left if not any(re.fullmatch(one, name) for one in self.spare)]
        if strange:
            raise ValueError(f"archlab has no place for {_some(strange)}")
        return left

    def _source(self, name: str, found: Container[str]) -> str:
        """The array that is read for one of `shapes`."""
        return name if name in found else self.copies.get(name, name)

    def weights(self, found: Collection[str], read: Callable[[str], np.ndarray]) -> dict:
        """Makes the weights.

        Args:
          found: names of the arrays there are, as `check` has let them pass.
          read: gives an array by its name, float32.

        Returns:
          Nested dicts of float32 arrays, as the model has them.

        Raises:
          ValueError: an array that repeats another differs from it.
        """
        for copy in sorted({*found} & {*self.copies} - {*self.shapes}):
            if not np.array_equal(read(copy), read(self.copies[copy])):
                raise ValueError(
                    f"{copy} and {self.copies[copy]} differ; in this model they are one weight"
                )
        tree: dict = {}
        for one in self.pairs:
            weight = np.empty(one.shape(self.size), np.float32)
            for layer, name in enumerate(one.names):
                array = read(self._source(name, found))
                weight[layer if one.layers else ...] = one.taken(array, self.size)
            *folders, last = one.here.split("/")
            inner = tree
            for folder in folders:
                inner = inner.setdefault(folder, {})
            inner[last] = weight
        return tree

    def arrays(self, weights: dict) -> Callable[[str], np.ndarray]:
        """Makes the arrays, each when it is asked for.

        Args:
          weights: nested dicts of arrays, as the model has them.

        Returns:
          A function of a name of `shapes`, which gives its array, float32.
        """
        sources: dict[str, list[tuple[Pair, int]]] = {}
        for one in self.pairs:
            for layer, name in enumerate(one.names):
                sources.setdefault(name, []).append((one, layer))

        def array(name: str) -> np.ndarray:
            parts = []
            for one, layer in sorted(sources[name], key=lambda source: source[0].part):
                weight = weights
                for word in one.here.split("/"):
                    weight = weight[word]
                weight = np.asarray(weight, np.float32)
                parts.append(one.given(weight[layer] if one.layers else weight, self.size))
            return parts[0] if len(parts) == 1 else np.concatenate(parts, one.divided)

        return array


def _extent(letter: str, size: Size) -> int:
    return getattr(size, axes.WORDS[letter])


def _times(array: np.ndarray, factor: float) -> np.ndarray:
    return array if factor == 1 else (array.astype(np.float64) * factor).astype(np.float32)


def _divided(array: np.ndarray, factor: float) -> np.ndarray:
    """What times the factor gives the array, to the bit where there is such a thing.

    Rounded twice, a quotient may miss by one; then it is one of its neighbours.
    """
    if factor == 1:
        return array
    found = (array.astype(np.float64) / factor).astype(np.float32)
    for end in (-np.inf, np.inf):
        near = np.nextafter(found, np.float32(end))
        is_it = (_times(found, factor) != array) & (_times(near, factor) == array)
        found = np.where(is_it, near, found)
    return found


def _some(names: list[str]) -> str:
    """A few of many names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
