"""The pipeline: row numbers to batches. Its whole state is one integer.

Which text makes up row n of a stage, and what is hidden of it, follows from (seed, stage, n)
(`order.py`), so a run resumes by counting on.
"""

import queue
import threading
import time
from collections.abc import Iterator

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


class Prefetch:
    """Batches made ahead, in a thread of their own.

    Args:
      rows: of the stage.
      first: number of the first row.
      at_once: rows of a batch.
      batches: how many there are.
      depth: how many are kept ready.
    """

    def __init__(self, rows: Rows, first: int, at_once: int, batches: int, depth: int = 2):
        self.waited = 0.0
        self._ready: queue.Queue = queue.Queue(depth)
        self._is_over = threading.Event()

        def fill():
            try:
                for number in range(batches):
                    if self._is_over.is_set():
                        return
                    self._put(rows.batch(first + number * at_once, at_once))
                self._put(None)
            except BaseException as error:
                self._put(error)

        self._thread = threading.Thread(target=fill, daemon=True)
        self._thread.start()

    def _put(self, item) -> None:
        while not self._is_over.is_set():
            try:
                return self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """Waits for the next batch, and counts how long in `waited`."""
        if self._is_over.is_set():
            raise StopIteration
        since = time.monotonic()
        item = self._ready.get()
        self.waited += time.monotonic() - since
        if item is not None and not isinstance(item, BaseException):
            return item
        self._is_over.set()  # whoever asks again does not wait for what never comes
        raise item or StopIteration

    def __enter__(self) -> "Prefetch":
        return self

    def __exit__(self, *_) -> None:
        self._is_over.set()
        self._thread.join()


def prefetch(rows: Rows, first: int, at_once: int, batches: int) -> Prefetch:
    """Makes batches ahead of their use.

    Args:
      rows: of the stage.
      first: number of the first row.
      at_once: rows of a batch.
      batches: how many there are.

    Returns:
      An iterator, and a context that stops it.
    """
    return Prefetch(rows, first, at_once, batches)
