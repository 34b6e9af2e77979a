"""The pipeline: row numbers to batches. Its whole state is one integer.

Which text makes up row n of a stage, and what is hidden of it, follows from (seed, stage, n)
(`order.py`), so a run resumes by counting on.
"""

import numpy as np

from archlab.batch import Batch
from archlab.data import order
from archlab.data.objectives import Example
from archlab.data.packing import pack
from archlab.data.recipes import Recipe
from archlab.data.rows import OBJECTIVES, Row

LOOSE = 0.99  # a row that objectives fill less than this is worth a word


class Rows:
    """The rows of one stage, by number.

    Example:
      rows = Rows(recipe, inputs=512, targets=114, kind="encoder_decoder", seed=0, stage=0)
      rows.batch(0, 8)      # rows 0 to 7; the same whenever and wherever it is asked for

    Args:
      recipe: of the stage's mixture.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      kind: "decoder", "encoder_decoder" or "encoder".
      seed: of the run.
      stage: number of the stage.
      split: "train", or "validation", whose rows are the same for every seed and stage.

    Raises:
      ValueError: an objective does not fit the row, or a task has no such split.
    """

    def __init__(
        self,
        recipe: Recipe,
        inputs: int,
        targets: int,
        kind: str,
        seed: int,
        stage: int,
        split: str = "train",
    ):
        if not recipe.has(split):
            raise ValueError(f"{recipe.mixture} has no {split} text")
        self.row = Row(inputs, targets, kind)
        self.vocabulary, self.objectives = recipe.vocabulary, recipe.objectives
        tasks = recipe.content["tasks"]
        self._seeds = (seed, stage) if split == "train" else (split, split)
        self._order = order.Order(tuple(task["rate"] for task in tasks), *self._seeds)
        self._stores = recipe.stores(split)
        self._how = [OBJECTIVES[task["objective"]] for task in tasks]
        self.warnings = []
        for task, how in zip(tasks, self._how, strict=True):
            self.warnings += how.check(task["objective"], self.row, self.vocabulary)
        self._raw = [how.raw(self.row) for how in self._how]
        self.warnings += self._oddities()

    def examples(self, number: int) -> tuple[int, list[Example]]:
        """Makes one row's examples, not yet packed.

        Args:
          number: of the row in its stage, from 0.

        Returns:
          Number of its task, and its examples.
        """
        task, rank = self._order.place(number)
        text, raw = self._stores[task], self._raw[task]
        start = self._order.chunk(task, rank, self._chunks(task), raw)
        tokens, ends = text.chunk(start, raw)
        chance = order.noise(*self._seeds, task, rank)
        made = self._how[task].examples(tokens, ends, chance, self.row, self.vocabulary)
        return task, made

    def batch(self, first: int, rows: int) -> Batch:
        """Makes rows.

        Args:
          first: number of the first, from 0.
          rows: how many.

        Returns:
          NumPy arrays.
        """
        found = [self.examples(number) for number in range(first, first + rows)]
        objective_B = np.asarray([task for task, _ in found], np.int32)
        return pack([examples for _, examples in found], objective_B, self.row)

    def epochs(self, rows: int) -> dict[str, float]:
        """Says how often each task's text was read.

        Args:
          rows: of the stage, so far.

        Returns:
          Epochs, by task.
        """
        tasks = [self._order.place(number)[0] for number in range(min(rows, order.BLOCK))]
        shares = np.bincount(tasks, minlength=len(self._raw)) / max(1, len(tasks))
        return {
            name: float(shares[task] * rows / self._chunks(task))
            for task, name in enumerate(self.objectives)
        }

    def _chunks(self, task: int) -> int:
        return max(1, self._stores[task].tokens // self._raw[task])

    def _oddities(self) -> list[str]:
        said = []
        for task, name in enumerate(self.objectives):
            found = self._stores[task].manifest
            if found["tokens"] < self._raw[task]:
                said.append(
                    f"{name} has {found['tokens']} tokens, fewer than a row takes; it repeats"
                )
            odd = {key: many for key, many in found.get("counts", {}).items() if key != "kept"}
            odd["longer than a row and cut"] = self._stores[task].longer(self._raw[task])
            listed = [f"{many} {key.replace('_', ' ')}" for key, many in odd.items() if many]
            if listed:
                said.append(f"{name}: {found['documents']} documents, {', '.join(listed)}")
            row = pack([self.examples(0)[1]], np.zeros(1, np.int32), self.row)
            filled = [stream.end_BL > 0 for stream in (row.encoder, row.decoder) if stream]
            share = sum(map(np.sum, filled)) / self.row.total
            if len(self.objectives) == 1 and share < LOOSE:
                said.append(
                    f"{name} fills {share:.0%} of a row; its objective takes {self._raw[task]}"
                )
        return said
