"""The examiner: a process that asks what SeqIO tasks ask, and marks what is answered.

`python -m archlab.data.examiner` reads lines of JSON and answers each with one: the request of
`Exam` with its papers, then answers with their marks. Targets and answers go through the task's own
postprocessor and metric functions, in the words and the order of `seqio.Evaluator`. What is wrong
is said in such a line too. It ends when nothing more is asked.
"""

import collections
import contextlib
import itertools
import json
import math
import os
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from archlab.data import jobs, metrics, roads, tasks
from archlab.data.exam import AUXILIARY, PREDICTION, SCORE
from archlab.data.feed import failure
from archlab.data.metrics import Metric
from archlab.data.roads import Part
from archlab.data.row import Row

TEXT = "_pretokenized"  # what SeqIO appends to the name of a feature, for its text


class Examiner:
    """One task, with its examples.

    Args:
      part: the task.
      split: of it.
      row: of the model that is asked; examples are as long as a task's steps make them for it, and
        their targets are not cut.
      items: the first so many; 0 takes all.
      seed: of whatever its steps draw.

    Raises:
      ValueError: there are no examples, or a metric wants what is not given here.
    """

    def __init__(self, part: Part, split: str, row: Row, items: int = 0, seed: int = 0):
        self.task, self._part = part.task, part
        dataset = part.task.get_dataset(
            roads.lengths(part.task, row),
            split=split,
            shuffle=False,
            seed=seed,
            num_epochs=1,
            trim_output_features=False,
        )
        found = itertools.islice(dataset.as_numpy_iterator(), items or None)
        self.examples: list[dict] = [*found]
        if not self.examples:
            raise ValueError(f"task {self.task.name} has no examples of {split}")
        # SeqIO lists the objects that it makes of functions behind those that a task was given.
        every = self.task.metric_objs
        self._objects = every[: len(every) - len(self.task.metric_fns)]
        self._functions = {
            PREDICTION: self.task.predict_metric_fns,
            SCORE: self.task.score_metric_fns,
            AUXILIARY: self.task.predict_with_aux_metric_fns,
        }
        for one in self._objects:
            if one.model_output_type.name not in self._functions:
                raise ValueError(
                    f"task {self.task.name} has a metric of {one.model_output_type.name.lower()}; "
                    "archlab gives predictions, with their scores, and scores of targets"
                )

    def paper(self) -> dict:
        """What the task asks.

        Returns:
          The fields of `Paper`, JSON-able.
        """
        needs = {kind for kind, functions in self._functions.items() if functions}
        needs |= {one.model_output_type.name for one in self._objects}
        return {
            "task": self.task.name,
            "needs": sorted(needs),
            "vocabulary": self._part.vocabulary.spec(),
            "inputs": [_ids(one.get("inputs", ())) for one in self.examples],
            "targets": [_ids(one[tasks.IDS]) for one in self.examples],
            "input_texts": [str(self._text(one, "inputs")) for one in self.examples],
            "target_texts": [str(self._text(one, tasks.IDS)) for one in self.examples],
        }

    def marks(self, answers: dict) -> dict:
        """Marks answers to the paper.

        Args:
          answers: the fields of `Answers`.

        Returns:
          The fields of `Marks`, JSON-able.
        """
        texts = [self._text(one, tasks.IDS) for one in self.examples]
        wanted = self._read(texts, is_target=True)
        said = read = None
        if answers["said"] is not None:
            decode = self.task.output_features[tasks.IDS].vocabulary.decode
            said = [decode(ids) for ids in answers["said"]]
            read = self._read(said, is_target=False)
        usual = self._usual(texts)
        marks = []
        for kind, functions in self._functions.items():
            for one in functions:
                blind = None
                if kind == PREDICTION and usual is not None:
                    blind = metrics.function(one, kind, wanted, usual, answers)
                own = metrics.function(one, kind, wanted, read, answers)
                marks += self._marked(own, blind)
        pad, features = self._part.vocabulary.pad, self.task.output_features
        for one in self._objects:
            marks += self._marked(metrics.thing(one, self.examples, features, pad, answers))
        twice = [name for name, many in _counted(one["metric"] for one in marks) if many > 1]
        if twice:
            raise ValueError(f"two metrics of {self.task.name} are called {twice[0]!r}")
        shown = None if said is None else [str(one) for one in said]
        return {"marks": marks, "said": shown, "read": read, "wanted": wanted}

    def _text(self, example: dict, side: str) -> Any:
        """What a feature says: the text that it was made of, where that is kept."""
        if side not in example:
            return ""
        if side + TEXT in example:
            text = example[side + TEXT]
        else:
            text = self.task.output_features[side].vocabulary.decode(_ids(example[side]))
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else text

    def _read(self, texts: Iterable, is_target: bool) -> list:
        """What the task's postprocessor makes of texts."""
        return [
            self.task.postprocess_fn(text, example=example, is_target=is_target)
            for text, example in zip(texts, self.examples, strict=True)
        ]

    def _usual(self, texts: list) -> list | None:
        """The commonest target in place of every answer, if one comes more than once."""
        (text, many), *_ = _counted(map(str, texts))
        if many == 1:
            return None
        with contextlib.suppress(Exception):  # a postprocessor need not take it for an answer
            return self._read([text] * len(texts), is_target=False)
        return None

    def _marked(self, metric: Metric, blind: Metric | None = None) -> list[dict]:
        """The numbers of one metric, each with those of single examples if it is their mean."""
        every = range(len(self.examples))
        whole = metric(every)
        alone, chance = metrics.alone(metric, whole, len(every)), {}
        if blind:
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                chance = blind(every)
        return [
            {
                "metric": name,
                "value": value,
                "each": alone.get(name),
                "chance": chance.get(name, math.nan),
            }
            for name, value in whole.items()
        ]


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    """Words with how often each comes, the commonest first."""
    return collections.Counter(words).most_common()


def _ids(ids: Iterable) -> list[int]:
    return [int(one) for one in ids]


def begun(request: dict) -> dict[str, Examiner]:
    """Opens the tasks of a mixture that have metrics.

    Args:
      request: "mixture", "row", "split", "items" and "seed", and what `jobs.register` takes.

    Returns:
      An examiner for each, by the task's name.

    Raises:
      ValueError: there is no such mixture, or it has no such task.
    """
    jobs.register(request)
    mixture, split = request["mixture"], request["split"]
    parts = roads.resolve(mixture, roads.STREAMING)
    able = [one for one in parts if one.task.metric_objs and split in one.task.splits]
    if not able:
        names = ", ".join(one.task.name for one in parts)
        raise ValueError(f"of its tasks {names} none has both metric_fns and a split {split!r}")
    row = Row(**request["row"])
    return {
        one.task.name: Examiner(one, split, row, request["items"], request["seed"]) for one in able
    }


def main() -> int:
    """Reads requests and answers them.

    Returns:
      The exit status.
    """
    # What steps and modules print goes to standard error; only this file writes to the reader.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    opened: dict[str, Examiner] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "mixture" in request:
                opened = begun(request)
                reply: dict = {"papers": [one.paper() for one in opened.values()]}
            else:
                reply = opened[request["task"]].marks(request)
        except Exception as error:  # whatever a task's code raises is the user's to mend
            reply = {"wrong": failure(error)}
        out.write(json.dumps(reply, default=str) + "\n")
        out.flush()
    return 0


if __name__ == "__main__":
    os._exit(main())  # without TensorFlow's last words
