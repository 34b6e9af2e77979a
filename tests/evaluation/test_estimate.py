import math

import numpy as np
import pytest

from archlab.evaluation import estimate


def test_a_ratio_of_sums_is_not_a_mean_of_ratios():
    found = estimate.ratio(np.asarray([1.0, 8.0]), np.asarray([1.0, 2.0]))
    assert found.value == 3.0 and found.items == 2


def test_the_interval_is_that_of_the_normal_distribution_where_items_are_many():
    values = np.random.default_rng(0).normal(2.0, 3.0, 400)
    found = estimate.mean(values)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_true_value_is_inside_as_often_as_is_said():
    random = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        size = random.integers(5, 50, 60).astype(float)
        found = estimate.ratio(size * random.exponential(1.0, 60), size, seed=trial)
        inside += found.low <= 1.0 <= found.high
    assert 0.88 <= inside / 200 <= 0.99


def test_few_items_say_nothing_of_others():
    assert math.isnan(estimate.mean(np.asarray([1.0])).low)
    assert math.isnan(estimate.mean(np.zeros(0)).value)


def test_it_is_the_same_whenever_it_is_taken():
    values = np.random.default_rng(0).normal(size=30)
    assert estimate.mean(values, 3) == estimate.mean(values, 3) != estimate.mean(values, 4)
