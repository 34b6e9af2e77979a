"""Text and examples of many rows at once: flat arrays, and the lengths of their pieces.

Rows hold different numbers of pieces of different lengths. One after another in one array they need
no loop: NumPy repeats, sums and selects over all rows of a batch together.
"""

import dataclasses

import numpy as np


def places(begin_S: np.ndarray, length_S: np.ndarray) -> np.ndarray:
    """Lists the places of stretches of a flat array, one stretch after another.

    Example:
      >>> places(np.asarray([7, 2]), np.asarray([3, 2])).tolist()
      [7, 8, 9, 2, 3]

    Args:
      begin_S: int64, where each stretch begins.
      length_S: int64, of each.

    Returns:
      int64.
    """
    is_some_S = length_S > 0
    if not is_some_S.all():
        return places(begin_S[is_some_S], length_S[is_some_S])
    if not len(length_S):
        return np.zeros(0, int)
    # From place to place it is one step, and between two stretches the way from one to the other.
    end_S = np.cumsum(length_S)
    step_T = np.ones(end_S[-1], int)
    step_T[0] = begin_S[0]
    step_T[end_S[:-1]] = begin_S[1:] - (begin_S[:-1] + length_S[:-1] - 1)
    return np.cumsum(step_T, out=step_T)


@dataclasses.dataclass(frozen=True)
class Text:
    """The text of several rows, cut into pieces where documents end.

    Example, two rows of four tokens, the first with two pieces:
      tokens_T  5 6 1 7  8 9 8 1
      length_S  3     1  4
      row_S     0     0  1

    Args:
      tokens_T: int32, of all rows, one after another.
      length_S: int64, tokens of each piece, at least 1.
      row_S: int64, which row each piece is in, in order.
      rows: how many rows there are.
    """

    tokens_T: np.ndarray
    length_S: np.ndarray
    row_S: np.ndarray
    rows: int

    @property
    def tokens_BL(self) -> np.ndarray:
        """The same tokens, row by row, where rows hold equally many."""
        return self.tokens_T.reshape(self.rows, -1)

    @property
    def used_B(self) -> np.ndarray:
        """How many tokens each row holds."""
        return np.bincount(self.row_S, self.length_S, self.rows).astype(int)

    @property
    def begin_S(self) -> np.ndarray:
        """Where each piece begins in `tokens_T`."""
        return np.cumsum(self.length_S) - self.length_S

    @property
    def place_S(self) -> np.ndarray:
        """Where each piece begins in its row."""
        return self.begin_S - self.begin_S[self._first_S]

    @property
    def number_S(self) -> np.ndarray:
        """How many pieces of its row come before each."""
        return np.arange(len(self.row_S)) - self._first_S

    @property
    def _first_S(self) -> np.ndarray:
        """The first piece of the row that each is in."""
        return np.searchsorted(self.row_S, self.row_S)

    def spots(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds tokens in their rows.

        Args:
          at: places in `tokens_T`.

        Returns:
          int64 row of each, and int64 place in it.
        """
        piece = np.searchsorted(np.cumsum(self.length_S), at, side="right")
        return self.row_S[piece], at - (self.begin_S - self.place_S)[piece]

    def joined(self) -> "Text":
        """The same text with one piece a row."""
        return Text(self.tokens_T, self.used_B, np.arange(self.rows), self.rows)


@dataclasses.dataclass(frozen=True)
class Examples:
    """The examples of several rows, not yet packed.

    Example, a row of one example, inputs `5 6` and targets `7 1`, and one of two without inputs:
      row_S      0        1    1
      given_S    2        0    0
      learnt_S   2        3    1
      joined_T   5 6 7 1  8 9 1  4

    Args:
      row_S: which row each example is in; those of a row stand together.
      given_S: tokens of its inputs.
      learnt_S: tokens of its targets.
      joined_T: int32, inputs and targets of each; None where `sides` are kept.
      sides: int32 inputs and targets apart, each one after another; None where `joined_T` is.
      weights_L: float32, how much each target counts; None counts every one as 1.
      is_in_place: whether the targets stand where the inputs do, position for position.
    """

    row_S: np.ndarray
    given_S: np.ndarray
    learnt_S: np.ndarray
    joined_T: np.ndarray | None = None
    sides: tuple[np.ndarray, np.ndarray] | None = None
    weights_L: np.ndarray | None = None
    is_in_place: bool = False

    @property
    def is_given_T(self) -> np.ndarray:
        """Which of the joined tokens are inputs."""
        lengths = np.stack([self.given_S, self.learnt_S], axis=1).reshape(-1)
        return np.repeat(np.tile([True, False], len(self.given_S)), lengths)

    @property
    def tokens(self) -> int:
        """Positions of a row that they fill, all together."""
        return int(np.sum(self.given_S) + (0 if self.is_in_place else np.sum(self.learnt_S)))

    @property
    def scored(self) -> int:
        """Positions that the loss falls on, all together."""
        if self.weights_L is None:
            return int(np.sum(self.learnt_S))
        return int(np.count_nonzero(self.weights_L))

    @property
    def loss_tokens(self) -> float:
        """What the loss counts, all together."""
        if self.weights_L is None:
            return float(np.sum(self.learnt_S))
        return float(np.sum(self.weights_L, dtype=np.float64))

    def apart(self) -> tuple[np.ndarray, np.ndarray]:
        """The inputs, and the targets.

        Returns:
          int32, each one after another.
        """
        if self.sides is not None:
            return self.sides
        is_given_T = self.is_given_T
        return self.joined_T[is_given_T], self.joined_T[~is_given_T]

    def together(self) -> np.ndarray:
        """Each example's inputs and targets, one after the other.

        Returns:
          int32, of all examples.
        """
        if self.joined_T is not None:
            return self.joined_T
        inputs_M, targets_L = self.sides
        if not len(inputs_M):
            return targets_L
        if np.ptp(self.given_S) == np.ptp(self.learnt_S) == 0:  # as many in each: no need to select
            both = [side.reshape(len(self.row_S), -1) for side in self.sides]
            return np.concatenate(both, axis=1).reshape(-1)
        is_given_T = self.is_given_T
        joined_T = np.empty(len(is_given_T), np.int32)
        joined_T[is_given_T], joined_T[~is_given_T] = inputs_M, targets_L
        return joined_T

    def listed(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Takes the examples apart, to be looked at.

        Returns:
          Inputs and targets of each.
        """
        inputs_M, targets_L = self.apart()
        left = np.split(inputs_M, np.cumsum(self.given_S)[:-1])
        right = np.split(targets_L, np.cumsum(self.learnt_S)[:-1])
        return list(zip(left, right, strict=True))


def joined(parts: list[tuple[np.ndarray, Examples]], is_one_text: bool) -> Examples:
    """Puts the examples of several tasks one after another.

    Args:
      parts: which of all rows are a task's, and its examples; all of them in place, or none.
      is_one_text: whether they are wanted as one text; otherwise as two sides.

    Returns:
      The examples of all rows, those of a task after those of the task before it.
    """
    every = [one for _, one in parts]
    row_S = [at[one.row_S] for at, one in parts]
    together = sides = weights_L = None
    if is_one_text:
        together = np.concatenate([one.together() for one in every])
    else:
        sides = tuple(map(np.concatenate, zip(*(one.apart() for one in every), strict=True)))
    if any(one.weights_L is not None for one in every):
        weights_L = np.concatenate(
            [
                np.ones(one.learnt_S.sum(), np.float32) if one.weights_L is None else one.weights_L
                for one in every
            ]
        )
    return Examples(
        np.concatenate(row_S),
        np.concatenate([one.given_S for one in every]),
        np.concatenate([one.learnt_S for one in every]),
        together,
        sides,
        weights_L,
        every[0].is_in_place,
    )


def even(inputs_BM: np.ndarray, targets_BL: np.ndarray) -> Examples:
    """Makes one example of each row, all of the same lengths.

    Args:
      inputs_BM: int32.
      targets_BL: int32.

    Returns:
      The examples.
    """
    rows = len(inputs_BM)
    given_S, learnt_S = (np.full(rows, side.shape[1], np.int64) for side in (inputs_BM, targets_BL))
    sides = (inputs_BM.reshape(-1), targets_BL.reshape(-1))
    return Examples(np.arange(rows), given_S, learnt_S, sides=sides)
