"""A mean of examples is told from what is none; numbers from what is none."""

import numpy as np
import pytest
import seqio
from hypothesis import given
from hypothesis import strategies as st
from t5.evaluation import metrics as t5

from archlab.data import metrics
from archlab.data.exam import AUXILIARY, PREDICTION, SCORE

SCORES = [-3.0, -0.5, -2.25]


@given(st.lists(st.booleans(), min_size=2, max_size=9))
def test_a_mean_is_taken_apart(right):
    said = ["a" if one else "b" for one in right]
    metric = metrics.function(t5.accuracy, PREDICTION, ["a"] * len(right), said, {})
    whole = metric(range(len(right)))
    assert whole["accuracy"] == pytest.approx(100 * np.mean(right))
    assert metrics.alone(metric, whole, len(right))["accuracy"] == [100.0 * one for one in right]


@given(st.lists(st.integers(0, 50), min_size=2, max_size=9, unique=True))
def test_what_is_no_mean_is_left_whole(values):
    def metric(at):
        chosen = np.asarray(values)[[*at]]
        return {"highest": max(chosen), "mean": np.mean(chosen), "nan": np.nan}

    assert {*metrics.alone(metric, metric(range(len(values))), len(values))} == {"mean"}


def test_a_metric_that_takes_no_single_example_is_left_whole():
    metric = metrics.function(t5.pearson_corrcoef, PREDICTION, [1.0, 2.0, 4.0], [2.0, 2.5, 9.0], {})
    whole = metric(range(3))
    assert whole["pearson_corrcoef"] == pytest.approx(
        100 * np.corrcoef([1, 2, 4], [2, 2.5, 9])[0, 1]
    )
    assert metrics.alone(metric, whole, 3) == {}
    assert metrics.alone(lambda at: {"one": 1.0}, {"one": 1.0}, 1) == {}


def test_functions_are_given_what_their_kind_looks_at():
    def scored(targets, scores):
        return {"sum": scores.sum() + len(targets)}

    def sure(targets, predictions, aux_values):
        return {"sum": aux_values["scores"].sum(), "said": len(predictions[0])}

    given = {"scores": SCORES, "nats": SCORES}
    assert metrics.function(scored, SCORE, [1, 2, 3], None, given)([0, 2]) == {"sum": -3.25}
    found = metrics.function(sure, AUXILIARY, [1, 2, 3], ["a", "bc", "d"], given)([1, 2])
    assert found == {"sum": -2.75, "said": 2.0}


def test_numbers_are_told_from_what_is_none():
    found = {
        "scalar": seqio.metrics.Scalar(1),
        "array": np.asarray(2.5),
        "text": seqio.metrics.Text("three"),
        "many": np.zeros(4),
        "word": "five",
    }
    assert metrics.numbers(found) == {"scalar": 1.0, "array": 2.5}


def test_an_object_is_given_padded_ids():
    seen = []

    def right(targets, predictions):
        seen.append(predictions)
        return {
            "right": np.mean(
                [one == other for one, other in zip(targets, predictions, strict=True)]
            )
        }

    own = seqio.metrics.PassthroughLegacyMetric.from_metric_fn(right).empty()
    features = {"targets": seqio.Feature(seqio.ByteVocabulary())}
    examples = [{"targets_pretokenized": "a"}, {"targets_pretokenized": "bc"}]
    metric = metrics.thing(own, examples, features, 0, {"said": [[100, 1], [101, 102, 1]]})
    assert metric(range(2)) == {"right": 1.0} and seen == [["a", "bc"]]
