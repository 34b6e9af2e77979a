"""Runs as subjects: what a run directory says of how its model is to be asked."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from archlab import trained
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.row import PAIR, Row
from archlab.evaluation import formats
from archlab.evaluation.formats import FORMATS, Format
from archlab.evaluation.subject import Subject
from archlab.trained import Trained

UNKNOWN = 512  # tokens of a side, of a model that does not say how much it was trained to read


def read(
    folder: Path,
    name: str,
    step: int | None = None,
    form: str = "",
    passed: Callable[[int], None] = lambda many: None,
    modules: tuple[str, ...] = (),
) -> Subject:
    """Reads a run, to be asked.

    Args:
      folder: the run directory.
      name: what it is called.
      step: the checkpoint; the latest unless given.
      form: name of the format that it is asked in; that which it was trained on unless given.
      passed: told how many questions were scored since it was told last.
      modules: the user's own, which register tasks.

    Returns:
      The subject.

    Raises:
      ValueError: it is no run, has no checkpoint, or there is no such format.
    """
    found = of(trained.load(folder, step), name, form, passed)
    return dataclasses.replace(found, folder=folder, modules=modules)


def of(
    read: Trained,
    name: str,
    form: str = "",
    passed: Callable[[int], None] = lambda many: None,
) -> Subject:
    """Makes a subject of a run that was read back.

    Args:
      read: the run.
      name: what it is called.
      form: see `read`.
      passed: see `read`.

    Returns:
      The subject.
    """
    known = [
        dataclasses.replace(OBJECTIVES[objective], **parameters)
        for objective, parameters in read.objectives
        if objective in OBJECTIVES
    ]
    kind, stage = read.model.architecture.kind, read.stage
    asked = [formats.of(one) for one in known]
    if form:  # as it was trained in that format, if it was
        asked = [one for one in asked if one.name == form] or [Format(form)]
        if not asked[0].suits(kind):
            suiting = ", ".join(one for one in FORMATS if Format(one, is_shifted=True).suits(kind))
            raise ValueError(
                f"{name} has rows of {kind}s, and --format {form} no place in them; "
                f"one of {suiting} has"
            )
    inputs, targets = stage.inputs, stage.targets
    if (inputs if kind == PAIR else targets) == 1:  # it was made of a model, and trained nothing
        inputs, targets = (UNKNOWN if kind == PAIR else 0), UNKNOWN
    return Subject(
        name=name,
        model=read.model,
        weights=read.weights,
        words=read.vocabulary,
        row=Row(inputs, targets, kind),
        formats=tuple(dict.fromkeys(asked)),
        seed=read.run.seed,
        step=read.step,
        digest=read.digest,
        passed=passed,
        data=read.run.data,
    )
