"""Small models and a vocabulary of three letters, for tests of what is asked of models."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from archlab import batch as batches
from archlab.architecture import Architecture
from archlab.data.row import Row
from archlab.evaluation.scorer import Scorer
from archlab.model.transformer import Transformer
from archlab.size import Size


@dataclasses.dataclass(frozen=True)
class Letters:
    """A vocabulary of three letters, 2 to 4, and what formats need besides."""

    start: int = 0
    end: int = 1
    mask: int = 5
    sentinels: int = 5
    size: int = 12

    @property
    def modes(self) -> dict[str, int]:
        return {"R": 6}

    def sentinel(self, number: int) -> int:
        return self.size - 1 - number


LETTERS = Letters()
SIZE = Size(layers=2, embed=16, mlp=24, heads=2, kv=8, vocab=LETTERS.size)
# Formats of what says one token after another, by architecture.
ASKED = {
    "causal_decoder": ("causal", "sentinel", "infilling"),
    "prefix_decoder": ("causal", "prefix", "sentinel", "whole"),
    "encoder_decoder": ("prefix", "sentinel", "whole"),
    "encoder": ("unmasking",),
}
PAIRS = [(name, form) for name, forms in ASKED.items() for form in forms]


@functools.cache
def model(name: str) -> tuple[Transformer, dict]:
    """A model that is sure enough of what it says for mistakes to show, and its weights."""
    made = Transformer(SIZE, Architecture(name, output_scale=3.0))
    shapes = batches.abstract(made.architecture.kind, 1, 4, 4)
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return made, made.init(jax.random.key(1), blank)["params"]


def scorer(name: str, inputs: int = 16, targets: int = 16) -> Scorer:
    """Its scorer."""
    made, weights = model(name)
    return Scorer(made, weights, LETTERS, Row(inputs, targets, made.architecture.kind))
