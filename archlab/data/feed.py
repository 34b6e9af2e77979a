"""The feeding process: runs a SeqIO task and hands its examples over, window by window.

`python -m archlab.data.feed` reads one line of JSON, says in one line what it found, and then
writes arrays for as long as they are read: how many examples, input and target tokens there are,
and what `windows` yields, in the order of their bytes.
"""

import itertools
import json
import sys
from collections.abc import Iterator

import numpy as np

from archlab.data import jobs, roads
from archlab.data.streamed import WINDOW

PROBE = 64  # examples that are read twice, to see whether they are the same


def windows(examples: Iterator[dict], lengths: dict[str, int]) -> Iterator[list[np.ndarray]]:
    """Gathers examples.

    Args:
      examples: of a SeqIO task.
      lengths: tokens of "inputs" and "targets" at most; what is longer loses what is before its
        last token.

    Yields:
      int64 lengths of the inputs and of the targets, int32 inputs and targets of all, float32
      weights of the targets.
    """
    while some := list(itertools.islice(examples, WINDOW)):
        inputs = [_fit(one.get("inputs", ()), lengths["inputs"], np.int32) for one in some]
        targets = [_fit(one["targets"], lengths["targets"], np.int32) for one in some]
        weights = [
            _fit(
                one.get("targets_weights", np.ones(len(one["targets"]))),
                lengths["targets"],
                np.float32,
            )
            for one in some
        ]
        many = [np.asarray([len(one) for one in side], np.int64) for side in (inputs, targets)]
        yield [*many, *(np.concatenate(side) for side in (inputs, targets, weights))]


def _fit(values, most: int, kind: type) -> np.ndarray:
    values = np.asarray(values, kind)
    return values if len(values) <= most else np.append(values[: most - 1], values[-1:])[:most]


def main() -> int:
    """Reads the request and feeds.

    Returns:
      The exit status.
    """
    request = json.loads(sys.stdin.readline())
    out = sys.stdout.buffer
    try:
        jobs.register(request)

        def begun() -> Iterator[dict]:
            return roads.stream(
                request["task"], request["split"], request["lengths"], request["seed"]
            )

        probes = [list(itertools.islice(begun(), PROBE)) for _ in range(2)]
        is_repeatable = all(map(_same, *probes))
    except ValueError as error:
        out.write((json.dumps({"error": " ".join(str(error).split())}) + "\n").encode())
        return 2
    out.write((json.dumps({"is_repeatable": is_repeatable}) + "\n").encode())
    try:
        for arrays in windows(begun(), request["lengths"]):
            counts = np.asarray([len(arrays[0]), len(arrays[2]), len(arrays[3])], np.int64)
            for array in (counts, *arrays):
                out.write(array.astype(array.dtype.newbyteorder("<")).tobytes())
            out.flush()
    except BrokenPipeError:  # whoever read has enough
        return 0
    return 0


def _same(one: dict, other: dict) -> bool:
    return {*one} == {*other} and all(np.array_equal(one[name], other[name]) for name in one)


if __name__ == "__main__":
    sys.exit(main())
