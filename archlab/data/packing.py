"""Examples of many rows to a `Batch` of arrays, all rows together."""

import dataclasses

import numpy as np

from archlab.batch import Batch, Stream
from archlab.data.examples import Examples
from archlab.data.row import DECODER, ENCODER, PAIR, Row


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where segments lie in rows, one after another, with padding after a row's last.

    Args:
      begin_S: where each begins in its row.
      length_S: of each.
      is_text_BL: which positions hold a segment; None if all do.
      shape: rows, and positions of each.
    """

    begin_S: np.ndarray
    length_S: np.ndarray
    is_text_BL: np.ndarray | None
    shape: tuple[int, int]

    @staticmethod
    def of(row_S: np.ndarray, length_S: np.ndarray, rows: int, room: int) -> "_Layout":
        used_B = np.bincount(row_S, length_S, rows).astype(int)
        if used_B.max(initial=0) > room:
            row = int(np.argmax(used_B))
            raise ValueError(f"row {row} holds {used_B[row]} tokens and has room for {room}")
        begin_S = np.cumsum(length_S) - length_S - (np.cumsum(used_B) - used_B)[row_S]
        is_full = np.sum(used_B) == rows * room
        is_text_BL = None if is_full else np.arange(room) < used_B[:, None]
        return _Layout(begin_S, length_S, is_text_BL, (rows, room))

    def placed(self, value_T: np.ndarray) -> np.ndarray:
        """Lays what segments hold into the rows, and 0 on padding."""
        if self.is_text_BL is None:
            return value_T.reshape(self.shape)
        value_BL = np.zeros(self.shape, value_T.dtype)
        value_BL[self.is_text_BL] = value_T
        return value_BL

    def spread(self, value_S: np.ndarray) -> np.ndarray:
        """Gives every position its segment's number, and padding 0."""
        return self.placed(np.repeat(value_S.astype(np.int32), self.length_S))

    def stream(self, token_T: np.ndarray, split_S: np.ndarray) -> Stream:
        """What a stack reads; split_S is where the inputs of each segment end in it."""
        start_BL = self.spread(self.begin_S)
        position_BL = np.arange(self.shape[1], dtype=np.int32) - start_BL
        if self.is_text_BL is not None:
            position_BL *= self.is_text_BL
        split_BL = self.spread(self.begin_S + split_S)
        end_BL = self.spread(self.begin_S + self.length_S)
        return Stream(self.placed(token_T), position_BL, start_BL, split_BL, end_BL)


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
    inputs, targets = examples.apart()
    given_S, learnt_S = examples.given_S, examples.learnt_S
    left = _Layout.of(examples.row_S, given_S, len(objective_B), row.inputs)
    right = _Layout.of(examples.row_S, learnt_S, len(objective_B), row.targets)
    return Batch(
        left.stream(inputs, given_S),
        right.stream(_moved(targets, learnt_S, start), np.zeros_like(learnt_S)),
        right.spread(left.begin_S),
        right.spread(left.begin_S + given_S),
        right.placed(targets),
        right.placed(_weights(examples)),
        objective_B,
    )


def _encoder(examples: Examples, objective_B: np.ndarray, row: Row, start: int) -> Batch:
    assert examples.is_in_place
    inputs, targets = examples.apart()
    layout = _Layout.of(examples.row_S, examples.given_S, len(objective_B), row.total)
    stream = layout.stream(inputs, examples.given_S)
    learnt = layout.placed(targets), layout.placed(_weights(examples))
    return Batch(stream, None, None, None, *learnt, objective_B)


def _decoder(examples: Examples, objective_B: np.ndarray, row: Row, start: int) -> Batch:
    given_S, weights = examples.given_S, _weights(examples)
    if examples.is_in_place:
        read, said = examples.apart()
        length_S = split_S = given_S
    else:
        read = said = examples.together()
        length_S = given_S + examples.learnt_S
        # The position that reads the last input predicts the first target: it ends the inputs.
        split_S = np.where(given_S > 0, np.minimum(given_S + 1, length_S), 0)
        if given_S.any():
            learnt, weights = weights, np.zeros(len(said), np.float32)
            weights[~examples.is_given_T] = learnt
    layout = _Layout.of(examples.row_S, length_S, len(objective_B), row.total)
    stream = layout.stream(_moved(read, length_S, start), split_S)
    return Batch(None, stream, None, None, layout.placed(said), layout.placed(weights), objective_B)


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
