"""A task of SeqIO's as a measure: its own metrics, of what a model makes of its examples.

Nothing of the task is changed: its steps make the examples, its postprocessor reads what the model
says, and its metric functions count. Predictions are kept beside the run.
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archlab.data.exam import AUXILIARY, PREDICTION, SCORE, Answers, Exam, Marks, Paper
from archlab.data.row import ENCODER, PAIR
from archlab.data.vocabulary import same
from archlab.evaluation import estimate
from archlab.evaluation.estimate import Estimate
from archlab.evaluation.formats import Format, Question, Span
from archlab.evaluation.lines import Line
from archlab.evaluation.subject import Subject
from archlab.generation.generate import Text, generate
from archlab.generation.manner import Manner
from archlab.refusal import Refusal

FOLDER = "predictions"  # below the run directory


@dataclasses.dataclass(frozen=True)
class Task:
    """What a SeqIO task's own metrics say of a model's answers.

    Metrics of predictions are given what the model says after the inputs, the likeliest token each
    time; metrics of scores the log of the probability of the targets, their end included. Where a
    metric is the mean of what it is of each example, the number has an interval.

    Args:
      mixture: name of a task, or of a mixture, each of whose tasks is measured.
      split: of the tasks.
      items: the first so many examples of each are asked; 0 asks all.
      tokens: at most how many the model says of each, 1 or more.
      rows: how many it continues together, 1 or more.
      seed: of whatever the tasks' steps draw.
      name: what it is called; the mixture's name unless given.

    Raises:
      ValueError: a number out of its range.

    Source: Roberts et al. 2022 (SeqIO), section 3.3, and `seqio.Evaluator`, for what a task's
      functions are given.
    """

    mixture: str
    split: str = "validation"
    items: int = 0
    tokens: int = 64
    rows: int = 32
    seed: int = 0
    name: str = ""

    def __post_init__(self):
        if not self.name:
            object.__setattr__(self, "name", self.mixture)
        for name, least in (("items", 0), ("tokens", 1), ("rows", 1), ("seed", 0)):
            if getattr(self, name) < least:
                said = f"Task.{name}={getattr(self, name)}; it is {least} or more"
                raise Refusal(said, f"Task.{name}")

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: unused. Returns: the numbers of each task."""
        opened = Exam(
            self.mixture,
            subject.row,
            dataclasses.asdict(subject.data),
            subject.modules,
            self.split,
            self.items,
            self.seed,
        )
        lines = []
        with opened as exam:
            for paper in exam.papers:
                check(subject, paper)
                given, room = self._given(subject, paper)
                answers, texts = self._answered(subject, paper, given)
                marks = exam.marks(paper, answers)
                name = self.name if len(exam.papers) == 1 else f"{self.name}: {paper.task}"
                cut = np.mean([len(ids) > room for ids in paper.inputs])
                notes = [f"{cut:.0%} cut to fit {room} tokens"] if cut else []
                if texts:
                    cut = np.mean([not one.is_ended for one in texts])
                    notes += [f"{cut:.0%} said no end in {self.tokens} tokens"] if cut else []
                lines += _lines(name, marks, paper, tuple(notes))
                if subject.folder:
                    self._keep(subject, paper, answers, marks)
        return lines

    def _given(self, subject: Subject, paper: Paper) -> tuple[list[list[int]], int]:
        """The inputs as the model reads them, cut as in training, and to how many tokens."""
        row = subject.row
        room = row.inputs if row.kind == PAIR else row.total - self.tokens
        if room < 1:
            raise Refusal(
                f"Task.tokens={self.tokens} leave nothing of the {row.total} tokens that the run "
                f"was trained to read at once; {row.total // 2} would leave half",
                "Task.tokens",
            )
        end = subject.words.end
        return [_fitted(ids, room, end, row.kind == PAIR) for ids in paper.inputs], room

    def _answered(
        self, subject: Subject, paper: Paper, given: list[list[int]]
    ) -> tuple[Answers, list[Text]]:
        """What the paper's metrics look at, and what was said."""
        said = nats = scores = None
        texts: list[Text] = []
        if paper.needs & {PREDICTION, AUXILIARY}:
            is_shifted = subject.row.kind == ENCODER and subject.format().is_shifted
            how = (Manner(tokens=self.tokens), self.rows, 0, is_shifted)
            texts = generate(subject.model, subject.weights, subject.words, given, *how)
            said = [[*one.ids, *[subject.words.end] * one.is_ended] for one in texts]
            nats = [one.nats for one in texts]
            subject.passed(len(texts))
        if SCORE in paper.needs:
            scores = (-scored(subject, paper.inputs, paper.targets)).tolist()
        return Answers(said, nats, scores), texts

    def _keep(self, subject: Subject, paper: Paper, answers: Answers, marks: Marks) -> None:
        """Writes what was said of each example, beside the run."""
        path = subject.folder / FOLDER / f"{paper.task}-{self.split}-{subject.step}.jsonl"
        path.parent.mkdir(exist_ok=True)
        columns = {
            "inputs": paper.input_texts,
            "targets": paper.target_texts,
            "said": marks.said,
            "nats": answers.nats,
            "score": answers.scores,
            "read": marks.read,
            "wanted": marks.wanted,
        }
        there = {name: column for name, column in columns.items() if column is not None}
        rows = zip(*there.values(), strict=True)
        said = (json.dumps(dict(zip(there, row, strict=True)), ensure_ascii=False) for row in rows)
        path.write_text("".join(f"{line}\n" for line in said), encoding="utf-8")


def check(subject: Subject, paper: Paper) -> None:
    """Refuses a task whose ids are not the model's.

    Two files may hold one vocabulary, so where they differ its examples decide.

    Args:
      subject: that is asked.
      paper: what the task asks.

    Raises:
      ValueError: an id stands for another text, or for none.
    """
    words, own = subject.words, paper.vocabulary
    if same(words.spec(), own.spec()):
        return
    for ids in (*paper.inputs, *paper.targets):
        is_there = max(ids, default=0) < words.size
        if not is_there or words.decode(ids) != own.decode(ids):
            raise Refusal(
                f"task {paper.task} is encoded with {own.path or 'bytes'}, and run {subject.name} "
                f"reads {words.path or 'bytes'}; their ids stand for different text",
                "Task.mixture",
            )


def scored(subject: Subject, inputs: list[list[int]], targets: list[list[int]]) -> np.ndarray:
    """Scores targets after their inputs, each cut to fit as in training.

    Args:
      subject: that is asked. An encoder is asked for one token after another.
      inputs: ids of each.
      targets: ids of each.

    Returns:
      float64, nats of each.
    """
    row, end = subject.row, subject.words.end
    if row.kind == ENCODER:
        spans = [Span(tuple(one), tuple(two)) for one, two in zip(inputs, targets, strict=True)]
        own = subject.format()
        form = Format("unmasking", is_shifted=own.is_shifted)
        return subject.scorer.spans(spans, form).nats_S
    asked = []
    for given, wanted in zip(inputs, targets, strict=True):
        is_pair = row.kind == PAIR
        kept = _fitted(wanted, row.targets if is_pair else row.total, end)
        room = row.inputs if is_pair else row.total - len(kept)
        read = _fitted(given, room, end, is_pair)
        asked.append(Question(tuple(read), tuple(kept), np.ones(len(kept))))
    return subject.scorer.questions(asked)[0]


def _fitted(ids: Sequence[int], room: int, end: int, is_needed: bool = False) -> list[int]:
    """Cuts ids to what there is room for, with their end, as in training.

    Args:
      ids: of one side of an example.
      room: how many there may be.
      end: the id that ends them, if any does.
      is_needed: whether there must be one: an encoder reads something.

    Returns:
      As many as fit.
    """
    kept = [*ids[:room]]
    if len(ids) > room and room and ids[-1] == end:
        kept[-1] = end
    return kept or [end] * is_needed


def _lines(name: str, marks: Marks, paper: Paper, notes: tuple[str, ...]) -> list[Line]:
    """The numbers of one task."""
    asked = "scored" if paper.needs == {SCORE} else "said"
    items, lines = len(paper.targets), []
    for mark in marks.marks:
        found = Estimate(mark.value, math.nan, math.nan, items)
        if mark.each is not None:
            found = dataclasses.replace(estimate.mean(mark.each), value=mark.value)
        lines.append(Line(name, mark.metric, found, mark.chance, asked, notes))
    return lines
