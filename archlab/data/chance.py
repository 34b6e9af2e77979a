"""Chance: draws that follow from what they are for, and from nothing that was drawn before.

Row n has its own part of the stream of a generator that can be told to skip, so its draws are the
same in any batch, on any machine, in any order.

Why not a counter-based one: NumPy's Philox takes four times as long, and draws were a quarter of
the time of a denoiser's batch.
"""

import dataclasses
import hashlib

import numpy as np


def hashed(*parts: int | str) -> int:
    """Turns numbers and words into one number without a pattern.

    Args:
      parts: what it is to depend on.

    Returns:
      64 bits.
    """
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


@dataclasses.dataclass(frozen=True)
class Chance:
    """The chance of consecutive rows.

    Args:
      key: what it depends on besides the row.
      first: number of the first row, from 0.
      rows: how many.
    """

    key: tuple[int | str, ...]
    first: int
    rows: int

    def words(self, purpose: str, many: int) -> np.ndarray:
        """Draws bits.

        Args:
          purpose: what for; another purpose has other draws.
          many: numbers of a row; a fixed number for each purpose, whatever the row holds.

        Returns:
          uint32, rows × many.

        Source: O'Neill 2014 (PCG), as NumPy implements it with the output function DXSM.
        """
        longs = -(-many // 2)
        source = np.random.PCG64DXSM(hashed(*self.key, purpose))
        source.advance(self.first * longs)
        words = source.random_raw(self.rows * longs).astype("<u8", copy=False)
        return words.view("<u4").reshape(self.rows, -1)[:, :many]

    def shares(self, purpose: str, many: int, at: tuple = (...,)) -> np.ndarray:
        """Draws numbers from 0 up to, and without, 1.

        Args:
          purpose: see `words`.
          many: see `words`.
          at: rows, and places in them, of the draws that are wanted; all unless given.

        Returns:
          float64, in steps of 2^-32: rows × many, or one for each place.
        """
        return self.words(purpose, many)[at] * 2.0**-32

    def spread(self, purpose: str, group: int = 64) -> np.ndarray:
        """Draws one number for each row, so that neighbours are far apart.

        Each is uniform; together the numbers of a group of rows divide the range evenly, which
        takes most of the noise out of a mean over a batch.

        Args:
          purpose: see `words`.
          group: consecutive rows that divide the range.

        Returns:
          float64, one for each row, in [0, 1).

        Source: Kingma et al. 2021 (VDM), appendix I.1, draws the times of a batch so.
        """
        numbers = self.first + np.arange(self.rows)
        first, last = self.first // group, (self.first + max(self.rows, 1) - 1) // group
        own = Chance(self.key, first, last - first + 1).shares(purpose, 1)[:, 0]
        return (own[numbers // group - first] + numbers % group / group) % 1.0
