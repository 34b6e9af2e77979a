"""The pipeline: row numbers to batches. Its whole state is one integer.

Which text makes up row n of a stage, and what is hidden of it, follows from (seed, stage, n)
(`order.py`), so a run resumes by counting on. All rows of a batch are made together.
"""

import dataclasses

import numpy as np

from archlab.batch import Batch, Stream
from archlab.data.chance import Chance
from archlab.data.examples import Examples, Text
from archlab.data.order import Chunks, Order
from archlab.data.packing import pack
from archlab.data.recipes import Recipe
from archlab.data.row import Row

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
      unit: what the mixture's rates count: "rows", "tokens" (of text) or "loss_tokens".

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
        unit: str = "rows",
    ):
        if not recipe.has(split):
            raise ValueError(f"{recipe.mixture} has no {split} text")
        self.row = Row(inputs, targets, kind)
        self.vocabulary, self.objectives = recipe.vocabulary, recipe.objectives
        self._seeds = (seed, stage) if split == "train" else (split, split)
        self._stores = recipe.stores(split)
        self._how = recipe.made_of
        self.warnings = []
        for name, how in zip(self.objectives, self._how, strict=True):
            self.warnings += how.check(name, self.row, self.vocabulary)
        self._raw = [how.raw(self.row, self.vocabulary) for how in self._how]
        self._chunks: list[tuple[Chunks, int]] = []
        self._share(recipe.rates)
        self._order = Order(self._rates(recipe.rates, unit))
        self.warnings += self._oddities()

    def examples(self, first: int, rows: int) -> list[tuple[int, np.ndarray, Examples]]:
        """Makes examples, not yet packed.

        Args:
          first: number of the first row in its stage, from 0.
          rows: how many.

        Returns:
          For each task that they are from its number, which of the rows are its, and their
          examples.
        """
        task_B, rank_B = self._order.places(first, rows)
        made = []
        for task in np.unique(task_B).tolist():
            at = np.flatnonzero(task_B == task)
            made.append((task, at, self._made(task, rank_B[at])))
        return made

    def _made(self, task: int, rank_B: np.ndarray) -> Examples:
        chunks, number = self._chunks[task]
        text = self._stores[task].windows(chunks.starts(number, rank_B), self._raw[task])
        tokens_BL, length_S = text
        row_S = np.repeat(np.arange(len(rank_B)), _pieces(length_S, self._raw[task]))
        chance = Chance((*self._seeds, task), int(rank_B[0]), len(rank_B))
        text = Text(tokens_BL.reshape(-1), length_S, row_S, len(rank_B))
        return self._how[task].examples(text, chance, self.row, self.vocabulary)

    def batch(self, first: int, rows: int) -> Batch:
        """Makes rows.

        Args:
          first: number of the first, from 0.
          rows: how many.

        Returns:
          NumPy arrays.
        """
        parts = []
        for task, at, examples in self.examples(first, rows):
            objective_B = np.full(len(at), task, np.int32)
            parts.append((at, pack(examples, objective_B, self.row, self.vocabulary.pad)))
        if len(parts) == 1:
            return parts[0][1]
        back = np.argsort(np.concatenate([at for at, _ in parts]))
        return _joined([part for _, part in parts], back)

    def epochs(self, rows: int) -> dict[str, float]:
        """Says how often each task's text was read.

        Args:
          rows: of the stage, so far.

        Returns:
          Epochs, by task.
        """
        found = zip(self.objectives, self._chunks, self._order.many(rows), strict=True)
        return {name: chunks.epochs(number, many) for name, (chunks, number), many in found}

    def _share(self, rates: list[float]) -> None:
        """Shares each text out among the tasks that read it."""
        texts: dict[object, list[int]] = {}
        for task, store in enumerate(self._stores):
            texts.setdefault(store.path, []).append(task)
        found = {}
        for number, tasks in enumerate(texts.values()):
            raw, rate = (tuple(of[task] for task in tasks) for of in (self._raw, rates))
            tokens = self._stores[tasks[0]].tokens
            chunks = Chunks((*self._seeds, number), tokens, raw, rate)
            found |= {task: (chunks, place) for place, task in enumerate(tasks)}
        self._chunks = [found[task] for task in range(len(self._stores))]

    def _rates(self, rates: list[float], unit: str) -> tuple[float, ...]:
        """How many rows of each task there are, for rates in another unit."""
        if unit == "rows" or len(rates) == 1:
            return tuple(rates)
        if unit == "tokens":
            return tuple(rate / raw for rate, raw in zip(rates, self._raw, strict=True))
        if unit != "loss_tokens":
            raise ValueError(f"unit={unit!r} is not one of rows, tokens, loss_tokens")
        learnt = []
        for task in range(len(rates)):
            examples = self._made(task, np.arange(SAMPLE))
            weights = examples.weights_L
            total = examples.learnt_S.sum() if weights is None else weights.sum()
            learnt.append(float(total) / SAMPLE)
        return tuple(rate / many for rate, many in zip(rates, learnt, strict=True))

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
            examples = self._made(task, np.arange(SAMPLE))
            sides = {"row": (examples.given_S + examples.learnt_S, self.row.total)}
            if examples.is_in_place:
                sides = {"row": (examples.given_S, self.row.total)}
            share = float(sides["row"][0].sum()) / (SAMPLE * self.row.total)
            if share < LOOSE:
                said.append(
                    f"{name} fills {share:.0%} of a row; its objective takes {self._raw[task]}"
                )
        return said


SAMPLE = 16  # rows, whose mean stands for all rows of a task


def _pieces(length_S: np.ndarray, raw: int) -> np.ndarray:
    """How many pieces each row of `raw` tokens has."""
    ends = np.cumsum(length_S)
    return np.diff(np.flatnonzero(ends % raw == 0) + 1, prepend=0)


def _joined(parts: list, back: np.ndarray):
    """Rows of several batches as one, in the order of `back`."""
    if parts[0] is None:
        return None
    if isinstance(parts[0], Batch | Stream):
        fields = [field.name for field in dataclasses.fields(parts[0])]
        return type(parts[0])(
            *(_joined([getattr(part, name) for part in parts], back) for name in fields)
        )
    return np.concatenate(parts)[back]
