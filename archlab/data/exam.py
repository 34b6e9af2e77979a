"""An exam: what SeqIO tasks ask of a model, and the marks that their own metrics give its answers.

The process `archlab.data.examiner` holds the tasks; here are questions as ids, and numbers.
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from archlab.data.recipes import quiet
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary

LAST = 400  # characters of what a process said last
PREDICTION, SCORE, AUXILIARY = "PREDICTION", "SCORE", "PREDICTION_WITH_AUX"  # SeqIO's names


@dataclasses.dataclass(frozen=True)
class Paper:
    """What one task asks.

    Args:
      task: its name.
      needs: what its metrics look at, of `PREDICTION`, `SCORE` and `AUXILIARY`.
      vocabulary: of its ids.
      inputs: ids of each example, none where it has no inputs.
      targets: ids of each example, with the end where the task has one.
      input_texts: what the inputs say.
      target_texts: what the targets say.
    """

    task: str
    needs: frozenset[str]
    vocabulary: Vocabulary
    inputs: list[list[int]]
    targets: list[list[int]]
    input_texts: list[str]
    target_texts: list[str]


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a model made of a paper, of each example; None where nothing needs it.

    Args:
      said: ids of what it said, with the end where it ended.
      nats: log of the probability of that.
      scores: log of the probability of the targets.
    """

    said: Sequence[Sequence[int]] | None = None
    nats: Sequence[float] | None = None
    scores: Sequence[float] | None = None


@dataclasses.dataclass(frozen=True)
class Mark:
    """One number of a metric.

    Args:
      metric: its name.
      value: over all examples; nan where it has none, as a correlation with what never differs.
      each: the same of each example alone, where the number is their mean; else None.
      chance: of an answer that is the commonest target every time; nan where there is none.
    """

    metric: str
    value: float
    each: list[float] | None
    chance: float


@dataclasses.dataclass(frozen=True)
class Marks:
    """What became of the answers to a paper.

    Args:
      marks: the numbers.
      said: texts of what was said, as the task's vocabulary reads it; None where none was needed.
      read: what the task's postprocessor made of those, as JSON has it.
      wanted: what it made of the targets.
    """

    marks: list[Mark]
    said: list[str] | None
    read: list | None
    wanted: list


class Exam:
    """The papers of a mixture, for as long as it is open.

    Example:
      with Exam("glue_sst2_v002", row, data=asdict(run.data), modules=["t5.data.mixtures"]) as exam:
          marks = exam.marks(exam.papers[0], Answers(said=...))

    Args:
      mixture: name of a SeqIO task or mixture.
      row: of the model, which says how long a task's steps may make examples.
      data: the fields of `Data`.
      modules: the user's own, which register tasks.
      split: of the tasks.
      items: the first so many examples of each task; 0 takes all.
      seed: of whatever the tasks' steps draw.

    Raises:
      ValueError: the process says what is wrong.
    """

    def __init__(
        self,
        mixture: str,
        row: Row,
        data: dict,
        modules: Sequence[str] = (),
        split: str = "validation",
        items: int = 0,
        seed: int = 0,
    ):
        self._mixture, self._errors = mixture, tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "archlab.data.examiner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=quiet(),
            text=True,
        )
        request = {
            "mixture": mixture,
            "row": dataclasses.asdict(row),
            "data": data,
            "modules": [*modules],
            "split": split,
            "items": items,
            "seed": seed,
        }
        try:
            self.papers = [_paper(one) for one in self._asked(request)["papers"]]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Exam":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def marks(self, paper: Paper, answers: Answers) -> Marks:
        """Has answers marked by the task's own postprocessor and metrics.

        Args:
          paper: one of `papers`.
          answers: to all of it.

        Returns:
          Numbers, and what was read out of the answers.

        Raises:
          ValueError: the task's own code fails.
        """
        found = self._asked({"task": paper.task, **dataclasses.asdict(answers)})
        marks = [Mark(**one) for one in found["marks"]]
        return Marks(marks, found["said"], found["read"], found["wanted"])

    def close(self) -> None:
        """Stops the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _asked(self, request: dict) -> dict:
        """A line to the process, and the line that it answers with."""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        said = json.loads(line) if line else {"wrong": self._last()}
        if "wrong" in said:
            raise ValueError(f"{self._mixture}: {said['wrong'][-LAST:]}")
        return said

    def _last(self) -> str:
        """What the process said last, where it ended without a word for us."""
        status = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return said[-1] if said else f"the examiner ended with status {status}"


def _paper(said: dict) -> Paper:
    own = {
        "needs": frozenset(said["needs"]),
        "vocabulary": Vocabulary.from_spec(said["vocabulary"]),
    }
    return Paper(**{**said, **own})
