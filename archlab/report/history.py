"""What a run directory tells: which steps were taken, what they cost, what they were made with.

It is read from the files alone, so that a report can be written on any machine, of a run that ended
and of one that is still going on.
"""

import dataclasses
import math
from pathlib import Path

import numpy as np

from archlab import form, record
from archlab.evaluation import lines as evaluations
from archlab.evaluation.lines import Line
from archlab.form import NONE, NUMBER
from archlab.generation import generations
from archlab.generation.generations import Generation
from archlab.report.lines import FORMS
from archlab.show import examples
from archlab.show.examples import Example
from archlab.spelling import beside

# What runs may be compared at, as "train" lines count it, in words.
LEDGERS = {
    "tokens": "tokens",
    "loss_tokens": "loss tokens",
    "flops": "FLOPs",
    "seconds": "wall clock",
}

PLACE = ("kind", "stage", "step", "total_step", "stage_name")
MANIFEST = {"devices": ([object], NONE), "versions": ({}, NONE)}
CONFIG = {"run": ({"expect": ([NUMBER], NONE)}, NONE)}
NOTHING = {
    "flops": {"body": 0, "head": 0, "attention": 0},
    "tokens": 0,
    "loss_tokens": 0,
    "padding": None,
    "seconds": 0.0,
    "visited_parameters": None,
}


@dataclasses.dataclass(frozen=True)
class History:
    """A run as its directory tells it.

    Args:
      name: what it is called in the report; no other run there is called the same.
      start: the last "start" line.
      trains: "train" lines by total step, without those that a later start went back behind;
        none before the first.
      evaluates: "evaluate" lines, likewise.
      end: the "end" line; None while the run is unfinished.
      config: the settings, {} if they were not kept.
      gin: the experiment as text, "" if it was not kept.
      manifest: versions, devices, git and data, {} if they were not kept.
      measured: what it was asked, by measure, metric and the way it was asked; the latest of each,
        with what it is about (`evaluation.lines.read`).
      examples: the first row of each objective, as its model saw it.
      said: what it was heard to say, of each question the latest.
      starts: how often it was started.
      elapsed: seconds from its first start to its last line, pauses between two starts included.
    """

    name: str
    start: dict
    trains: list[dict]
    evaluates: list[dict]
    end: dict | None
    config: dict
    gin: str
    manifest: dict
    measured: dict[tuple[str, str, str], tuple[Line, dict]] = dataclasses.field(
        default_factory=dict
    )
    examples: list[Example] = dataclasses.field(default_factory=list)
    said: list[Generation] = dataclasses.field(default_factory=list)
    starts: int = 1
    elapsed: float = 0.0

    @property
    def stages(self) -> list[dict]:
        """The facts of every stage that was asked for, in order."""
        return self.start["stages"]

    @property
    def architectures(self) -> list[str]:
        """Names of the architectures that the stages train, each once."""
        return list(dict.fromkeys(stage["architecture"] for stage in self.stages))

    @property
    def objectives(self) -> list[str]:
        """Names of the objectives that a loss was recorded of, in order of first sight."""
        lines = [*self.trains, *self.evaluates]
        return list(dict.fromkeys(name for line in lines for name in line["loss_by_objective"]))

    @property
    def loss(self) -> float | None:
        """The last validation loss, nats per loss token; None before the first."""
        return self.evaluates[-1]["loss"] if self.evaluates else None

    @property
    def expect(self) -> list[float] | None:
        """The band that the last validation loss should fall in, in nats."""
        if self.end is not None:
            return self.end.get("expect")
        return self.config.get("run", {}).get("expect")

    @property
    def ledger(self) -> dict:
        """What the run has cost, at its "end" line or its last "train" line."""
        if self.end is not None:
            return self.end["ledger"]
        if not self.trains:
            return NOTHING | {"parameters": self.start["parameters"]}
        last = self.trains[-1]
        steps = [self.steps_taken(number) for number in range(len(self.stages))]
        pairs = list(zip(self.stages, steps, strict=True))
        tokens = sum(stage["tokens_per_step"] * many for stage, many in pairs)
        seen = sum(
            stage["visited_parameters"] * stage["tokens_per_step"] * many for stage, many in pairs
        )
        return {**last, "visited_parameters": seen / tokens if tokens else math.nan}

    def spent(self, unit: str) -> float:
        """What the run has cost in one ledger.

        Args:
          unit: a key of `LEDGERS`.

        Returns:
          How much, at its end or its last record.
        """
        return total(self.ledger) if unit == "flops" else self.ledger[unit]

    def steps_taken(self, stage: int) -> int:
        """Counts the steps of a stage that the record has seen.

        Args:
          stage: its number, from 0.

        Returns:
          Steps; 0 if it has not begun.
        """
        last = self.last("train", stage)
        return last["step"] if last else 0

    def last(self, kind: str, stage: int) -> dict | None:
        """Finds the last line of a stage.

        Args:
          kind: "train" or "evaluate".
          stage: its number, from 0.

        Returns:
          The line; None if there is none.
        """
        lines = self.trains if kind == "train" else self.evaluates
        return next((line for line in reversed(lines) if line["stage"] == stage), None)

    def cost(self, stage: int, step: int, unit: str) -> float:
        """What the run had cost when it stood at a step.

        Args:
          stage: its number, from 0.
          step: steps taken in it.
          unit: a key of `LEDGERS`.

        Returns:
          How much since the run's first step. Tokens and FLOPs follow from the steps; loss tokens
          and seconds are those of the records around it, and at most those of the last.
        """
        steps = [facts["steps"] for facts in self.stages[:stage]] + [step]
        if unit in ("loss_tokens", "seconds"):
            known = [0.0, *(float(line["total_step"]) for line in self.trains)]
            costs = [0.0, *(float(line[unit]) for line in self.trains)]
            return float(np.interp(sum(steps), known, costs))
        return sum(
            many * (facts["tokens_per_step"] if unit == "tokens" else total(facts))
            for facts, many in zip(self.stages, steps, strict=False)
        )

    def at(self, line: dict, unit: str) -> float:
        """What the run had cost at one of its records.

        Args:
          line: a "train" line.
          unit: a key of `LEDGERS`.

        Returns:
          How much since the run's first step.
        """
        return total(line) if unit == "flops" else line[unit]


def total(holder: dict) -> float:
    """Adds FLOPs up.

    Args:
      holder: has "flops" or "flops_per_step", by part.

    Returns:
      All parts together.
    """
    parts = holder["flops"] if "flops" in holder else holder["flops_per_step"]
    return sum(parts.values())


def read(folder: Path, name: str) -> History:
    """Reads a run directory.

    Args:
      folder: the run directory.
      name: what the run is to be called.

    Returns:
      Its history.

    Raises:
      ValueError: no such directory, no record, nothing in the record yet, or a broken file.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no run directory {folder}{beside(folder)}")
    lines = record.read(folder / "metrics.jsonl", FORMS)
    starts = [line for line in lines if line["kind"] == "start"]
    # A run set back to a checkpoint takes the steps behind it anew; what it did there first is void
    # even before they are taken, and even if they are then recorded more rarely.
    lines = [line for line in lines if not any(_is_void(line, start) for start in starts)]
    trains, evaluates = _steps(lines, "train"), _steps(lines, "evaluate")
    if not starts:
        raise ValueError(f"{folder} has recorded no start yet; wait until its text is prepared")
    ends = [line for line in lines if line["kind"] == "end"]
    has_ended = bool(ends) and ends[-1]["time"] >= starts[-1]["time"]
    stages = len(starts[-1]["stages"])
    for line in [*trains, *evaluates]:
        if not 0 <= line["stage"] < stages:
            raise ValueError(
                f"{folder} recorded a step of stage {line['stage']}, "
                f"and its last start has {stages}"
            )
    gin = folder / "config.gin"
    return History(
        name=name,
        start=starts[-1],
        trains=trains,
        evaluates=evaluates,
        end=ends[-1] if has_ended else None,
        config=_kept(folder / "config.json", CONFIG),
        gin=gin.read_text(encoding="utf-8", errors="replace") if gin.is_file() else "",
        manifest=_kept(folder / "manifest.json", MANIFEST),
        measured={
            (line.measure, line.metric, line.asked): (line, about)
            for line, about in evaluations.read(folder)
        },
        examples=examples.read(folder),
        said=generations.latest(generations.read(folder)),
        starts=len(starts),
        elapsed=max(one["time"] for one in [*starts, *trains, *evaluates, *ends])
        - starts[0]["time"],
    )


def _is_void(line: dict, start: dict) -> bool:
    behind = line.get("total_step", 0) > (start.get("resumed_from") or 0)
    return behind and line["time"] < start["time"]


def _steps(lines: list[dict], kind: str) -> list[dict]:
    found = [line for line in lines if line["kind"] == kind]
    return sorted(found, key=lambda line: line["total_step"])


def _kept(path: Path, needed: dict) -> dict:
    return form.read(path, needed) if path.is_file() else {}
