"""Bins: which examples share a row, so that rows are full.

Examples come in windows, and each window is packed on its own: the longest goes first, into the
fullest row that has room for it. So which row an example is in follows from the text and the row
alone, and looks no farther ahead than a window.
"""

import collections
import dataclasses

import numpy as np

from archlab.data.row import PAIR, Row

WINDOW = 16_384  # examples that are packed together
OPEN = 1024  # rows of two sides that are not yet full, at most
TINY = 1e-9  # what is left where nothing is, after sums of shares


@dataclasses.dataclass(frozen=True)
class Bins:
    """The rows that examples fill.

    Example, examples of 3, 5, 2 and 4 tokens in rows of 7:
      order_S   1 2 3 0
      edges     0   2   4     row 0 holds examples 1 and 2, row 1 holds 3 and 0

    Args:
      order_S: int64, the examples, row after row.
      edges: int64, where each row begins in it, and its end.
    """

    order_S: np.ndarray
    edges: np.ndarray

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.edges) - 1

    def of(self, row_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds the examples of rows.

        Args:
          row_B: numbers of rows.

        Returns:
          int64 numbers of their examples, row after row, and int64 which of the rows each is in.
        """
        many_B = self.edges[row_B + 1] - self.edges[row_B]
        row_S = np.repeat(np.arange(len(row_B)), many_B)
        before_S = np.repeat(self.edges[row_B] - np.cumsum(many_B) + many_B, many_B)
        return self.order_S[before_S + np.arange(len(row_S))], row_S


def fill(given_S: np.ndarray, learnt_S: np.ndarray, row: Row, window: int = WINDOW) -> Bins:
    """Packs examples.

    Args:
      given_S: tokens of the inputs of each example; none is longer than the row.
      learnt_S: tokens of its targets.
      row: what there is room for.
      window: how many examples are packed together.

    Returns:
      The rows.

    Source: best fit decreasing; Krell et al. 2021 show it for language models.
    """
    order, edges = [], [0]
    for low in range(0, len(given_S), window):
        given, learnt = given_S[low : low + window], learnt_S[low : low + window]
        if row.kind == PAIR:
            rows = _two_sided(given, learnt, row)
        else:
            rows = _one_sided((given + learnt).tolist(), row.total)
        for one in rows:
            order += [low + number for number in sorted(one)]
            edges.append(len(order))
    return Bins(np.asarray(order, np.int64), np.asarray(edges, np.int64))


def _one_sided(sizes: list[int], room: int) -> list[list[int]]:
    """Bit n of `open_` says that there are rows with n tokens left, which `by_room[n]` lists."""
    rows: list[list[int]] = []
    open_, by_room = 0, collections.defaultdict(list)
    for number in sorted(range(len(sizes)), key=lambda one: -sizes[one]):
        size = sizes[number]
        mask = open_ >> size
        if mask:
            left = size + (mask & -mask).bit_length() - 1
            row = by_room[left].pop()
            if not by_room[left]:
                open_ ^= 1 << left
        else:
            left, row = room, len(rows)
            rows.append([])
        rows[row].append(number)
        by_room[left - size].append(row)
        open_ |= 1 << (left - size)
    return rows


def _two_sided(given_S: np.ndarray, learnt_S: np.ndarray, row: Row) -> list[list[int]]:
    """Each side counts by the share of the row that it takes."""
    room_C, size_SC = np.asarray([row.inputs, row.targets]), np.stack([given_S, learnt_S], axis=1)
    share_SC = size_SC / np.maximum(room_C, 1)
    rows: list[list[int]] = []
    open_B, left_BC = np.empty(0, int), np.empty((0, 2))
    for number in np.argsort(-share_SC.max(axis=1), kind="stable").tolist():
        after_BC = left_BC - share_SC[number]
        # The row whose two sides are then the fullest, and the most alike.
        rest_B = np.square(after_BC).sum(axis=1) + np.where(
            after_BC.min(axis=1, initial=1.0) < -TINY, 9, 0
        )
        if len(rest_B) and rest_B.min() < 9:
            at = int(np.argmin(rest_B))
            left_BC[at] = after_BC[at]
            rows[open_B[at]].append(number)
            continue
        if len(open_B) == OPEN:
            fullest = int(np.argmin(left_BC.sum(axis=1)))
            open_B, left_BC = np.delete(open_B, fullest), np.delete(left_BC, fullest, axis=0)
        open_B = np.append(open_B, len(rows))
        left_BC = np.concatenate([left_BC, 1.0 - share_SC[[number]]])
        rows.append([number])
    return rows
