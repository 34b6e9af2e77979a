"""Examples of many rows to a `Batch` of arrays, all rows together."""

import dataclasses
import functools

import numpy as np

from archlab.batch import Batch, Stream
from archlab.data.examples import Examples
from archlab.data.row import DECODER, ENCODER, PAIR, Row


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Where stretches of tokens lie in rows, one after another, and padding after a row's last.

    What is the same in every row is made once, and all rows are views of it.

    Args:
      begin_S: where each begins in its row.
      length_S: of each.
      place_S: how many stretches come before each, the padding of rows among them.
      lengths: of all of those, however short.
      shape: rows, and positions of each.
      order_B: the rows in the order in which their stretches are given; None if it is their own.
      is_even: whether every row is laid out as the first.
      is_full: whether there is no padding.
    """

    begin_S: np.ndarray
    length_S: np.ndarray
    place_S: np.ndarray
    lengths: np.ndarray
    shape: tuple[int, int]
    order_B: np.ndarray | None
    is_even: bool
    is_full: bool

    @staticmethod
    def of(row_S: np.ndarray, length_S: np.ndarray, rows: int, room: int) -> "_Layout":
        many_B = np.bincount(row_S, minlength=rows)
        used_B = np.bincount(row_S, length_S, rows).astype(int)
        if used_B.max(initial=0) > room:
            row = int(np.argmax(used_B))
            raise ValueError(f"row {row} holds {used_B[row]} tokens and has room for {room}")
        order_B, rank_S = None, np.arange(len(row_S))
        before_B, before_S = np.cumsum(used_B) - used_B, np.cumsum(length_S) - length_S
        if np.any(row_S[1:] < row_S[:-1]):
            is_first_S = np.append(True, row_S[1:] != row_S[:-1])
            order_B = np.append(row_S[is_first_S], np.flatnonzero(many_B == 0))
            rank_S = np.argsort(np.argsort(row_S, kind="stable"))
            before_B[order_B] = np.cumsum(used_B[order_B]) - used_B[order_B]
        place_S = rank_S + row_S
        lengths = np.empty(len(row_S) + rows, int)
        lengths[place_S] = length_S
        lengths[np.cumsum(many_B + 1) - 1] = room - used_B
        return _Layout(
            before_S - before_B[row_S],
            length_S,
            place_S,
            lengths,
            (rows, room),
            order_B,
            is_even=_is_same(many_B, rows) and _is_same(length_S, rows),
            is_full=bool(np.all(used_B == room)),
        )

    @functools.cached_property
    def _made(self) -> "_Layout":
        """The layout of the first row, if that of the others is the same; or else of all."""
        if not self.is_even:
            return self
        many = len(self.begin_S) // self.shape[0]
        first = self.begin_S[:many], self.length_S[:many], np.arange(many)
        shape = (1, self.shape[1])
        return _Layout(*first, self.lengths[: many + 1], shape, None, False, self.is_full)

    def placed(self, value_T: np.ndarray) -> np.ndarray:
        """Lays what stretches hold into the rows, and 0 on padding."""
        if self.is_full:
            value_BL = value_T.reshape(self.shape)
        else:
            is_text_BL = self.spread(np.ones_like(self.length_S), bool)
            if self.order_B is not None:
                is_text_BL = is_text_BL.take(self.order_B, axis=0)
            value_BL = np.zeros(self.shape, value_T.dtype)
            value_BL[is_text_BL] = value_T
        if self.order_B is None:
            return value_BL
        return value_BL.take(np.argsort(self.order_B), axis=0)

    def spread(self, value_S: np.ndarray, kind: type = np.int32) -> np.ndarray:
        """Gives every position its stretch's value, and padding 0; not to be written to."""
        made = self._made if self.is_even and _is_same(value_S, self.shape[0]) else self
        values: np.ndarray = value_S[: len(made.place_S)].astype(kind)
        lengths = made.length_S
        if not made.is_full or made.order_B is not None:
            lengths = made.lengths
            values, own = np.zeros(len(lengths), kind), values
            values[made.place_S] = own
        value_BL = np.repeat(values, lengths).reshape(made.shape)
        return value_BL if made is self else np.broadcast_to(value_BL, self.shape)

    def stream(self, token_T: np.ndarray, split_S: np.ndarray) -> Stream:
        """What a stack reads; split_S is where the inputs of each segment end in it."""
        made = self._made
        position_BL = np.arange(self.shape[1], dtype=np.int32) - made.spread(made.begin_S)
        if not self.is_full:
            position_BL *= made.spread(np.ones_like(made.begin_S))
        if made is not self:
            position_BL = np.broadcast_to(position_BL, self.shape)
        start_BL = self.spread(self.begin_S)
        end_BL = self.spread(self.begin_S + self.length_S)
        # The inputs are often nothing of a segment, or all of it.
        if not np.any(split_S):
            split_BL = start_BL
        elif np.array_equal(split_S, self.length_S):
            split_BL = end_BL
        else:
            split_BL = self.spread(self.begin_S + split_S)
        return Stream(self.placed(token_T), position_BL, start_BL, split_BL, end_BL)


def _is_same(value_S: np.ndarray, rows: int) -> bool:
    """Whether all rows have the same values, of which each has equally many."""
    many, rest = divmod(len(value_S), rows)
    return not rest and bool(np.all(value_S.reshape(rows, many) == value_S[:many]))


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
      examples: of all rows, which may come in any order.
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
        _weights(examples, right),
        objective_B,
    )


def _encoder(examples: Examples, objective_B: np.ndarray, row: Row, start: int) -> Batch:
    assert examples.is_in_place
    inputs, targets = examples.apart()
    layout = _Layout.of(examples.row_S, examples.given_S, len(objective_B), row.total)
    stream = layout.stream(inputs, examples.given_S)
    learnt = layout.placed(targets), _weights(examples, layout)
    return Batch(stream, None, None, None, *learnt, objective_B)


def _decoder(examples: Examples, objective_B: np.ndarray, row: Row, start: int) -> Batch:
    row_S, given_S, rows = examples.row_S, examples.given_S, len(objective_B)
    if examples.is_in_place:
        read, said = examples.apart()
        length_S = split_S = given_S
    else:
        read = said = examples.together()
        length_S = given_S + examples.learnt_S
        # The position that reads the last input predicts the first target: it ends the inputs.
        split_S = np.where(given_S > 0, np.minimum(given_S + 1, length_S), 0)
    layout = _Layout.of(row_S, length_S, rows, row.total)
    if examples.is_in_place or not given_S.any():
        weight_BL = _weights(examples, layout)
    elif examples.weights_L is None:
        halves = np.stack([given_S, examples.learnt_S], axis=1).reshape(-1)
        sides = _Layout.of(np.repeat(row_S, 2), halves, rows, row.total)
        weight_BL = sides.spread(np.tile([0, 1], len(row_S)), np.float32)
    else:
        weight_T = np.zeros(len(said), np.float32)
        weight_T[~examples.is_given_T] = examples.weights_L
        weight_BL = layout.placed(weight_T)
    stream = layout.stream(_moved(read, length_S, start), split_S)
    return Batch(None, stream, None, None, layout.placed(said), weight_BL, objective_B)


def _moved(token_T: np.ndarray, length_S: np.ndarray, start: int) -> np.ndarray:
    """Each segment moved right by one, with `start` before it and its last token gone."""
    moved_T = np.empty_like(token_T)
    moved_T[1:] = token_T[:-1]
    moved_T[(np.cumsum(length_S) - length_S)[length_S > 0]] = start
    return moved_T


def _weights(examples: Examples, layout: _Layout) -> np.ndarray:
    """How much each position counts of a layout that holds the targets."""
    if examples.weights_L is not None:
        return layout.placed(examples.weights_L)
    if layout.is_full:
        return np.broadcast_to(np.float32(1), layout.shape)
    return layout.spread(np.ones_like(layout.length_S), np.float32)
