"""The pipeline: row numbers to batches. Its whole state is one integer.

Which text makes up row n of a stage, and what is hidden of it, follows from (seed, stage, n)
(`order.py`), so a run resumes by counting on. All rows of a batch are made together.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from archlab.batch import Batch, Stream
from archlab.data import memory
from archlab.data.examples import Examples, joined
from archlab.data.options import EXAMPLES, STREAMING
from archlab.data.order import Chunks, Order
from archlab.data.packing import pack
from archlab.data.readers import Reader, Stored, Whole, Windows
from archlab.data.recipes import Recipe
from archlab.data.row import DECODER, PAIR, Row
from archlab.data.store import Store
from archlab.data.streamed import Streamed

LOOSE = 0.99  # rows that are filled less than this are worth a word
SAMPLE = 16  # rows, whose mean stands for all rows of a task


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
      unit: what the mixture's rates count: "rows", "tokens" (of text or examples) or "loss_tokens".
      documents: "joined" cuts rows from documents that stand one after another; "whole" fills rows
        with documents that are not cut unless they are longer than a row.
      own: which of so many rows are made, by their numbers, in order; all of them unless given.

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
        documents: str = "joined",
        own: Callable[[int], np.ndarray] = np.arange,
    ):
        if not recipe.has(split):
            raise ValueError(f"{recipe.mixture} has no {split} text")
        memory.keep()
        self.row, self._own = Row(inputs, targets, kind), own
        self.vocabulary, self.objectives = recipe.vocabulary, recipe.objectives
        self._key = (seed, stage) if split == "train" else (split, split)
        self._readers = self._reading(recipe, split, documents, recipe.rates)
        try:
            rates = self._rates(recipe.rates, unit)
            if unit != "rows":  # a text is shared out by how many rows its tasks have
                self.close()
                self._readers = self._reading(recipe, split, documents, rates)
            self.rates, self._order = tuple(rates), Order(tuple(rates))
            self.warnings, scored = [], []
            for name, reader in zip(self.objectives, self._readers, strict=True):
                sample = reader.examples(np.arange(SAMPLE))
                scored.append(sample.scored / SAMPLE)
                said = (*reader.oddities(), *self._looseness(sample))
                self.warnings += [f"{name}: {one}" for one in said]
            self.scored = float(np.average(scored, weights=rates))
        except BaseException:
            self.close()
            raise

    @property
    def is_repeatable(self) -> bool:
        """Whether every process that reads these rows reads the same."""
        return all(one.is_repeatable for one in self._readers if isinstance(one, Streamed))

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
        for task in sorted({*task_B.tolist()}):
            at = np.flatnonzero(task_B == task)
            made.append((task, at, self._readers[task].examples(rank_B[at])))
        return made

    def batch(self, first: int, rows: int) -> Batch:
        """Makes rows, those that are this process's own.

        Args:
          first: number of the first, from 0.
          rows: how many, of all processes.

        Returns:
          NumPy arrays.
        """
        own = self._own(rows)
        # Chance is of consecutive rows.
        edges = [0, *(np.flatnonzero(np.diff(own) != 1) + 1).tolist(), len(own)]
        runs = [*itertools.pairwise(edges)]
        made = [self._batch(first + int(own[low]), high - low) for low, high in runs]
        return made[0] if len(made) == 1 else _joined(made, [np.arange(*run) for run in runs])

    def firsts(self, rows: int) -> Iterator[Batch]:
        """Makes the first row of each task, whichever process it is of, and no other row.

        Args:
          rows: of the stage; tasks that have none of them are left out.

        Yields:
          NumPy arrays, of one row.
        """
        for number in self._order.firsts():
            if number < rows:
                yield self._batch(number, 1)

    def _batch(self, first: int, rows: int) -> Batch:
        parts = self.examples(first, rows)
        groups = [[part for part in parts if part[2].is_in_place == how] for how in (False, True)]
        if not all(groups):
            return self._packed(parts)
        made, places = [], []
        for group in groups:
            places.append(row_B := np.sort(np.concatenate([at for _, at, _ in group])))
            own = [(task, np.searchsorted(row_B, at), examples) for task, at, examples in group]
            made.append(self._packed(own))
        return _joined(made, places)

    def _packed(self, parts: list[tuple[int, np.ndarray, Examples]]) -> Batch:
        """Packs the examples of all rows, which are all in place, or none."""
        objective_B = np.empty(sum(len(at) for _, at, _ in parts), np.int32)
        for task, at, _ in parts:
            objective_B[at] = task
        examples = parts[0][2]
        if len(parts) > 1:
            is_one_text = self.row.kind == DECODER and not examples.is_in_place
            examples = joined([part[1:] for part in parts], is_one_text)
        return pack(examples, objective_B, self.row, self.vocabulary.start)

    def epochs(self, rows: int) -> dict[str, float]:
        """Says how often each task's text was read.

        Args:
          rows: of the stage, so far.

        Returns:
          Epochs, by task.
        """
        found = zip(self.objectives, self._readers, self._order.many(rows), strict=True)
        return {name: reader.epochs(many) for name, reader, many in found}

    def close(self) -> None:
        """Stops what streams."""
        for reader in self._readers:
            if isinstance(reader, Streamed):
                reader.close()

    def _reading(
        self, recipe: Recipe, split: str, documents: str, rates: list[float]
    ) -> list[Reader]:
        """What reads each task; tasks over one text share it out among themselves."""
        assert documents in ("joined", "whole")
        stores, tasks = recipe.stores(split), recipe.content["tasks"]
        readers: dict[int, Reader] = {}
        texts: dict[str, list[int]] = {}
        for number, (task, store) in enumerate(zip(tasks, stores, strict=True)):
            key = (*self._key, number)
            if task["road"] == STREAMING:
                request = {**recipe.content["request"], "task": task["name"], "split": split}
                readers[number] = Streamed(request, key, self.row, self.vocabulary.size)
            elif task["road"] == EXAMPLES:
                readers[number] = Stored(store, key, self.row, self.vocabulary.end)
            elif documents == "whole":
                objective = recipe.objective(number)
                objective.check(task["name"], self.row, self.vocabulary)
                if not objective.takes_pieces(self.row):
                    raise ValueError(
                        f"{task['name']} takes text of a fixed length in such rows; "
                        "documents='joined' gives it that"
                    )
                readers[number] = Whole(store, objective, key, self.row, self.vocabulary)
            else:
                texts.setdefault(str(store.path), []).append(number)
        for text, numbers in enumerate(texts.values()):
            own = tuple(rates[number] for number in numbers)
            readers |= self._windows(recipe, stores[numbers[0]], numbers, text, own)
        return [readers[number] for number in range(len(tasks))]

    def _windows(
        self, recipe: Recipe, store: Store, numbers: list[int], text: int, rates: tuple[float, ...]
    ) -> dict[int, Reader]:
        how = [recipe.objective(number) for number in numbers]
        for number, objective in zip(numbers, how, strict=True):
            objective.check(recipe.objectives[number], self.row, self.vocabulary)
        raw = tuple(objective.raw(self.row, self.vocabulary) for objective in how)
        chunks = Chunks((*self._key, text), store.tokens, raw, rates)
        return {
            number: Windows(
                store, chunks, place, objective, (*self._key, number), self.row, self.vocabulary
            )
            for place, (number, objective) in enumerate(zip(numbers, how, strict=True))
        }

    def _rates(self, rates: list[float], unit: str) -> list[float]:
        """How many rows of each task there are, for rates in another unit."""
        assert unit in ("rows", "tokens", "loss_tokens")
        if unit == "rows" or len(rates) == 1:
            return rates
        counted = (reader.examples(np.arange(SAMPLE)) for reader in self._readers)
        if unit == "tokens":
            many = [examples.tokens for examples in counted]
        else:
            many = [examples.loss_tokens for examples in counted]
        for name, one in zip(self.objectives, many, strict=True):
            if not one:
                raise ValueError(f"the first {SAMPLE} rows of {name} hold no {unit} to count")
        return [SAMPLE * rate / one for rate, one in zip(rates, many, strict=True)]

    def _looseness(self, sample: Examples) -> list[str]:
        share = sample.tokens / (SAMPLE * self.row.total)
        if share >= LOOSE:
            return []
        said = f"fills {share:.0%} of its rows"
        if self.row.kind == PAIR:
            sides = ((self.row.inputs, sample.given_S), (self.row.targets, sample.learnt_S))
            held = (np.bincount(sample.row_S, side_S, SAMPLE).max() for _, side_S in sides)
            used = [f"{many:.0f} of {room}" for many, (room, _) in zip(held, sides, strict=True)]
            said += f", at most {used[0]} inputs and {used[1]} targets"
        return [said]


def _joined(parts: list, places: list[np.ndarray]):
    """Rows of several batches as one, each batch's in its places."""
    order_B = np.argsort(np.concatenate(places))

    def join(*found):
        if isinstance(found[0], Batch | Stream):
            fields = [field.name for field in dataclasses.fields(found[0])]
            return type(found[0])(
                *(join(*(getattr(one, name) for one in found)) for name in fields)
            )
        if found[0] is None:
            return None
        return (found[0] if len(found) == 1 else np.concatenate(found)).take(order_B, axis=0)

    return join(*parts)
