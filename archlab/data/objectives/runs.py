"""Runs: a text that is shown and hidden by turns, and the two sides that this makes of it."""

import dataclasses

import numpy as np

from archlab.data.examples import places

Side = tuple[np.ndarray, np.ndarray]  # int32, all rows one after another; int64, of each how much


def turns(is_hidden_BL: np.ndarray) -> np.ndarray:
    """Says where runs begin.

    Example:
      is_hidden_BL   0 1 1 0   1 0 0 0
      is_first_BL    1 1 0 1   1 1 0 0

    Args:
      is_hidden_BL: bool.

    Returns:
      bool.
    """
    is_first_BL = np.ones_like(is_hidden_BL)
    np.not_equal(is_hidden_BL[:, 1:], is_hidden_BL[:, :-1], out=is_first_BL[:, 1:])
    return is_first_BL


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs of rows of text that are equally long.

    Example, two rows of four tokens:
      is_hidden_BL  0 1 1 0   1 0 0 0
      row_S         0 0   0   1 1
      begin_S       0 1   3   4 5
      length_S      1 2   1   1 3
      is_hidden_S   0 1   0   1 0

    Args:
      row_S: int64, which row each is in, in order.
      begin_S: int64, where each begins, in all rows one after another.
      length_S: int64, of each, at least 1.
      is_hidden_S: bool, by turns within a row.
      shape: rows, and tokens of each.
    """

    row_S: np.ndarray
    begin_S: np.ndarray
    length_S: np.ndarray
    is_hidden_S: np.ndarray
    shape: tuple[int, int]

    @staticmethod
    def of(is_hidden_BL: np.ndarray) -> "Runs":
        """Args: is_hidden_BL: bool. Returns: its runs."""
        begin_S = np.flatnonzero(turns(is_hidden_BL))
        length_S = np.diff(begin_S, append=is_hidden_BL.size)
        row_S = begin_S // is_hidden_BL.shape[1]
        is_hidden_S = is_hidden_BL.reshape(-1)[begin_S]
        return Runs(row_S, begin_S, length_S, is_hidden_S, is_hidden_BL.shape)

    @staticmethod
    def alike(shown_BS: np.ndarray, hidden_BS: np.ndarray) -> "Runs":
        """Makes the runs of rows that have equally many of them.

        Args:
          shown_BS: int64, lengths of what is shown; the first of a row is its beginning.
          hidden_BS: int64, lengths of what is hidden after each.

        Returns:
          The runs.
        """
        rows, pairs = shown_BS.shape
        both = np.stack([shown_BS, hidden_BS], axis=2).reshape(-1)
        row = np.repeat(np.arange(rows), 2 * pairs)
        is_hidden = np.tile([False, True], rows * pairs)
        end = np.cumsum(both)
        return Runs(row, end - both, both, is_hidden, (rows, int(end[-1]) // rows))

    @property
    def is_hidden_BL(self) -> np.ndarray:
        """Which tokens are hidden, of rows that are whole."""
        return np.repeat(self.is_hidden_S, self.length_S).reshape(self.shape)

    def sides(
        self, tokens_BL: np.ndarray, first: int | None, before: list[int], after: list[int]
    ) -> tuple[Side, Side]:
        """Puts what is shown on one side, and what is hidden on the other.

        On each side a sentinel stands in place of every run that is on the other.

        Example, with nothing before the text and 1 after it:
          tokens_BL      5 6 7 8 9 1
          is_hidden_BL   0 1 1 0 0 1
          inputs         5 S0  8 9 S1  1
          targets        S0 6 7 S1  1  1

        Args:
          tokens_BL: int32, the text.
          first: id of the first sentinel; the next has the next lower. None puts nothing in place
            of a run.
          before: ids that the inputs begin with.
          after: ids that both sides end with.

        Returns:
          The inputs and the targets.

        Source: `t5.data.preprocessors.noise_span_to_unique_sentinel`; for the targets, of the
          reverse.
        """
        rows, length = self.shape
        many_B = np.bincount(self.row_S, minlength=rows)
        first_S = np.repeat(np.cumsum(many_B) - many_B, many_B)
        # Shown and hidden by turns, they are numbered in pairs: each side names one of a pair.
        number_S = (np.arange(len(first_S)) - first_S) // 2
        names = (first or 0) - np.arange(np.max(number_S) + 1)
        words = [tokens_BL.reshape(-1), names, np.asarray(before), np.asarray(after)]
        name, frame, end = np.cumsum([len(some) for some in words[:-1]])
        word = np.concatenate(words).astype(np.int32)
        # Before the runs of a row stands one stretch, and one after them.
        place_S = np.arange(len(first_S)) + 2 * self.row_S + 1
        last_B = np.cumsum(many_B + 2) - 1
        first_B = last_B - many_B - 1

        def side(is_said_S: np.ndarray, mode: int) -> Side:
            begin = np.empty(len(place_S) + 2 * rows, int)
            many = np.empty_like(begin)
            begin[place_S] = np.where(is_said_S, self.begin_S, name + number_S)
            many[place_S] = np.where(is_said_S, self.length_S, first is not None)
            begin[first_B], many[first_B] = frame, mode
            begin[last_B], many[last_B] = end, len(after)
            return word.take(places(begin, many)), np.add.reduceat(many, first_B)

        return side(~self.is_hidden_S, len(before)), side(self.is_hidden_S, 0)
