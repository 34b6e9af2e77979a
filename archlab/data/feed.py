"""The feeding process: runs a SeqIO task and hands its examples over, window by window.

`python -m archlab.data.feed` reads one line of JSON, and writes lines of JSON for as long as they
are read: what it found; then, for each window, how many examples, input and target tokens it has,
with what `windows` yields behind it, in the order of its bytes. What is wrong with the task is said
by such a line too: what else a process prints, its threads print whenever they like. It ends when
what it reads its request from is closed, so that none is left behind.
"""

import contextlib
import itertools
import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from archlab.data import jobs, roads
from archlab.data.row import Row
from archlab.data.streamed import WINDOW

PROBE = 64  # examples that are read twice, to see whether they are the same


def windows(examples: Iterable[dict]) -> Iterator[list[np.ndarray]]:
    """Gathers examples.

    Args:
      examples: of a SeqIO task: "targets", and "inputs" and "targets_weights" where there are any.

    Yields:
      int64 lengths of the inputs and of the targets, int32 inputs and targets of all, float32
      weights of the targets; each target counts as 1 unless its example says.

    Raises:
      ValueError: an example has fewer weights than targets.
    """
    examples = iter(examples)
    while some := list(itertools.islice(examples, WINDOW)):
        inputs = [np.asarray(one.get("inputs", ()), np.int32) for one in some]
        targets = [np.asarray(one["targets"], np.int32) for one in some]
        weights = [_weights(one, len(ids)) for one, ids in zip(some, targets, strict=True)]
        many = [np.asarray([len(one) for one in side], np.int64) for side in (inputs, targets)]
        yield [*many, *(np.concatenate(side) for side in (inputs, targets, weights))]


def _weights(example: dict, targets: int) -> np.ndarray:
    """SeqIO cuts targets that are longer than a row, and leaves their weights as they are."""
    weights = np.asarray(example.get("targets_weights", np.ones(targets)), np.float32)[:targets]
    if len(weights) < targets:
        raise ValueError(f"an example has {targets} targets and {len(weights)} weights of them")
    return weights


def feed(request: dict, out: BinaryIO) -> None:
    """Runs a task for as long as its examples are read.

    Args:
      request: "task", "split", "row", "seed", and what `jobs.register` takes.
      out: takes what was found, and then the arrays.

    Raises:
      ValueError: the task has no examples.
    """
    jobs.register(request)
    row = Row(**request["row"])

    def begun(epochs: int | None) -> Iterator[dict]:
        return roads.stream(request["task"], request["split"], row, request["seed"], epochs)

    one, other = (list(itertools.islice(begun(1), PROBE)) for _ in range(2))
    if not one:
        raise ValueError(f"it has no examples of {request['split']}")
    is_repeatable = len(one) == len(other) and all(map(_is_same, one, other))
    _say(out, is_repeatable=is_repeatable)
    for arrays in windows(begun(None)):
        examples, inputs, targets = (len(arrays[number]) for number in (0, 2, 3))
        _say(out, arrays, examples=examples, inputs=inputs, targets=targets)


def _say(out: BinaryIO, arrays: Iterable[np.ndarray] = (), **facts) -> None:
    """A line of JSON, and the arrays that it announces."""
    out.write((json.dumps(facts) + "\n").encode())
    for array in arrays:
        out.write(array.astype(array.dtype.newbyteorder("<")).tobytes())
    out.flush()


def _is_same(one: dict, other: dict) -> bool:
    return {*one} == {*other} and all(np.array_equal(one[name], other[name]) for name in one)


def _end_with(source: int) -> None:
    """Ends this process when whoever holds the other end of its input is gone."""
    while os.read(source, 4096):
        pass
    os._exit(0)


def main() -> int:
    """Reads the request and feeds.

    Returns:
      The exit status.
    """
    # What steps and modules print goes to standard error; only this file writes to the reader.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    try:
        feed(request, out)
    except BrokenPipeError:  # whoever read has enough
        return 0
    except Exception as error:  # whatever a task's steps raise is the user's to mend
        with contextlib.suppress(BrokenPipeError):
            _say(out, wrong=failure(error))
        return 2
    return 0


def failure(error: Exception) -> str:
    """Says what a task's own code raised, without TensorFlow's account of where.

    Args:
      error: that it raised.

    Returns:
      One line; with the kind of the error, unless it is the one that is for users.
    """
    lines = re.sub(r"\{\{.*?\}\}", "", str(error)).strip().splitlines()
    return (
        lines[0].strip()
        if lines and isinstance(error, ValueError)
        else (f"{type(error).__name__}: {lines[0].strip() if lines else ''}")
    )


if __name__ == "__main__":
    os._exit(main())  # without TensorFlow's last words
