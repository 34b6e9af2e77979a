"""Rows of examples to a `Batch` of arrays."""

import numpy as np

from archlab.batch import Batch, Stream
from archlab.data.objectives import Example
from archlab.data.rows import DECODER, ENCODER, PAIR, Row


def pack(rows: list[list[Example]], objective_B: np.ndarray, row: Row) -> Batch:
    """Lays the examples of each row one after another, and marks where each lies.

    A decoder alone reads an example's inputs and targets as one text, moved right by one. An
    encoder-decoder reads the inputs in its encoder and the targets, moved right by one, in its
    decoder. An encoder reads the inputs in place. What is left of a row is padding.

    Example, a decoder's row of one example, inputs 5 6 and targets 7 1, and one position left:
      tokens_BL    0 5 6 7 0
      split_BL     3 3 3 3 0
      end_BL       4 4 4 4 0
      target_BL    5 6 7 1 0
      weight_BL    0 0 1 1 0

    Args:
      rows: the examples of each row.
      objective_B: int32, which objective each row is from.
      row: what there is room for.

    Returns:
      NumPy arrays.

    Raises:
      ValueError: a row's examples are longer than the row.
    """
    if row.kind == PAIR:
        encoder, edges = _stream(rows, row.inputs, lambda one: (one.inputs, len(one.inputs)), False)
        decoder, _ = _stream(rows, row.targets, lambda one: (one.targets, 0), True)
        own = [[(0, one.targets, one.weights) for one in examples] for examples in rows]
        target_BL, weight_BL = _targets(own, row.targets)
        memory_BL = [np.zeros((len(rows), row.targets), np.int32) for _ in range(2)]
        for number, examples in enumerate(rows):
            lengths = [len(one.targets) for one in examples]
            for side, array_BL in enumerate(memory_BL):
                filled = np.repeat([edge[side] for edge in edges[number]], lengths)
                array_BL[number, : len(filled)] = filled
        return Batch(encoder, decoder, *memory_BL, target_BL, weight_BL, objective_B)
    if row.kind == ENCODER:
        stream, _ = _stream(rows, row.total, lambda one: (one.inputs, len(one.inputs)), False)
        own = [[(0, one.targets, one.weights) for one in examples] for examples in rows]
        return Batch(stream, None, None, None, *_targets(own, row.total), objective_B)
    assert row.kind == DECODER

    def joined(one: Example) -> tuple[np.ndarray, int]:
        # The position that reads the last input predicts the first target: it ends the inputs.
        given = len(one.inputs)
        return np.concatenate([one.inputs, one.targets]), given + 1 if given else 0

    stream, _ = _stream(rows, row.total, joined, True)
    own = [
        [(len(one.inputs), joined(one)[0], one.weights) for one in examples] for examples in rows
    ]
    return Batch(None, stream, None, None, *_targets(own, row.total), objective_B)


def _stream(rows, length: int, read, is_shifted: bool) -> tuple[Stream, list]:
    shape = (len(rows), length)
    tokens_BL, position_BL, start_BL, split_BL, end_BL = (
        np.zeros(shape, np.int32) for _ in range(5)
    )
    edges = []
    for number, examples in enumerate(rows):
        at, here = 0, []
        for one in examples:
            tokens, split = read(one)
            end = at + len(tokens)
            if end > length:
                raise ValueError(
                    f"row {number} holds {end} tokens or more and has room for {length}"
                )
            if is_shifted:
                tokens_BL[number, at + 1 : end] = tokens[:-1]
            else:
                tokens_BL[number, at:end] = tokens
            position_BL[number, at:end] = np.arange(len(tokens))
            start_BL[number, at:end] = at
            split_BL[number, at:end] = min(at + split, end)
            end_BL[number, at:end] = end
            here.append((at, end))
            at = end
        edges.append(here)
    return Stream(tokens_BL, position_BL, start_BL, split_BL, end_BL), edges


def _targets(rows, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of (positions before the targets, what is predicted, weights of the targets)."""
    target_BL = np.zeros((len(rows), length), np.int32)
    weight_BL = np.zeros((len(rows), length), np.float32)
    for number, examples in enumerate(rows):
        at = 0
        for before, predicted, weights in examples:
            end = at + len(predicted)
            target_BL[number, at:end] = predicted
            weight_BL[number, at + before : end] = weights
            at = end
    return target_BL, weight_BL
