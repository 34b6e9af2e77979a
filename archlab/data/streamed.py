"""Streamed examples: a SeqIO task whose last steps are arbitrary tf.data, read as it goes.

Another process (`archlab.data.feed`) runs the task and hands its examples over; here they are
packed, window by window. The stream has no numbers, so a row is found by reading from the beginning
up to it: resuming is exact where the task's own draws are seeded, and takes time.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import numpy as np

from archlab.data import bins
from archlab.data.chance import hashed
from archlab.data.examples import Examples
from archlab.data.order import shuffled
from archlab.data.recipes import quiet
from archlab.data.row import Row

WINDOW = 1024  # examples that are packed together
ENDED = "the stream has ended"


class Streamed:
    """The rows of one streamed task.

    Args:
      request: what the process is to run: "task", "split", "modules" and the fields of `Data`.
      key: of the order: seed, stage and number of the task.
      row: to fill.
    """

    def __init__(self, request: dict, key: tuple[int | str, ...], row: Row):
        self._request = {
            **request,
            "lengths": {"inputs": row.inputs, "targets": row.targets},
            "seed": hashed("stream", *key) % 2**31,
        }
        self._key, self._row = key, row
        self._process: subprocess.Popen | None = None
        self._next, self._rows = 0, iter(())
        self._facts: dict = {}

    def examples(self, rank_B: np.ndarray) -> Examples:
        """Makes the examples of consecutive rows.

        Args:
          rank_B: which of the task's rows, each one more than the one before. Rows after those of
            the last call are there at once; others are read from the beginning up to them.

        Returns:
          The examples.

        Raises:
          ValueError: the process says what is wrong with the task.
        """
        if rank_B[0] < self._next or self._process is None:
            self._begin()
        while self._next < rank_B[0]:
            self._take()
        found = [self._take() for _ in rank_B]
        row_S = np.repeat(np.arange(len(found)), [len(one.row_S) for one in found])

        def joined(name: str) -> np.ndarray:
            return np.concatenate([getattr(one, name) for one in found])

        sides = tuple(
            np.concatenate(side) for side in zip(*(one.sides for one in found), strict=True)
        )
        return Examples(
            row_S,
            joined("given_S"),
            joined("learnt_S"),
            sides=sides,
            weights_L=joined("weights_L"),
        )

    def epochs(self, rows: int) -> float:
        """Says how often the task's text was read.

        Args:
          rows: of the task, so far.

        Returns:
          NaN: a stream does not know its end.
        """
        return float("nan")

    def oddities(self) -> list[str]:
        """Says what is odd about the task.

        Returns:
          Warnings, in words.
        """
        self._begin()
        said = ["is streamed through tf.data: slower, and resuming reads again what was read"]
        if not self._facts["is_repeatable"]:
            said.append("draws without a seed: a resumed run will read other examples")
        return said

    def close(self) -> None:
        """Stops the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._errors.close()
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
        self._process.stdin.write((json.dumps(self._request) + "\n").encode())
        self._process.stdin.flush()
        self._facts = json.loads(self._process.stdout.readline() or "{}")
        if "error" in self._facts or not self._facts:
            self.close()
            raise ValueError(self._facts.get("error", f"{self._request['task']}: {ENDED}"))
        self._next, self._rows = 0, self._packed()

    def _take(self) -> Examples:
        self._next += 1
        return next(self._rows)

    def _packed(self) -> Iterator[Examples]:
        """The rows of one window after another."""
        number = 0
        while True:
            given_S, learnt_S, inputs_M, targets_L, weights_L = self._window()
            packed = bins.fill(given_S, learnt_S, self._row, WINDOW)
            left, right = np.cumsum([0, *given_S]), np.cumsum([0, *learnt_S])
            key = hashed("window", *self._key, number)
            for at in range(packed.rows):
                row = shuffled(at, packed.rows, key)
                chosen_S, _ = packed.of(np.asarray([row]))
                inputs = [inputs_M[left[one] : left[one + 1]] for one in chosen_S]
                learnt = [slice(right[one], right[one + 1]) for one in chosen_S]
                yield Examples(
                    np.zeros(len(chosen_S), np.int64),
                    given_S[chosen_S],
                    learnt_S[chosen_S],
                    sides=(
                        np.concatenate(inputs),
                        np.concatenate([targets_L[one] for one in learnt]),
                    ),
                    weights_L=np.concatenate([weights_L[one] for one in learnt]),
                )
            number += 1

    def _window(self) -> list[np.ndarray]:
        (many, given, learnt) = self._array(3, "<i8")
        kinds = ((many, "<i8"), (many, "<i8"), (given, "<i4"), (learnt, "<i4"), (learnt, "<f4"))
        return [self._array(int(count), kind) for count, kind in kinds]

    def _array(self, count: int, kind: str) -> np.ndarray:
        raw = self._process.stdout.read(count * np.dtype(kind).itemsize)
        if len(raw) < count * np.dtype(kind).itemsize:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines() or [ENDED]
            raise ValueError(f"{self._request['task']}: {said[-1]}")
        return np.frombuffer(raw, kind)
