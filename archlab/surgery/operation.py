"""Operations: one model made of another, with no run around them."""

import dataclasses
import functools

import jax
import numpy as np

from archlab.architecture import Architecture
from archlab.bridge.model import Model
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.surgery import compatibility
from archlab.surgery.choices import Surgery
from archlab.surgery.origins import origins
from archlab.surgery.outcome import Outcome, outcome
from archlab.surgery.transplant import transplant
from archlab.train import state as states
from archlab.train.optimizer import Optimizer
from archlab.train.state import State


def operate(
    model: Model,
    architecture: Architecture,
    extents: dict[str, int],
    surgery: Surgery,
    seed: int = 0,
) -> tuple[Model, Outcome]:
    """Makes one model of another, on this machine's first device.

    Args:
      model: any.
      architecture: the one that is wanted.
      extents: fields of `Size` that are wanted, and their values.
      surgery: how.
      seed: of what is drawn.

    Returns:
      The new model, with the vocabulary of the old one, and what became of its weights.

    Raises:
      Refusal: the one cannot be made of the other, or not in this way.
    """
    size = dataclasses.replace(model.size.within(architecture.stacks), **extents)
    old, new = Transformer(model.size, model.architecture), Transformer(size, architecture)
    compatibility.check(old, new, surgery)
    found = origins(old, new, surgery)
    mesh = Mesh().build(jax.devices()[:1])
    shapes = states.shapes(new, Optimizer(), mesh)
    shapes = dataclasses.replace(shapes, moments=None)
    draw = functools.partial(states.drawn, new, Optimizer(), jax.random.key(seed))
    # What is used up is a copy.
    state = jax.tree.map(jax.numpy.array, State(model.weights, None, np.int32(0)))
    made = transplant(state, shapes, found, draw)
    length = model.length if architecture.kind == model.architecture.kind else 0
    changed = {"size": size, "architecture": architecture, "weights": made.weights}
    return dataclasses.replace(model, **changed, length=length), outcome(old, new, found)
