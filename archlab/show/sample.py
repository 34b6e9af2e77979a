"""A sample of a task: its first rows, and what many of them hold; and a row of each objective."""

import contextlib
import dataclasses

import jax

from archlab.architecture import Architecture
from archlab.data.options import Data
from archlab.data.pipeline import Rows
from archlab.data.recipes import prepare
from archlab.show.examples import Example, cut
from archlab.show.row import Row, read
from archlab.show.statistics import Statistics, statistics


@dataclasses.dataclass(frozen=True)
class Sample:
    """A task's first rows.

    Args:
      task: its name.
      architecture: whose rows they are.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      rows: that are drawn.
      statistics: of many rows, for each task of the mixture and in total; none if none was counted.
      warnings: what is odd about the task, in words.
    """

    task: str
    architecture: str
    inputs: int
    targets: int
    rows: list[Row]
    statistics: list[Statistics]
    warnings: list[str]


def take(
    task: str,
    architecture: str = "prefix_decoder",
    inputs: int = 64,
    targets: int = 32,
    count: int = 1,
    counted: int = 256,
    data: Data = Data(),  # noqa: B008
    modules: tuple[str, ...] = (),
) -> Sample:
    """Takes the first rows that a model would train on.

    Args:
      task: name of a SeqIO task or mixture.
      architecture: whose rows they are; see `Architecture.name`.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      count: of rows that are drawn, 1 or more.
      counted: rows that the statistics are of; 0 for none.
      data: where the text is.
      modules: the user's own Python, which registers tasks.

    Returns:
      The sample.

    Raises:
      ValueError: no such task or architecture, or lengths that do not fit the objective.
    """
    chosen = Architecture(architecture)
    if count < 1 or targets < 1 or inputs < 0 or counted < 0:
        raise ValueError(
            f"count={count}, inputs={inputs}, targets={targets}, statistics={counted}; at least "
            "1 row is drawn, a row learns at least 1 token, and no number is negative"
        )
    preparation = prepare([task], data, modules)
    try:
        recipe = preparation.wait()[task]
    finally:
        preparation.close()
    with contextlib.closing(Rows(recipe, inputs, targets, chosen.kind, seed=0, stage=0)) as rows:
        words, names = rows.vocabulary, rows.objectives
        batch = rows.batch(0, max(count, counted))
    drawn = [read(batch, number, words, chosen, names) for number in range(count)]
    first = jax.tree.map(lambda array: array[:counted], batch)
    found = statistics(first, words, names) if counted else []
    return Sample(task, architecture, inputs, targets, drawn, found, rows.warnings)


def examples(
    rows: Rows, architecture: Architecture, stage: int, name: str, many: int
) -> list[Example]:
    """Takes the first row of each objective of a stage, and reads no other.

    Args:
      rows: of the stage.
      architecture: whose rows they are.
      stage: its number, from 0.
      name: what it is called.
      many: rows that it has.

    Returns:
      An example of each objective that has a row, in the order in which they come.
    """
    made = []
    for batch in rows.firsts(many):
        row = read(batch, 0, rows.vocabulary, architecture, rows.objectives)
        stacks = {own: cut(positions) for own, positions in row.stacks.items()}
        about = str(row).partition(": ")[2]
        made.append(Example(stage, name, row.objective, about, stacks))
    return made
