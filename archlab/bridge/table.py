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
  transform_DD  D × D          "d D", where d is the second D of the name

A factor that one function has outside of its weights and the other has not is folded into them.
"""

import dataclasses
import functools
import math
import operator
import re
from collections.abc import Callable, Collection, Container

import numpy as np

from archlab import axes
from archlab.size import Size

_DIMENSION = re.compile(r"(\d*)([A-Za-z]+)")
ROWS = 2  # of an array whose first row is added: BERT's kinds of segments
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
      first: the first layer that is stored; those before it do not use the weight, which is 1.
      plus: another array, whose first row is added to every row of this one, and which is written
        as zeros.
    """

    here: str
    there: str
    layout: str
    factor: float = 1.0
    layers: int = 0
    part: int = 0
    first: int = 0
    plus: str = ""

    def __post_init__(self):
        assert sorted(self._order) == sorted(self._letters), self

    @functools.cached_property
    def _dimensions(self) -> list[tuple[int, str]]:
        """How many weights each stored dimension holds, and its letters."""
        found = [_DIMENSION.fullmatch(word) for word in self.layout.split()]
        assert all(found), self.layout
        return [(int(one[1] or 1), one[2]) for one in found if one]

    @property
    def _letters(self) -> str:
        """Those of the weight here, the second of two that are alike in lower case."""
        seen = ""
        for letter in axes.letters(self.here.split("/")[-1]):
            seen += letter.lower() if letter in seen else letter
        return seen

    @property
    def _order(self) -> str:
        """Those of the array there, all dimensions in one."""
        return "".join(word for _, word in self._dimensions)

    @property
    def sources(self) -> list[tuple[str, int]]:
        """The arrays that it is made of, each with the number of its layer."""
        if not self.layers:
            return [(self.there, 0)]
        return [(self.there.format(layer), layer) for layer in range(self.first, self.layers)]

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
        array = array.reshape([_extent(letter, size) for letter in self._order])
        axes_there = [self._order.index(letter) for letter in self._letters]
        return _times(array.transpose(axes_there), self.factor)

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
        array = _divided(weight, self.factor)
        array = array.transpose([self._letters.index(letter) for letter in self._order])
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
        found: dict[str, tuple[int, ...]] = {}
        for one in self.pairs:
            found |= {name: one.stored(self.size) for name, _ in one.sources}
            if one.plus:
                found[one.plus] = (ROWS, *one.stored(self.size)[1:])
        return found

    @property
    def parameters(self) -> int:
        """How many values the arrays have, as those count who made them."""
        return sum(math.prod(shape) for shape in self.shapes.values())

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
            weight = np.ones(one.shape(self.size), np.float32)
            for name, layer in one.sources:
                array = read(self._source(name, found))
                if one.plus:
                    array = array + read(one.plus)[0]
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
            for name, layer in one.sources:
                sources.setdefault(name, []).append((one, layer))

        def array(name: str) -> np.ndarray:
            if name not in sources:
                return np.zeros(self.shapes[name], np.float32)
            parts = []
            for one, layer in sorted(sources[name], key=lambda source: source[0].part):
                leaf = functools.reduce(operator.getitem, one.here.split("/"), weights)
                weight = np.asarray(leaf, np.float32)
                parts.append(one.given(weight[layer] if one.layers else weight, self.size))
            return parts[0] if len(parts) == 1 else np.concatenate(parts, one.divided)

        return array


def _extent(letter: str, size: Size) -> int:
    return getattr(size, axes.WORDS[letter.upper()])


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
