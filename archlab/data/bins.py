"""Bins: which examples share a row, so that rows are full.

Examples come in windows, and each window is packed on its own, row after row: the longest example
that is left begins a row, and of those that still fit, the longest goes in next. Where a row has
two sides, it is one that fills the side that has more room left. So which row an example is in
follows from the text and the row alone, and looks no farther ahead than a window.
"""

import dataclasses

import numpy as np

from archlab.data.row import ENCODER, PAIR, Row

WINDOW = 16_384  # examples that are packed together


@dataclasses.dataclass(frozen=True)
class Bins:
    """The rows that examples fill.

    Example, examples of 3, 5, 2 and 4 tokens in rows of 7:
      order_S   1 2 0 3
      edges     0   2   4     row 0 holds examples 1 and 2, row 1 holds 0 and 3

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
      given_S: int64, tokens of the inputs of each example; none is longer than the row.
      learnt_S: int64, tokens of its targets.
      row: what there is room for. An encoder's targets stand where its inputs do.
      window: how many examples are packed together.

    Returns:
      The rows.

    Source: first fit decreasing, row by row (Krell et al. 2021 pack language models so); to choose
      by the side that has more left is the permutation pack of Leinberger et al. 1999.
    """
    if row.kind == PAIR:
        size_SC, room_C = np.stack([given_S, learnt_S], axis=1), [row.inputs, row.targets]
    else:
        size_S = np.maximum(given_S, learnt_S) if row.kind == ENCODER else given_S + learnt_S
        size_SC, room_C = size_S[:, None], [row.total]
    assert np.all(size_SC <= room_C), "an example is longer than a row"
    order, edges = [], [0]
    for low in range(0, len(size_SC), window):
        for one in _rows(size_SC[low : low + window], room_C):
            order += [low + number for number in sorted(one)]
            edges.append(len(order))
    return Bins(np.asarray(order, np.int64), np.asarray(edges, np.int64))


def _rows(size_SC: np.ndarray, room_C: list[int]) -> list[list[int]]:
    """Sets of examples are numbers: bit n stands for the example that comes n-th, longest first."""
    share_SC = size_SC / np.maximum(room_C, 1)
    order_S = np.argsort(-share_SC.max(axis=1), kind="stable")
    size_SC, heaviest_S = size_SC[order_S], share_SC.argmax(axis=1)[order_S]
    fitting = [_fitting(size_S, room) for size_S, room in zip(size_SC.T, room_C, strict=True)]
    heavy = [_bits(heaviest_S == side) for side in range(len(room_C))]
    sizes, order = size_SC.tolist(), order_S.tolist()
    rows, rest = [], (1 << len(order)) - 1
    while rest:
        row, left, fit = [], list(room_C), rest
        while fit:
            shares = [one / max(room, 1) for one, room in zip(left, room_C, strict=True)]
            chosen = fit & heavy[shares.index(max(shares))] or fit
            lowest = chosen & -chosen
            number = lowest.bit_length() - 1
            row.append(order[number])
            rest ^= lowest
            left = [one - size for one, size in zip(left, sizes[number], strict=True)]
            fit = rest
            for fits, one in zip(fitting, left, strict=True):
                fit &= fits[one]
        rows.append(row)
    return rows


def _fitting(size_S: np.ndarray, room: int) -> list[int]:
    """Which examples fit, by how much of a side is left."""
    sizes = np.unique(size_S)
    sets = [0, *(_bits(size_S <= size) for size in sizes)]
    return [sets[many] for many in np.searchsorted(sizes, np.arange(room + 1), "right")]


def _bits(is_in_S: np.ndarray) -> int:
    return int.from_bytes(np.packbits(is_in_S, bitorder="little").tobytes(), "little")
