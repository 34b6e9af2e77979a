"""Documents: what a task reads and does before its cache placeholder, document by document.

A task whose last step there is `tasks.Encode` is read as text, and encoded here, without
TensorFlow; so whoever passes documents over pays for reading them only. Of any other task the steps
are SeqIO's own.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping

import numpy as np
import seqio

from archlab.data import tasks
from archlab.data.vocabulary import Vocabulary

PRETOKENIZED = "targets_pretokenized"  # SeqIO's name for the text that it keeps


@dataclasses.dataclass(frozen=True)
class Documents:
    """The documents of one split of a task.

    Args:
      task: as registered with SeqIO.
      source: its name, without an objective.
      split: of its source.
      vocabulary: of its ids.
    """

    task: seqio.Task
    source: str
    split: str
    vocabulary: Vocabulary

    def parts(self, wanted: int | None) -> int:
        """Says in how many parts the source can be read.

        Args:
          wanted: parts; None is one.

        Returns:
          As many, or one where its files are fewer.
        """
        return wanted if wanted and len(self.task.source.list_shards(self.split)) >= wanted else 1

    def known(self) -> int | None:
        """Says how many documents the source has, where it knows without reading them."""
        return self.task.source.num_input_examples(self.split)

    def count(self) -> int:
        """Counts the documents, by reading them."""
        return sum(1 for _ in self.read())

    def read(self, part: int = 0, parts: int = 1) -> Iterator[bytes | Mapping]:
        """Reads documents, always in the same order.

        Args:
          part: of the source, from 0.
          parts: in all.

        Yields:
          Each as `encode` takes it.
        """
        shard = seqio.ShardInfo(part, parts) if parts > 1 else None
        dataset = self.task.source.get_dataset(split=self.split, shuffle=False, shard_info=shard)
        dataset = self._before.preprocess_precache(dataset, seed=0)
        for example in dataset.as_numpy_iterator():
            if self._is_text and isinstance(example, Mapping):
                yield example[tasks.TEXT]
            else:
                yield example

    def encode(self, document: bytes | Mapping) -> tuple[np.ndarray, int]:
        """Turns a document into ids.

        Args:
          document: from `read`.

        Returns:
          int32 ids, without an end, and the bytes of its text in UTF-8.

        Raises:
          ValueError: it has no ids, or they are no list.
        """
        if self._is_text:
            text = document.decode("utf-8", "replace")
            return np.asarray(self.vocabulary.encode(text), np.int32), len(text.encode())
        ids = document.get(tasks.IDS) if isinstance(document, Mapping) else None
        if not isinstance(ids, np.ndarray) or ids.ndim != 1:
            raise ValueError(
                f"task {self.task.name!r} has no list of ids called {tasks.IDS!r} before its cache "
                "placeholder"
            )
        if len(ids) and ids[-1] == self.vocabulary.end:
            ids = ids[:-1]
        if PRETOKENIZED in document:
            return ids, len(document[PRETOKENIZED])
        return ids, len(self.vocabulary.decode(ids).encode())

    def counts(self) -> dict[str, int]:
        """Says what the latest reading found, where archlab reads the source itself."""
        return dict(getattr(self.task.source, "counts", {}))

    @functools.cached_property
    def _steps(self) -> list:
        steps = [*self.task.preprocessors]
        kinds = [isinstance(step, seqio.CacheDatasetPlaceholder) for step in steps]
        return steps[: kinds.index(True)]

    @property
    def _is_text(self) -> bool:
        return bool(self._steps) and isinstance(self._steps[-1], tasks.Encode)

    @functools.cached_property
    def _before(self) -> seqio.Task:
        """The task, without what is done here."""
        steps = self._steps[:-1] if self._is_text else self._steps
        return seqio.Task(
            self.task.name,
            source=self.task.source,
            output_features=self.task.output_features,
            preprocessors=[*steps, seqio.CacheDatasetPlaceholder()],
        )


@dataclasses.dataclass(frozen=True)
class Made:
    """The examples of one split of a task, as SeqIO makes them.

    Args:
      task: as registered with SeqIO.
      source: its name.
      split: of its source.
      vocabulary: of its ids.
    """

    task: seqio.Task
    source: str
    split: str
    vocabulary: Vocabulary

    def parts(self, wanted: int | None) -> int:
        """Args: wanted: parts. Returns: one: steps may join what is in several files."""
        return 1

    def known(self) -> None:
        """Nothing: steps may make several examples of one, or none."""
        return None

    def count(self) -> int:
        """Counts the examples, by making them."""
        return sum(1 for _ in self.read())

    def read(self, part: int = 0, parts: int = 1) -> Iterator[Mapping]:
        """Makes the examples, always in the same order.

        Args:
          part: of the source; there is one.
          parts: in all.

        Yields:
          Each as `encode` takes it.

        Raises:
          ValueError: a step asks how long rows are, which is not known yet.
        """
        try:
            dataset = self.task.get_dataset(split=self.split, shuffle=False, seed=0, num_epochs=1)
        except TypeError as error:  # what `None` is when it is taken for lengths
            reason = str(error).strip().splitlines()[-1].strip()
            raise ValueError(
                f"task {self.task.name!r} cannot make examples before the lengths of rows are "
                f"known ({reason}); Data.road='streaming' reads it as it goes"
            ) from error
        yield from dataset.as_numpy_iterator()

    def encode(self, document: Mapping) -> tuple[np.ndarray, int]:
        """Joins the sides of an example.

        Args:
          document: from `read`.

        Returns:
          int32 inputs and targets, one after the other, and the tokens of the inputs.

        Raises:
          ValueError: targets count unequally, which is not kept.
        """
        if np.any(document.get(f"{tasks.IDS}_weights", 1) != 1):
            raise ValueError(
                f"task {self.task.name!r} weighs its targets; Data.road='streaming' reads it as it "
                "goes, with their weights"
            )
        is_given = "inputs" in document and "inputs" in self.task.output_features
        inputs = np.asarray(document["inputs"] if is_given else (), np.int32)
        return np.concatenate([inputs, document[tasks.IDS]], dtype=np.int32), len(inputs)

    def counts(self) -> dict[str, int]:
        """Says what the latest reading found, where archlab reads the source itself."""
        return dict(getattr(self.task.source, "counts", {}))
