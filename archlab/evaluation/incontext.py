"""In-context probes, which need no data: what a model does with a rule that its text shows.

Each is asked in the model's own format and, where that is another, in the plainest that its
architecture holds.
"""

import dataclasses
from pathlib import Path

import numpy as np

from archlab.data.row import DECODER, ENCODER, PAIR
from archlab.evaluation import estimate, labelled
from archlab.evaluation.formats import Format
from archlab.evaluation.lines import Line
from archlab.evaluation.passages import Passage
from archlab.evaluation.subject import Subject

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = 10
PLAIN = {DECODER: "causal", PAIR: "prefix"}  # an encoder has one form


@dataclasses.dataclass(frozen=True)
class Copy:
    """How often the last word of a sequence is copied, that was seen once before.

    Example, three words:
      left " qx fj rw qx fj", asked for " rw"

    Args:
      items: sequences, 1 or more.
      words: of a sequence, of random letters.
      letters: of a word.
      seed: of the draws.
      name: what it is called.

    Source: Olsson et al. 2022, section 4, whose sequences are of tokens; these are of letters, so
      that they are the same for every vocabulary.
    """

    items: int = 128
    words: int = 8
    letters: int = 3
    seed: int = 0
    name: str = "induction copy"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: unused. Returns: accuracy and nats per byte."""
        random = np.random.default_rng(self.seed)
        asked = []
        for _ in range(self.items):
            drawn = random.choice(list(LETTERS), (self.words, self.letters))
            said = ["".join(word) for word in drawn]
            asked.append(Passage("".join(f" {word}" for word in said + said[:-1]), f" {said[-1]}"))
        lines = []
        size_S = np.asarray([one.bytes for one in asked])
        for form in _forms(subject):
            scores = subject.score(asked, form)
            found = estimate.mean(scores.is_best_S)
            notes = scores.notes(form)
            lines.append(Line(self.name, "accuracy", found, 0.0, form.said, notes))
            nats = estimate.ratio(scores.nats_S, size_S)
            blind = self.letters * np.log(len(LETTERS)) / (self.letters + 1)
            lines.append(Line(self.name, "nats per byte", nats, float(blind), form.said, notes))
        return lines


@dataclasses.dataclass(frozen=True)
class Regression:
    """How well a line through points of the text goes on.

    Example, two points of 1, 3, 5, … and a place:
      left "x 2 y 5\\nx 0 y 1\\nx 3 y", asked for " 0" to " 9"; 7 is right

    Args:
      items: lines, 1 or more.
      shots: points that are shown.
      seed: of the draws.
      name: what it is called.

    Source: Garg et al. 2022, section 3, whose functions are of vectors and whose models read no
      text; here a value is a digit, and a slope one of -1, 0, 1, 2.
    """

    items: int = 128
    shots: int = 6
    seed: int = 0
    name: str = "linear regression"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: unused. Returns: accuracy and mean error."""
        random = np.random.default_rng(self.seed)
        ways, right_S = [], np.zeros(self.items, int)
        for number in range(self.items):
            left, right_S[number] = self._drawn(random)
            ways += [Passage(left, f" {digit}") for digit in range(DIGITS)]
        lines = []
        for form in _forms(subject):
            scores = subject.score(ways, form)
            said_S, notes = scores.nats_S.reshape(-1, DIGITS).argmin(axis=1), scores.notes(form)
            found = estimate.mean(said_S == right_S)
            lines.append(Line(self.name, "accuracy", found, 1 / DIGITS, form.said, notes))
            gap = np.abs(np.arange(DIGITS)[:, None] - right_S)  # of a digit that is drawn
            error = estimate.mean(np.abs(said_S - right_S))
            lines.append(Line(self.name, "mean error", error, float(gap.mean()), form.said, notes))
        return lines

    def _drawn(self, random: np.random.Generator) -> tuple[str, int]:
        """Points of a line whose values are digits, and the value at the last of them."""
        while True:
            slope, start = random.integers(-1, 3), random.integers(0, DIGITS)
            x = random.integers(0, DIGITS, self.shots + 1)
            y = slope * x + start
            if np.all((y >= 0) & (y < DIGITS)) and x[-1] not in x[:-1]:
                shown = "".join(f"x {a} y {b}\n" for a, b in zip(x[:-1], y[:-1], strict=True))
                return f"{shown}x {x[-1]} y", int(y[-1])


@dataclasses.dataclass(frozen=True)
class Relabel:
    """How often a label that the text has just given a meaning is the right one.

    Args:
      file: below the suite's folder; texts and labels, see `labelled.table`.
      items: texts that are asked for, 1 or more.
      shots: labelled texts before each.
      labels: words in place of the file's labels, which mean nothing by themselves.
      seed: of the draws.
      name: what it is called.

    Source: Wei et al. 2023, section 4 (labels that are unrelated to what they stand for).
    """

    file: str
    items: int = 128
    shots: int = 4
    labels: tuple[str, ...] = ("foo", "bar")
    seed: int = 0
    name: str = "relabelling"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: folder of the file. Returns: accuracy."""
        texts, marks = labelled.table(data / self.file)
        known = sorted(set(marks))
        if len(known) > len(self.labels):
            raise ValueError(
                f"{data / self.file} has labels {', '.join(known)}, and there are words for "
                f"{len(self.labels)} of them; Relabel.labels takes more"
            )
        if len(texts) <= self.shots:
            raise ValueError(
                f"{data / self.file} has {len(texts)} texts; {self.shots} shots take more"
            )
        words = dict(zip(known, self.labels, strict=False))
        random = np.random.default_rng(self.seed)
        ways, right_S = [], np.zeros(self.items, int)
        for number in range(self.items):
            *shown, last = random.choice(len(texts), self.shots + 1, replace=False)
            left = "".join(f"{texts[one]} {words[marks[one]]}\n" for one in shown)
            ways += [Passage(left + texts[last], f" {words[one]}") for one in known]
            right_S[number] = known.index(marks[last])
        lines = []
        for form in _forms(subject):
            scores = subject.score(ways, form)
            said_S = scores.nats_S.reshape(-1, len(known)).argmin(axis=1)
            found = estimate.mean(said_S == right_S)
            given = (found, 1 / len(known), form.said, scores.notes(form))
            lines.append(Line(self.name, "accuracy", *given))
        return lines


def _forms(subject: Subject) -> list[Format]:
    """How it is asked: as it was trained to be, and plainly."""
    own, kind = subject.format(), subject.row.kind
    return list(dict.fromkeys([own, own if kind == ENCODER else Format(PLAIN[kind])]))
