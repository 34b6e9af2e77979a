"""A task on one page: its rows as aligned text, who sees whom, and what many rows hold."""

import itertools
from pathlib import Path

from archlab.show import template
from archlab.show.row import Sight
from archlab.show.sample import Sample
from archlab.show.statistics import table


def write(sample: Sample, path: Path) -> Path:
    """Writes a page about a sample.

    Args:
      sample: of a task.
      path: of the page; folders on the way to it are made.

    Returns:
      The path.

    Raises:
      ValueError: the path is a folder.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; --html names a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html(sample), encoding="utf-8")
    return path


def html(sample: Sample) -> str:
    """Writes the page.

    Args:
      sample: of a task.

    Returns:
      HTML that needs no other file and runs no script.
    """
    form = template.page(Path(__file__).parent, area=area, edges=edges, corners=corners)
    return form.render(
        sample=sample,
        columns=[one.name for one in sample.statistics],
        table=table(sample.statistics) if sample.statistics else {},
    )


def area(sight: Sight) -> str:
    """Outlines what is seen, one unit a position: who asks down, who is asked across.

    Example, a causal segment of two positions, then padding:
      M0 0h1v1h-1z M0 1h2v1h-2z

    Args:
      sight: who sees whom.

    Returns:
      The path of an svg element: one rectangle for positions that see the same.
    """
    drawn, top = [], 0
    intervals = zip(sight.start_L.tolist(), sight.end_L.tolist(), strict=True)
    for (start, end), same in itertools.groupby(intervals):
        tall = len(list(same))
        if start < end:
            drawn.append(f"M{start} {top}h{end - start}v{tall}h{start - end}z")
        top += tall
    return " ".join(drawn)


def edges(sight: Sight) -> str:
    """Outlines the segments of a stack that sees itself.

    Args:
      sight: who sees whom.

    Returns:
      The path of an svg element: a square for each segment.
    """
    return " ".join(f"M{start} {start}H{end}V{end}H{start}z" for start, _, end in sight.segments)


def corners(sight: Sight) -> str:
    """Marks where the inputs of segments end.

    Args:
      sight: who sees whom.

    Returns:
      The path of an svg element: for each segment that has inputs, the right and the lower edge of
      the square in which they see one another.
    """
    return " ".join(
        f"M{split} {start}V{split}H{start}" for start, split, _ in sight.segments if split > start
    )
