"""Measures: what is asked of every model in the same words, each a setting of a suite.

Likelihoods are in nats per byte of the text that is asked for, so that neither a vocabulary nor an
objective changes what they mean.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archlab.evaluation import estimate, labelled, passages
from archlab.evaluation.formats import Format, Span
from archlab.evaluation.lines import Line
from archlab.evaluation.passages import Passage
from archlab.evaluation.subject import Subject

NATS, ACCURACY, EXACT = "nats per byte", "accuracy", "exact match"
BLIND = math.log(256)  # nats per byte of a model that knows nothing


@dataclasses.dataclass(frozen=True)
class Continuation:
    """How likely held-out text is, given what stands before it.

    Args:
      source: "python_stdlib", or "folder" for the files of `folder`.
      folder: of the user's own text.
      items: passages, 1 or more.
      left: characters before.
      middle: characters asked for, 1 or more.
      seed: of the draws.
      name: what it is called.
    """

    source: str = "python_stdlib"
    folder: str = ""
    items: int = 256
    left: int = 256
    middle: int = 64
    seed: int = 0
    name: str = "continuation"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: unused. Returns: nats per byte."""
        about = (self.source, self.folder, self.items, self.left, self.middle)
        asked = passages.drawn(*about, 0, self.seed)
        return _likelihood(subject, asked, self.name, reads_right=False)


@dataclasses.dataclass(frozen=True)
class Infill:
    """How likely a piece of held-out text is, given both of its sides.

    A model that reads no right side is given the left alone, and the line says so.

    Args:
      source: see `Continuation`.
      folder: see `Continuation`.
      items: see `Continuation`.
      left: see `Continuation`.
      middle: see `Continuation`.
      right: characters after.
      seed: see `Continuation`.
      name: see `Continuation`.
    """

    source: str = "python_stdlib"
    folder: str = ""
    items: int = 256
    left: int = 128
    middle: int = 32
    right: int = 128
    seed: int = 0
    name: str = "infill"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: unused. Returns: nats per byte."""
        about = (self.source, self.folder, self.items, self.left, self.middle, self.right)
        return _likelihood(subject, passages.drawn(*about, self.seed), self.name, reads_right=True)


@dataclasses.dataclass(frozen=True)
class LastWord:
    """How often the last word of a passage is the likeliest one.

    Args:
      source: see `Continuation`.
      folder: see `Continuation`.
      items: see `Continuation`.
      left: characters before the word.
      seed: see `Continuation`.
      name: see `Continuation`.

    Source: Paperno et al. 2016 (LAMBADA), section 3, of which it has the form and not the text.
    """

    source: str = "python_stdlib"
    folder: str = ""
    items: int = 256
    left: int = 256
    seed: int = 0
    name: str = "last word"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: unused. Returns: accuracy."""
        drawn = passages.drawn(self.source, self.folder, self.items, self.left, 1, 0, self.seed)
        words = [(one, re.match(r"\s\S+", one.middle)) for one in drawn]
        asked = [Passage(one.left, word.group()) for one, word in words if word]
        form = subject.format()
        scores = subject.score(asked, form, self.seed)
        found = estimate.mean(scores.is_best_S, self.seed)
        return [Line(self.name, ACCURACY, found, 0.0, form.said, scores.notes(form))]


@dataclasses.dataclass(frozen=True)
class Code:
    """How likely the missing piece of a program is, and if the likeliest is right.

    The likeliest is what greedy generation would say of so many tokens; programs are not run.

    Args:
      file: below the suite's folder, lines with "prompt", "suffix" and "canonical_solution".
      items: the first so many are asked; 0 asks all.
      name: what it is called.

    Source: Bavarian et al. 2022, section 3.2, for the files; Fried et al. 2022 (InCoder), section
      5.1, for the exact match.
    """

    file: str
    items: int = 0
    name: str = "code infill"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: folder of the file. Returns: two lines."""
        path = data / self.file
        names = ("prompt", "canonical_solution", "suffix")
        asked = [
            Passage(*(labelled.field(one, name, path) for name in names))
            for one in labelled.lines(path)
        ]
        return _likelihood(subject, asked[: self.items or None], self.name, True, is_exact=True)


@dataclasses.dataclass(frozen=True)
class Pairs:
    """How often the right one of two sentences that differ in little is the likelier.

    A model that was trained to say what comes next is asked for each sentence as a whole. Any other
    is asked for each token with both of its sides in view.

    Args:
      file: below the suite's folder, lines with "good", "bad" and "paradigm".
      items: the first so many of each paradigm are asked; 0 asks all.
      name: what it is called.

    Source: Warstadt et al. 2020 (BLiMP), section 3; Salazar et al. 2020, section 2, for a sentence
      token by token.
    """

    file: str = "blimp.jsonl.gz"
    items: int = 0
    name: str = "minimal pairs"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: folder of the file. Returns: accuracy."""
        path, kept = data / self.file, []
        many: dict[str, int] = {}
        for one in labelled.lines(path):
            paradigm = one.get("paradigm", "")
            many[paradigm] = many.get(paradigm, 0) + 1
            if not self.items or many[paradigm] <= self.items:
                kept += [labelled.field(one, side, path) for side in ("good", "bad")]
        form = subject.format()
        nats_S, notes = _whole(subject, kept, form)
        gap_S = nats_S[1::2] - nats_S[::2]
        found = estimate.mean((gap_S > 0) + 0.5 * (gap_S == 0))
        notes = (f"{len(many)} paradigms", *notes)
        return [Line(self.name, ACCURACY, found, 0.5, form.said, notes)]


@dataclasses.dataclass(frozen=True)
class Choices:
    """How often the right way to go on is the likeliest of those that are offered.

    Args:
      file: below the suite's folder; see `labelled.choices`.
      items: the first so many are asked; 0 asks all.
      name: what it is called.

    Source: Bisk et al. 2020 (PIQA); Gordon et al. 2012 (COPA). Gao et al. 2021, of the evaluation
      harness, for both ways of comparing answers of different lengths.
    """

    file: str
    items: int = 0
    name: str = "choices"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: folder of the file. Returns: accuracy, by two ways."""
        asked = labelled.choices(data / self.file)[: self.items or None]
        ways = [Passage(one.context, way) for one in asked for way in one.choices]
        form = subject.format()
        scores = subject.score(ways, form)
        edges = np.cumsum([len(one.choices) for one in asked])[:-1]
        size_S = np.asarray([way.bytes for way in ways])
        chance = float(np.mean([1 / len(one.choices) for one in asked]))
        notes, lines = scores.notes(form), []
        for metric, cost_S in (
            (ACCURACY, scores.nats_S),
            ("accuracy by byte", scores.nats_S / size_S),
        ):
            right = [
                float(np.argmin(cost) == one.label)
                for one, cost in zip(asked, np.split(cost_S, edges), strict=True)
            ]
            found = estimate.mean(np.asarray(right))
            lines.append(Line(self.name, metric, found, chance, form.said, notes))
        return lines


def _likelihood(
    subject: Subject,
    asked: Sequence[Passage],
    name: str,
    reads_right: bool,
    is_exact: bool = False,
) -> list[Line]:
    """Nats per byte, in the model's own format and, where that has a mode token, without it."""
    forms, lines = [subject.format(reads_right)], []
    if forms[0].mode:
        forms.append(dataclasses.replace(forms[0], mode=""))
    size_S = np.asarray([one.bytes for one in asked])
    for form in forms:
        scores = subject.score(asked, form)
        notes = scores.notes(form, reads_right)
        found = estimate.ratio(scores.nats_S, size_S)
        lines.append(Line(name, NATS, found, BLIND, form.said, notes))
        if is_exact:
            exact = estimate.mean(scores.is_best_S)
            lines.append(Line(name, EXACT, exact, 0.0, form.said, notes))
    return lines


def _whole(subject: Subject, texts: list[str], form: Format) -> tuple[np.ndarray, tuple[str, ...]]:
    """Nats of whole texts, at once or token by token, as the model was trained to; and notes."""
    spans = subject.spans([Passage("", text) for text in texts])
    number: Sequence[int] = range(len(texts))
    if form.reads_right:
        places = [(at, place) for at, one in enumerate(spans) for place in range(len(one.middle))]
        number = [at for at, _ in places]
        spans = [_around(spans[at], place) for at, place in places]
    scores = subject.scorer.spans(spans, form)
    return np.bincount(number, scores.nats_S, len(texts)), scores.notes(form)


def _around(span: Span, place: int) -> Span:
    """One token of a text, with both of its sides."""
    text = span.middle
    return Span(text[:place], text[place : place + 1], text[place + 1 :])
