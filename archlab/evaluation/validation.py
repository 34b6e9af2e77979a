"""Validation: the training objective's own loss, on text that is not learnt from.

It compares a run with itself. Losses of different objectives are not comparable: they predict
different tokens from different contexts.
"""

from collections.abc import Callable

import jax

from archlab.batch import Batch
from archlab.data.pipeline import Rows
from archlab.train.loss import Sums
from archlab.train.meter import Losses


def validate(
    score: Callable[[dict, Batch], tuple[Sums, jax.Array]],
    weights: dict,
    rows: Rows,
    put: Callable[[Batch], Batch],
    number: int,
    at_once: int,
) -> dict:
    """Scores the first rows of the validation text, always the same.

    Args:
      score: compiled, from `step.scorer`.
      weights: of the model.
      rows: of the validation text.
      put: moves a batch to the devices.
      number: how many rows; rounded up to whole batches.
      at_once: rows of a batch, those that `score` was compiled for.

    Returns:
      "loss" and "loss_by_objective", nats per loss token.
    """
    losses = Losses()
    for first in range(0, number, at_once):
        sums, objective_B = jax.device_get(score(weights, put(rows.batch(first, at_once))))
        losses.add(sums, rows.objectives, objective_B)
    means = losses.means()
    return {name: means[name] for name in ("loss", "loss_by_objective")}
