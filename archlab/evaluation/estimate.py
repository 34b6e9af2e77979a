"""Estimates: a number over items, with the interval that other items might have given."""

import dataclasses
import math

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number, and how far it is known.

    Args:
      value: over all items; nan where there are none.
      low: lower end of the 95 % interval; nan where a single item says nothing of others.
      high: upper end.
      items: that it was measured on.
    """

    value: float
    low: float
    high: float
    items: int


def ratio(over_S: np.ndarray, under_S: np.ndarray, seed: int = 0) -> Estimate:
    """Estimates the sum of one thing over the sum of another, item by item.

    Example, 6 and 9 nats for 4 and 2 bytes:
      >>> ratio(np.asarray([6.0, 9.0]), np.asarray([4, 2])).value
      2.5

    Args:
      over_S: of each item.
      under_S: of each item, 0 or more, and above 0 all together.
      seed: of the resampling.

    Returns:
      The estimate, its interval by resampling items.

    Source: Efron & Tibshirani 1993, chapter 13, the percentile interval.
    """
    items = len(over_S)
    if not items:
        return Estimate(math.nan, math.nan, math.nan, 0)
    value = float(np.sum(over_S) / np.sum(under_S))
    if items == 1:
        return Estimate(value, math.nan, math.nan, 1)
    from scipy import stats  # here, since it takes half a second, and no other verb wants it

    found = stats.bootstrap(
        (np.asarray(over_S, float), np.asarray(under_S, float)),
        lambda over, under, axis: over.sum(axis) / under.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, 10**6 // items),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(found.low), float(found.high), items)


def mean(value_S: np.ndarray, seed: int = 0) -> Estimate:
    """Estimates a mean.

    Args:
      value_S: of each item.
      seed: of the resampling.

    Returns:
      The estimate.
    """
    return ratio(np.asarray(value_S, float), np.ones(len(value_S)), seed)
