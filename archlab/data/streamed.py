"""Streamed examples: a SeqIO task whose last steps are arbitrary tf.data, read as it goes.

Another process (`archlab.data.feed`) runs the task and hands its examples over; here they are
packed, window by window. The stream has no numbers, so a row is found by reading from the beginning
up to it: resuming is exact where the task's own draws are seeded, and takes time. The first rows
are kept, for whoever asks for them again, as validation does.
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

import numpy as np

from archlab.data import bins
from archlab.data.chance import hashed
from archlab.data.examples import Examples
from archlab.data.order import shuffled
from archlab.data.readers import check_in_place
from archlab.data.recipes import quiet
from archlab.data.row import ENCODER, Row

WINDOW = 1024  # examples that are packed together
KEPT = 256  # of the first rows, that are kept
LAST = 400  # characters of what a process said last


class Streamed:
    """The rows of one streamed task.

    Args:
      request: what the process is to run: "task", "split", "modules" and the fields of `Data`.
      key: of the order: seed, stage and number of the task.
      row: to fill.
      size: of the vocabulary, which no id reaches.
    """

    def __init__(self, request: dict, key: tuple[int | str, ...], row: Row, size: int):
        own = {"row": dataclasses.asdict(row), "seed": hashed("stream", *key) % 2**31}
        self._request, self._key, self._row, self._size = {**request, **own}, key, row, size
        self._process: subprocess.Popen | None = None
        self._kept: list[Examples] = []

    def examples(self, rank_B: np.ndarray) -> Examples:
        """Makes the examples of rows.

        Args:
          rank_B: which of the task's rows, in order. What lies between them is read too; rows
            before those of the last call are read from the beginning up to them.

        Returns:
          The examples.

        Raises:
          ValueError: the process says what is wrong with the task.
        """
        found = [self._find(rank) for rank in rank_B.tolist()]
        sides = zip(*(one.sides for one in found), strict=True)
        return Examples(
            np.repeat(np.arange(len(found)), [len(one.row_S) for one in found]),
            np.concatenate([one.given_S for one in found]),
            np.concatenate([one.learnt_S for one in found]),
            sides=tuple(np.concatenate(side) for side in sides),
            weights_L=np.concatenate([one.weights_L for one in found]),
            is_in_place=self._row.kind == ENCODER,
        )

    def epochs(self, rows: int) -> float:
        """Says how often the task's text was read.

        Args:
          rows: of the task, so far.

        Returns:
          NaN: a stream does not know its end.
        """
        return float("nan")

    @property
    def is_repeatable(self) -> bool:
        """Whether another reading gives the same examples."""
        if self._process is None:
            self._begin()
        return self._facts["is_repeatable"]

    def oddities(self) -> list[str]:
        """Says what is odd about the task.

        Returns:
          Warnings, in words.
        """
        said = ["is streamed through tf.data: slower, and resuming reads again what was read"]
        if not self.is_repeatable:
            said.append("draws without a seed: a resumed run will read other examples")
        return said

    def close(self) -> None:
        """Stops the process."""
        if self._process is not None:
            self._stop()
            self._process = None

    def _begin(self) -> None:
        self.close()
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "archlab.data.feed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=quiet(),
        )
        # However this one ends, or is forgotten.
        self._stop = weakref.finalize(self, _stop, self._process, self._errors)
        self._process.stdin.write((json.dumps(self._request) + "\n").encode())
        self._process.stdin.flush()
        self._facts = self._read()
        self._next, self._rows = 0, self._packed()

    def _find(self, rank: int) -> Examples:
        """One row, from memory, or by reading on up to it."""
        if rank < len(self._kept):
            return self._kept[rank]
        if self._process is None or rank < self._next:
            self._begin()
        while True:
            row, number = next(self._rows), self._next
            self._next += 1
            if number == len(self._kept) < KEPT:
                self._kept.append(row)
            if number == rank:
                return row

    def _packed(self) -> Iterator[Examples]:
        """The rows of one window after another."""
        number = 0
        while True:
            given_S, learnt_S, inputs_M, targets_L, weights_L = self._window()
            packed = bins.fill(given_S, learnt_S, self._row, WINDOW)
            left, right = np.cumsum([0, *given_S]), np.cumsum([0, *learnt_S])
            key = hashed("window", *self._key, number)
            for row in shuffled(np.arange(packed.rows), packed.rows, key)[:, None]:
                chosen, _ = packed.of(row)
                given = [slice(left[one], left[one + 1]) for one in chosen]
                learnt = [slice(right[one], right[one + 1]) for one in chosen]
                inputs, targets, weights = (
                    np.concatenate([flat[one] for one in places])
                    for flat, places in (
                        (inputs_M, given),
                        (targets_L, learnt),
                        (weights_L, learnt),
                    )
                )
                yield Examples(
                    np.zeros(len(chosen), np.int64),
                    given_S[chosen],
                    learnt_S[chosen],
                    sides=(inputs, targets),
                    weights_L=weights,
                )
            number += 1

    def _window(self) -> list[np.ndarray]:
        """Lengths, tokens and weights of the next examples, all of them fit for the row."""
        said = self._read()
        many, given, learnt = said["examples"], said["inputs"], said["targets"]
        kinds = ((many, "<i8"), (many, "<i8"), (given, "<i4"), (learnt, "<i4"), (learnt, "<f4"))
        given_S, learnt_S, *flat = (self._array(count, kind) for count, kind in kinds)
        for ids in flat[:2]:
            if len(ids) and (ids.min() < 0 or ids.max() >= self._size):
                raise ValueError(
                    f"{self._request['task']}: its ids go from {ids.min()} to {ids.max()}, and the "
                    f"vocabulary from 0 to {self._size - 1}"
                )
        if self._row.kind == ENCODER:
            check_in_place(given_S, learnt_S)
        return [given_S, learnt_S, *flat]

    def _read(self) -> dict:
        """The next line of the process."""
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {"wrong": self._last()}
        if "wrong" in said:
            self.close()
            raise ValueError(f"{self._request['task']}: {said['wrong'][-LAST:]}")
        return said

    def _array(self, count: int, kind: str) -> np.ndarray:
        raw = self._process.stdout.read(count * np.dtype(kind).itemsize)
        if len(raw) < count * np.dtype(kind).itemsize:
            raise ValueError(f"{self._request['task']}: {self._last()}")
        return np.frombuffer(raw, kind)

    def _last(self) -> str:
        """What a process said last that ended without a word for us."""
        status = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        self.close()
        return said[-1][-LAST:] if said else f"the stream has ended, with status {status}"


def _stop(process: subprocess.Popen, errors: IO[bytes]) -> None:
    process.kill()
    process.communicate()
    errors.close()
