"""Positions of a stack, so that they can be seen: by people, and by who reads them from JSON."""

import dataclasses

from archlab.form import NONE, NUMBER

TEXT, SPECIAL, START, PADDING = "text", "special", "start", "padding"
# What JSON holds of a stack: a list for each of these, with an item for each position.
FORM = {
    "reads": [str],
    "kind": [str],
    "predicts": [(str, NONE)],
    "predicts_kind": [(str, NONE)],
    "weight": [NUMBER],
    "is_first": [bool],
    "is_input": [bool],
    "is_last_input": [bool],
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """A token, so that it can be seen.

    Args:
      text: one character or more, none of which hides, moves or joins another.
      kind: "text", "special" (an id that stands for no text), "start" or "padding".
    """

    text: str
    kind: str


@dataclasses.dataclass(frozen=True)
class Position:
    """One position of a stack.

    Args:
      reads: what it reads.
      predicts: what it is to predict; None in a stack that predicts nothing.
      weight: of the prediction in the loss.
      is_first: whether a segment begins here.
      is_input: whether it reads inputs that the same stack then goes on from.
      is_last_input: whether the inputs of its segment end here.
    """

    reads: Cell
    predicts: Cell | None
    weight: float
    is_first: bool
    is_input: bool
    is_last_input: bool


def columns(positions: list[Position]) -> dict[str, list]:
    """Writes positions as JSON keeps them.

    Args:
      positions: of a stack.

    Returns:
      What `FORM` says.
    """
    predicted = [one.predicts for one in positions]
    plain = ("weight", "is_first", "is_input", "is_last_input")
    return {
        "reads": [one.reads.text for one in positions],
        "kind": [one.reads.kind for one in positions],
        "predicts": [one and one.text for one in predicted],
        "predicts_kind": [one and one.kind for one in predicted],
        **{name: [getattr(one, name) for one in positions] for name in plain},
    }


def positions(columns: dict[str, list]) -> list[Position]:
    """Reads positions.

    Args:
      columns: as `FORM` says.

    Returns:
      The positions.

    Raises:
      ValueError: the lists are empty or not equally long, or only some positions predict.
    """
    if len({one is None for one in columns["predicts"]}) != 1:
        raise ValueError("all positions of a stack predict, or none does")
    found = []
    for text, kind, predicts, its_kind, *rest in zip(*(columns[one] for one in FORM), strict=True):
        predicted = None if predicts is None else Cell(predicts, its_kind or TEXT)
        found.append(Position(Cell(text, kind), predicted, *rest))
    return found
