"""What runs were not given the same of is named, and by how much."""

import math

from hypothesis import given
from hypothesis import strategies as st

from archlab.report import fairness

COSTS = {"tokens": [100, 100, 100.2], "FLOPs": [200, 300, 200], "parameters": [7, 7, 14]}


def test_what_differs_is_said_in_words():
    said = fairness.sentence(COSTS, "cells")
    times = "FLOPs (up to 1.50 times the least) and parameters (up to 2.00 times the least)"
    assert said == f"The cells are equal in tokens, and not in {times}."
    assert fairness.shares(COSTS) == ["–", "FLOPs × 1.50", "parameters × 2.00"]
    equal = {"tokens": [5, 5], "FLOPs": [0, 0], "bytes": [1, 1]}
    assert fairness.sentence(equal) == "The runs are equal in tokens, FLOPs and bytes."
    none = {"tokens": [0, 5, 5], "FLOPs": [0, 10, 20]}
    assert fairness.sentence(none) == (
        "The runs are not equal in tokens (some had none) and FLOPs (some had none, others up to "
        "2.00 times the least)."
    )
    assert fairness.shares({}) == []
    assert fairness.sentence({"tokens": [1, 2]}).startswith("The runs are not equal in tokens (up")


@given(st.lists(st.integers(0, 10**20), min_size=1))
def test_times_are_those_of_the_least_that_has_any(each):
    found = fairness.apart({"tokens": each}).get("tokens")
    least = min(filter(None, each), default=None)
    if least is None:
        assert found is None
    elif found is None:
        assert min(each) == least and max(each) <= fairness.CLOSE * least
    else:
        assert all(math.isclose(times * least, one) for times, one in zip(found, each, strict=True))
