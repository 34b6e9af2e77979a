"""Examples of what a run learns from, as its model saw them: examples.json in its directory.

They are read without JAX, so that a report can show them.
"""

import dataclasses
import json
from pathlib import Path

from archlab import form
from archlab.show import cells
from archlab.show.cells import Position

FILE = "examples.json"
KEPT = 128  # positions of a stack, at most
AHEAD = 16  # of them, before the first that is learnt
FORM = {
    "examples": [
        {
            "stage": int,
            "stage_name": str,
            "objective": str,
            "about": str,
            "stacks": {str: {"length": int, "parts": [{"first": int, **cells.FORM}]}},
        }
    ]
}


@dataclasses.dataclass(frozen=True)
class Stack:
    """What one stack of an example reads.

    Args:
      parts: positions that follow one another, by the number of the first; those between two parts
        are left out.
      length: how many there are in all.
    """

    parts: dict[int, list[Position]]
    length: int


@dataclasses.dataclass(frozen=True)
class Example:
    """The first row of an objective.

    Args:
      stage: its number, from 0.
      stage_name: what it is called.
      objective: the row's task.
      about: the row in a line: how much of it is learnt, how much is padding.
      stacks: what each stack reads, by name; the last one predicts.
    """

    stage: int
    stage_name: str
    objective: str
    about: str
    stacks: dict[str, Stack]


def cut(positions: list[Position]) -> Stack:
    """Leaves out of a long stack what shows least.

    Args:
      positions: all of them.

    Returns:
      The first `KEPT`; or half as many, and those around the first that is learnt, where that is
      further on.
    """
    learnt = next((number for number, one in enumerate(positions) if one.weight), 0)
    if learnt + AHEAD < KEPT:
        return Stack({0: positions[:KEPT]}, len(positions))
    half, first = KEPT // 2, learnt - AHEAD
    parts = {0: positions[:half], first: positions[first : first + half]}
    return Stack(parts, len(positions))


def write(folder: Path, examples: list[Example]) -> None:
    """Keeps examples beside a run, in place of those that are there.

    Args:
      folder: the run directory.
      examples: of all stages.
    """
    said = []
    for one in examples:
        stacks = {
            name: {
                "length": stack.length,
                "parts": [{"first": at, **cells.columns(part)} for at, part in stack.parts.items()],
            }
            for name, stack in one.stacks.items()
        }
        names = ("stage", "stage_name", "objective", "about")
        said.append({**{name: getattr(one, name) for name in names}, "stacks": stacks})
    half = (folder / FILE).with_suffix(".tmp")  # a reader never sees half of it
    half.write_text(json.dumps({"examples": said}) + "\n", encoding="utf-8")
    half.replace(folder / FILE)


def read(folder: Path) -> list[Example]:
    """Reads the examples of a run.

    Args:
      folder: the run directory.

    Returns:
      The examples; none if none were kept.

    Raises:
      ValueError: the file is not as `write` writes it.
    """
    path, found = folder / FILE, []
    if not path.is_file():
        return []
    for said in form.read(path, FORM)["examples"]:
        stacks = {}
        for name, one in said["stacks"].items():
            try:
                parts = {part["first"]: cells.positions(part) for part in one["parts"]}
            except ValueError:
                raise ValueError(f"{path} is not as archlab writes it: {name} is cut") from None
            stacks[name] = Stack(parts, one["length"])
        plain = {name: said[name] for name in ("stage", "stage_name", "objective", "about")}
        found.append(Example(**plain, stacks=stacks))
    return found
