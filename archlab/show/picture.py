"""A task in the terminal: its rows as aligned, coloured text, and what many rows hold."""

import textwrap

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.columns import Columns
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from archlab.show.cells import SPECIAL, TEXT, Position
from archlab.show.row import Row, Sight
from archlab.show.sample import Sample
from archlab.show.statistics import Statistics, table

STYLES = {TEXT: "", SPECIAL: "bold magenta"}
LEARNT, FAINT = "green", "dim"
CELLS = 16  # of a picture of who sees whom, at most, across and down
HEADING = 14  # characters of a task's name before it is broken
GAP = 2  # between columns of a table

Mark = tuple[str, str]  # what is shown, and its style


def drawn(sample: Sample, width: int = 100) -> Group:
    """Draws a sample.

    Args:
      sample: of a task.
      width: of the terminal, in characters.

    Returns:
      What rich prints; its colours are left out where there is no terminal.
    """
    parts = [picture(row, width) for row in sample.rows]
    parts += tabulated(sample.statistics, width) if sample.statistics else []
    return Group(*parts, *(Text(f"note: {one}") for one in sample.warnings))


def picture(row: Row, width: int = 100) -> Group:
    """Draws one row.

    Example, a prefix decoder that reads the inputs `ab` and learns the targets `cd`, then the end:
      reads     ▸ a b c d
      predicts  a b c d <end>
      learns        ^ ^ ^
      inputs    ─ ─ ┤

    Args:
      row: any.
      width: of the terminal, in characters.

    Returns:
      What rich prints.
    """
    parts: list = [Text(str(row), "bold")]
    for positions in row.stacks.values():
        reads = "encoder" if positions[0].predicts is None else "reads"
        lines = {reads: [(one.reads.text, STYLES.get(one.reads.kind, FAINT)) for one in positions]}
        if positions[0].predicts is not None:
            lines["predicts"] = [_predicted(one) for one in positions]
            lines["learns"] = [_weight(one.weight) for one in positions]
        if any(one.is_input for one in positions):
            lines["inputs"] = [
                ("─┤"[one.is_last_input], "") if one.is_input else ("", "") for one in positions
            ]
        parts.append(columns(lines, width))
    sights = [
        Text(f"{one.name}\n", "bold").append("\n".join(sight(one)), "not bold")
        for one in row.sights
    ]
    parts.append(Padding(Columns(sights, padding=(0, 4)), (0, 2)))
    if any(_step(one) > 1 for one in row.sights):
        parts.append(Text("  of a cell's positions: ■ all see all, ▒ some, · none", FAINT))
    return Group(*parts)


def columns(table: dict[str, list[Mark]], width: int) -> Text:
    """Sets rows of cells under one another, and breaks them where the page ends.

    Args:
      table: rows of equally many cells, by their label.
      width: of the page, in characters.

    Returns:
      Lines, each of them at its own place.
    """
    margin = max(map(len, table)) + 4
    widths = [
        max(cell_len(text) for text, _ in marks) for marks in zip(*table.values(), strict=True)
    ]
    lines, first = [], 0
    while first < len(widths):
        after, used = first, margin
        while after < len(widths) and (after == first or used + widths[after] < width):
            used += widths[after] + 1
            after += 1
        for label, row in table.items():
            if not any(text for text, _ in row[first:after]):
                continue
            line = Text(f"  {label:{margin - 2}}")
            for (text, style), wide in zip(row[first:after], widths[first:after], strict=True):
                line.append(set_cell_size(text, wide), style).append(" ")
            line.rstrip()
            lines.append(line)
        first = after
    return Text("\n").join(lines)


def sight(seen: Sight) -> list[str]:
    """Draws who sees whom: who asks is a line, who is asked a column.

    Example, a causal segment of three positions, then padding:
      ■ · · ·
      ■ ■ · ·
      ■ ■ ■ ·
      · · · ·

    Args:
      seen: who sees whom.

    Returns:
      Lines; of a long row, each cell is several positions: ■ all see all, ▒ some, · none.
    """
    asked_M = np.arange(seen.memory)
    is_seen_LM = (seen.start_L[:, None] <= asked_M) & (asked_M < seen.end_L[:, None])
    step, lines = _step(seen), []
    for down in range(0, len(seen.start_L), step):
        blocks = [
            is_seen_LM[down : down + step, across : across + step]
            for across in range(0, seen.memory, step)
        ]
        lines.append(" ".join("■" if b.all() else "▒" if b.any() else "·" for b in blocks))
    return lines


def _step(seen: Sight) -> int:
    """Positions of a cell, across and down."""
    return -(-max(len(seen.start_L), seen.memory) // CELLS)


def tabulated(found: list[Statistics], width: int = 100) -> list[Table]:
    """Sets statistics in tables, a column for each task.

    Args:
      found: one or more.
      width: of the terminal, in characters.

    Returns:
      What rich prints: as many tables as there have to be for each to fit.
    """
    lines, tables = table(found), []
    widest = max(len(value) for values in lines.values() for value in values)
    room = (width - max(map(len, lines)) - GAP) // (max(widest, HEADING) + GAP)
    for first in range(0, len(found), max(1, room)):
        chosen = slice(first, first + max(1, room))
        drawn = Table("statistics", box=None, padding=(0, GAP, 0, 0), pad_edge=False)
        for one in found[chosen]:
            # A name beside others is broken where a word of it ends.
            heading = textwrap.wrap(one.name.replace("_", "_ "), HEADING if found[1:] else width)
            drawn.add_column(Text("\n".join(heading).replace("_ ", "_")), justify="right")
        for label, values in lines.items():
            drawn.add_row(label, *values[chosen])
        tables.append(drawn)
    return tables


def _predicted(one: Position) -> Mark:
    if not one.weight:
        return one.predicts.text, FAINT
    return one.predicts.text, STYLES[one.predicts.kind] or LEARNT


def _weight(weight: float) -> Mark:
    if weight == 0:
        return "", ""
    return ("^" if weight == 1 else f"{weight:.2g}"), LEARNT
