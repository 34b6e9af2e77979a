"""Metrics: what a task counts, called on some of its examples, by their numbers.

Functions, and objects of SeqIO's own kind, are called as `seqio.Evaluator` calls them.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from archlab.data.exam import AUXILIARY, SCORE

NEAR = 1e-6  # two sums of the same numbers differ by less
Metric = Callable[[Sequence[int]], dict[str, float]]


def function(counting: Callable, kind: str, wanted: list, read: list | None, given: dict) -> Metric:
    """Makes a metric of a task's function.

    Args:
      counting: the function, of "targets" and of what its kind is given.
      kind: of SeqIO's names.
      wanted: what the postprocessor made of each target.
      read: what it made of each answer; None where the kind looks at none.
      given: "nats" and "scores", of each answer.

    Returns:
      The metric.
    """
    columns: dict[str, Any] = {"targets": wanted, "predictions": read}
    if kind == SCORE:
        columns = {"targets": wanted, "scores": np.asarray(given["scores"])}
    if kind == AUXILIARY:
        columns["aux_values"] = {"scores": np.asarray(given["nats"])}

    def some(column: Any, at: Sequence[int]) -> Any:
        if isinstance(column, dict):
            return {name: some(one, at) for name, one in column.items()}
        return column[[*at]] if isinstance(column, np.ndarray) else [column[one] for one in at]

    return lambda at: numbers(counting(**{name: some(one, at) for name, one in columns.items()}))


def thing(counting: Any, examples: list[dict], features: Mapping, pad: int, given: dict) -> Metric:
    """Makes a metric of an object of SeqIO's own kind.

    Args:
      counting: the object.
      examples: of the task.
      features: of the task.
      pad: id that fills answers up to the longest.
      given: "said", "nats" and "scores", of each answer.

    Returns:
      The metric.
    """
    kind = counting.model_output_type.name
    if kind == SCORE:
        made = np.asarray(given["scores"])
    else:
        longest = max(1, *map(len, given["said"]))
        made = np.asarray([[*ids, *[pad] * (longest - len(ids))] for ids in given["said"]])

    def found(at: Sequence[int]) -> dict[str, float]:
        own, rows = [examples[one] for one in at], made[[*at]]
        is_both = kind == AUXILIARY
        output = (rows, {"scores": np.asarray(given["nats"])[[*at]]}) if is_both else rows
        one = counting.from_model_output(own, output, features, "targets")
        if hasattr(one, "actual_compute"):
            return numbers(one.actual_compute(own, features, "targets", [])[0])
        return numbers(one.compute())

    return found


def numbers(found: Mapping[str, Any]) -> dict[str, float]:
    """Keeps what of a metric's results is a number.

    Example:
      >>> numbers({"accuracy": 50, "confusion": np.eye(2)})
      {'accuracy': 50.0}

    Args:
      found: numbers, `seqio.metrics.Scalar`, and whatever else: texts, pictures and the like.

    Returns:
      The numbers, by name.
    """
    values = {name: getattr(one, "value", one) for name, one in found.items()}
    return {
        name: float(one)
        for name, one in values.items()
        if isinstance(one, int | float | np.number | np.ndarray) and np.ndim(one) == 0
    }


def alone(metric: Metric, whole: dict[str, float], many: int) -> dict[str, list[float]]:
    """Finds the numbers of single examples, where a metric's number is their mean.

    Whether it is, is tried: halves come first, since they tell most that are not at little cost.

    Args:
      metric: any.
      whole: its numbers of all examples.
      many: how many there are.

    Returns:
      Those of each example, by name; nothing of a number that is no mean, as a corpus's BLEU.
    """

    def means(parts: list[Sequence[int]]) -> dict[str, list[float]]:
        found = [metric(part) for part in parts]
        shares = [len(part) / many for part in parts]

        def mean(name: str) -> float:
            return sum(share * one[name] for share, one in zip(shares, found, strict=True))

        near = {"rel_tol": NEAR, "abs_tol": NEAR}
        return {
            name: [one[name] for one in found]
            for name, value in whole.items()
            if all(name in one for one in found) and math.isclose(mean(name), value, **near)
        }

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metrics that mean nothing of so few
            if many < 2 or not means([range(many // 2), range(many // 2, many)]):
                return {}
            return means([[number] for number in range(many)])
    except Exception:  # a metric need not take a single example
        return {}
