"""A model between two homes: what is known of it on the way."""

import dataclasses

import jax

from archlab.architecture import Architecture
from archlab.data.vocabulary import Vocabulary
from archlab.size import Size


@dataclasses.dataclass(frozen=True)
class Model:
    """A trained model, with no run around it.

    Args:
      size: extents of its dimensions.
      architecture: which stacks there are and who sees whom.
      weights: nested dicts of float32 arrays.
      vocabulary: of its text.
      length: positions of a row that it was trained on; 0 where nobody knows.
      left: names of what was stored beside the weights, and it has no use for.
    """

    size: Size
    architecture: Architecture
    weights: dict
    vocabulary: Vocabulary
    length: int = 0
    left: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """How many values the weights have."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.weights))
