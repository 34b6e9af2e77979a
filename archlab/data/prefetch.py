"""Batches made ahead of their use, in a thread of their own, and how long they were waited for."""

import queue
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from archlab.batch import Batch

LONG = 10.0  # seconds that leaving waits for a batch in hand; a stream may be reading for hours


class Numbered(Protocol):
    """What can make any rows of a stage, given their numbers."""

    def batch(self, first: int, rows: int) -> Batch:
        """Args: first: number of a row, rows: how many. Returns: NumPy arrays."""


class Prefetch:
    """Batches made ahead, in a thread of their own.

    Args:
      rows: makes them.
      first: number of the first row.
      at_once: rows of a batch.
      batches: how many there are.
      depth: how many are kept ready.
    """

    def __init__(self, rows: Numbered, first: int, at_once: int, batches: int, depth: int = 2):
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
        self._thread.join(LONG)
