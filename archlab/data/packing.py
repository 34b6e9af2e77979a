"""Examples of many rows to a `Batch` of arrays, all rows together."""

import dataclasses

import numpy as np

from archlab.batch import Batch, Stream
from archlab.data.examples import Examples
from archlab.data.row import DECODER, ENCODER, PAIR, Row


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where segments lie in rows, with what is left of each row as a last segment of padding.

    Args:
      begin_S: where each begins in its row.
      length_S: of each.
      order_S: the segments, and the padding of each row after them, row by row.
      extent_S: positions of each, in that order.
      rows: how many there are.
      room: of a row.
    """

    begin_S: np.ndarray
    length_S: np.ndarray
    order_S: np.ndarray
    extent_S: np.ndarray
    rows: int
    room: int

    @staticmethod
    def of(row_S: np.ndarray, length_S: np.ndarray, rows: int, room: int) -> "_Layout":
        used_B = np.bincount(row_S, length_S, rows).astype(np.int64)
        if used_B.max(initial=0) > room:
            row = int(np.argmax(used_B))
            raise ValueError(f"row {row} holds {used_B[row]} tokens and has room for {room}")
        before_S = np.cumsum(length_S) - length_S
        begin_S = before_S - (np.cumsum(used_B) - used_B)[row_S]
        order_S = np.argsort(np.concatenate([row_S, np.arange(rows)]), kind="stable")
        extent_S = np.concatenate([length_S, room - used_B])[order_S]
        return _Layout(begin_S, length_S, order_S, extent_S, rows, room)

    def spread(self, value_S: np.ndarray) -> np.ndarray:
        """Gives every position its segment's number, and padding 0."""
        padded_S = np.zeros(len(self.order_S), np.int32)
        padded_S[: len(value_S)] = value_S
        return np.repeat(padded_S[self.order_S], self.extent_S).reshape(self.rows, self.room)

    def placed(self, value_T: np.ndarray, is_text_BL: np.ndarray | None) -> np.ndarray:
        """Lays what segments hold into the rows, and 0 on padding."""
        if is_text_BL is None:
            return value_T.reshape(self.rows, self.room)
        value_BL = np.zeros((self.rows, self.room), value_T.dtype)
        value_BL[is_text_BL] = value_T
        return value_BL

    def stream(self, token_T: np.ndarray, split_S: np.ndarray) -> tuple[Stream, np.ndarray | None]:
        """What a stack reads, and which positions hold text; None if all do."""
        start_BL, end_BL = self.spread(self.begin_S), self.spread(self.begin_S + self.length_S)
        position_BL = np.arange(self.room, dtype=np.int32) - start_BL
        is_text_BL = None
        if len(token_T) < self.rows * self.room:
            is_text_BL = end_BL > 0
            position_BL *= is_text_BL
        split_BL = self.spread(self.begin_S + split_S)
        tokens_BL = self.placed(token_T, is_text_BL)
        return Stream(tokens_BL, position_BL, start_BL, split_BL, end_BL), is_text_BL


def pack(examples: Examples, objective_B: np.ndarray, row: Row, start: int = 0) -> Batch:
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

    Where the targets stand in place of the inputs, a decoder reads the inputs, moved right by one
    and all in view, and predicts the targets.

    Args:
      examples: of all rows.
      objective_B: int32, which objective each row is from.
      row: what there is room for.
      start: id that a decoder reads before a segment's first token.

    Returns:
      NumPy arrays.

    Raises:
      ValueError: a row's examples are longer than the row.
    """
    build = {PAIR: _pair, ENCODER: _encoder, DECODER: _decoder}[row.kind]
    return build(examples, objective_B, row, start)


def _pair(examples: Examples, objective_B: np.ndarray, row: Row, start: int) -> Batch:
    inputs_M, targets_L = examples.apart()
    given_S, learnt_S = examples.given_S, examples.learnt_S
    left = _Layout.of(examples.row_S, given_S, len(objective_B), row.inputs)
    right = _Layout.of(examples.row_S, learnt_S, len(objective_B), row.targets)
    encoder, _ = left.stream(inputs_M, given_S)
    decoder, is_text_BL = right.stream(_moved(targets_L, learnt_S, start), np.zeros_like(learnt_S))
    return Batch(
        encoder,
        decoder,
        right.spread(left.begin_S),
        right.spread(left.begin_S + given_S),
        right.placed(targets_L, is_text_BL),
        right.placed(_weights(examples), is_text_BL),
        objective_B,
    )


def _encoder(examples: Examples, objective_B: np.ndarray, row: Row, start: int) -> Batch:
    inputs_M, targets_L = examples.apart()
    assert examples.is_in_place
    layout = _Layout.of(examples.row_S, examples.given_S, len(objective_B), row.total)
    stream, is_text_BL = layout.stream(inputs_M, examples.given_S)
    learnt = (targets_L, _weights(examples))
    placed = (layout.placed(values_L, is_text_BL) for values_L in learnt)
    return Batch(stream, None, None, None, *placed, objective_B)


def _decoder(examples: Examples, objective_B: np.ndarray, row: Row, start: int) -> Batch:
    given_S, weight_T = examples.given_S, _weights(examples)
    if examples.is_in_place:
        read_T, said_T = examples.apart()
        length_S = split_S = given_S
    else:
        read_T = said_T = examples.together()
        length_S = given_S + examples.learnt_S
        # The position that reads the last input predicts the first target: it ends the inputs.
        split_S = np.where(given_S > 0, np.minimum(given_S + 1, length_S), 0)
        if given_S.any():
            learnt_L, weight_T = weight_T, np.zeros(len(said_T), np.float32)
            weight_T[~examples.is_given_T] = learnt_L
    layout = _Layout.of(examples.row_S, length_S, len(objective_B), row.total)
    stream, is_text_BL = layout.stream(_moved(read_T, length_S, start), split_S)
    placed = (layout.placed(values_T, is_text_BL) for values_T in (said_T, weight_T))
    return Batch(None, stream, None, None, *placed, objective_B)


def _moved(token_T: np.ndarray, length_S: np.ndarray, start: int) -> np.ndarray:
    """Each segment moved right by one, with `start` before it and its last token gone."""
    moved_T = np.empty_like(token_T)
    moved_T[1:] = token_T[:-1]
    moved_T[(np.cumsum(length_S) - length_S)[length_S > 0]] = start
    return moved_T


def _weights(examples: Examples) -> np.ndarray:
    """How much each target counts."""
    if examples.weights_L is not None:
        return examples.weights_L
    return np.ones(int(np.sum(examples.learnt_S)), np.float32)
