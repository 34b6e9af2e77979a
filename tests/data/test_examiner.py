"""Marks are those that `seqio.Evaluator` gives the same answers."""

import functools

import numpy as np
import pytest
import seqio
import t5.data.postprocessors as postprocessors
import tensorflow as tf
from t5.data import glue_utils
from t5.evaluation import metrics

from archlab.data import examiner, roads
from archlab.data.examiner import Examiner
from archlab.data.options import STREAMING
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary

ROW = Row(40, 24, "encoder_decoder")
QUESTIONS = {
    "who wrote it?": ("ann", "ann lee"),
    "who read it?": ("bob",),
    "where?": ("in rome", "rome"),
    "and when?": ("bob",),
    "why?": ("because",),
}
SAID = ["Ann Lee", "eve", "rome", "the bob", "becaus"]
SCORES = [-3.0, -0.5, -2.25, -7.0, -1.0]


def read(text, example=None, is_target=False):
    """Targets are all the answers that are right, as of question answering."""
    return [one.decode() for one in example["answers"]] if is_target else text


def likelihood(targets, scores):
    return {"lowest": min(scores), "mean nats": seqio.metrics.Scalar(np.mean(-scores))}


def sure(targets, predictions, aux_values):
    right = [said in wanted for said, wanted in zip(predictions, targets, strict=True)]
    return {"sure": np.mean(np.exp(aux_values["scores"])[np.asarray(right)])}


def noted(targets, predictions):
    return {"seen": seqio.metrics.Text("a text"), "many": len(targets)}


def add(name: str, metric_fns, postprocess_fn=read, **words):
    """A task of `QUESTIONS`, in bytes."""

    def dataset(split, shuffle_files=False, seed=None):
        made = {
            "inputs": list(QUESTIONS),
            "targets": [right[0] for right in QUESTIONS.values()],
            "answers": tf.ragged.constant([*map(list, QUESTIONS.values())]),
        }
        return tf.data.Dataset.from_tensor_slices(made)

    own = seqio.ByteVocabulary()
    seqio.TaskRegistry.remove(name)
    return seqio.TaskRegistry.add(
        name,
        seqio.FunctionDataSource(dataset, splits=["validation"]),
        preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
        output_features={side: seqio.Feature(own) for side in ("inputs", "targets")},
        postprocess_fn=postprocess_fn,
        metric_fns=metric_fns,
        **words,
    )


def opened(task) -> Examiner:
    (part,) = roads.resolve(task.name, STREAMING)
    return Examiner(part, "validation", ROW)


def answers() -> dict:
    words = Vocabulary()
    said = [[*words.encode(one), words.end] for one in SAID]
    return {"said": said, "nats": SCORES, "scores": SCORES}


def evaluated(task) -> dict:
    """What SeqIO's own evaluator says."""
    evaluator = seqio.Evaluator(
        task.name,
        seqio.EncDecFeatureConverter(pack=False),
        sequence_length={"inputs": 40, "targets": 24},
        async_compute_metrics=False,
    )
    longest = max(map(len, answers()["said"]))
    padded = [one + [0] * (longest - len(one)) for one in answers()["said"]]

    def predict(dataset):
        return [*enumerate(padded)]

    found, _ = evaluator.evaluate(
        compute_metrics=True,
        predict_fn=predict,
        score_fn=lambda dataset: [*enumerate(SCORES)],
        predict_with_aux_fn=lambda dataset: (predict(dataset), {"scores": SCORES}),
    )
    values = {name: getattr(one, "value", one) for name, one in found.result()[task.name].items()}
    return {name: one for name, one in values.items() if name != "seen"}


CLASS = functools.partial(
    postprocessors.string_label_to_class_id, label_classes=["ann", "bob", "rome"], default=0
)
CASES = {
    "squad": ([metrics.squad], postprocessors.qa),
    "trivia": ([metrics.trivia_qa], postprocessors.qa),
    "accuracy": ([metrics.accuracy, metrics.bleu, metrics.edit_distance], None),
    "glue": (glue_utils.get_glue_metric("mrpc"), CLASS),
    "super_glue": (glue_utils.get_super_glue_metric("cb"), CLASS),
    "mine": ([likelihood, sure, noted], read),
}


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_of_seqios_evaluator(name):
    functions, postprocess = CASES[name]
    task = add(f"examined_{name}", functions, postprocess)
    marks = opened(task).marks(answers())["marks"]
    wanted = evaluated(task)
    assert {one["metric"]: one["value"] for one in marks} == pytest.approx(wanted)
    assert len(wanted) > 1 or name == "mine"


def test_the_commonest_target_said_always_is_what_knowing_nothing_gives():
    marks = opened(add("examined_chance", [metrics.squad, likelihood], read)).marks(answers())
    chance = {one["metric"]: one["chance"] for one in marks["marks"]}
    assert chance["em"] == 40  # two of the five are answered by "bob"
    assert np.isnan(chance["lowest"])


def test_a_paper_holds_ids_and_texts_and_what_is_needed():
    paper = opened(add("examined_paper", [likelihood, sure])).paper()
    words = Vocabulary()
    assert paper["inputs"][2] == [*words.encode("where?"), words.end]
    assert paper["targets"][0] == [*words.encode("ann"), words.end]
    assert paper["input_texts"] == [*QUESTIONS] and paper["target_texts"][1] == "bob"
    assert paper["needs"] == ["PREDICTION_WITH_AUX", "SCORE"]
    marked = opened(add("examined_read", [metrics.squad], postprocessors.lower_text)).marks(
        answers()
    )
    assert marked["said"] == SAID and marked["read"] == [one.lower() for one in SAID]


def test_metrics_that_are_objects_are_marked_as_functions_are():
    own = seqio.metrics.PassthroughLegacyMetric.from_metric_fn(metrics.squad, read)
    task = add("examined_object", None, None, metric_objs=[own.empty()])
    examined = opened(task)
    assert examined.paper()["needs"] == ["PREDICTION"]
    marks = {one["metric"]: one for one in examined.marks(answers())["marks"]}
    assert {name: one["value"] for name, one in marks.items()} == pytest.approx(evaluated(task))
    assert marks["em"]["each"] == [100, 0, 100, 100, 0]


def test_what_cannot_be_asked_is_refused():
    task = add("examined_split", [metrics.squad])
    (part,) = roads.resolve(task.name, STREAMING)
    empty = functools.partial(Examiner, part, "validation", ROW)
    assert len(empty(items=2).examples) == 2
    own = seqio.metrics.PassthroughLegacyMetric.from_metric_fn(likelihood).empty()
    object.__setattr__(own, "model_output_type", seqio.metrics.ModelOutputType(4))
    with pytest.raises(ValueError, match="has a metric of score_with_intermediates; archlab gives"):
        opened(add("examined_kind", None, metric_objs=[own]))
    twice = add("examined_twice", [metrics.squad, lambda targets, predictions: {"em": 1.0}])
    with pytest.raises(ValueError, match="two metrics of examined_twice are called 'em'"):
        opened(twice).marks(answers())
    request = {"data": {}, "modules": [], "split": "test", "items": 0, "seed": 0}
    with pytest.raises(ValueError, match="none has both metric_fns and a split 'test'"):
        examiner.begun({**request, "mixture": task.name, "row": vars(ROW)})
