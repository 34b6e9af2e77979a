"""Prompts of several lengths, laid out as rows of one batch.

A decoder's end where the row ends, so that what follows stands at one place in all rows, and the
keys and values of a token are written there at once. What comes before a shorter one is seen by
nobody: its segment begins later. An encoder's begin where the row begins.
"""

from collections.abc import Sequence

import numpy as np

from archlab.batch import Stream

BLOCK = 64  # lengths are rounded up to it, so that texts of about one length compile once


def rounded(length: int) -> int:
    """Rounds a length up, so that there are few.

    Args:
      length: positions, 1 or more.

    Returns:
      A multiple of `BLOCK`; 1 stays, since a decoder beside an encoder begins with one position.
    """
    return 1 if length == 1 else -(-length // BLOCK) * BLOCK


def prompted(prompts: Sequence[Sequence[int]], length: int, start: int = 0) -> Stream:
    """Lays prompts out as a decoder reads them, up to the row's end.

    Example, the prompts 7 8 and 9 in rows of 5:
      tokens_BL    0 0 0 7 8    0 0 0 0 9
      position_BL  0 0 0 1 2    0 0 0 0 1
      start_BL     0 0 2 2 2    0 0 0 3 3
      split_BL     0 0 5 5 5    0 0 0 5 5
      end_BL       0 0 5 5 5    0 0 0 5 5

    Args:
      prompts: ids of each.
      length: of the rows, at least one more than the longest prompt.
      start: id that a decoder reads first.

    Returns:
      NumPy arrays, a row for each prompt.
    """
    read_B = np.asarray([len(prompt) + 1 for prompt in prompts])
    first_BL = (length - read_B)[:, None]
    place_L = np.arange(length)
    is_text_BL = place_L >= first_BL
    tokens_BL = np.zeros(is_text_BL.shape, np.int32)
    tokens_BL[is_text_BL] = [token for prompt in prompts for token in (start, *prompt)]
    edges = (place_L - first_BL, first_BL, length, length)
    return Stream(tokens_BL, *(np.where(is_text_BL, edge, 0).astype(np.int32) for edge in edges))


def encoded(prompts: Sequence[Sequence[int]], length: int) -> Stream:
    """Lays prompts out as an encoder reads them, in full view.

    Args:
      prompts: ids of each.
      length: of the rows, at least as long as the longest prompt.

    Returns:
      NumPy arrays, a row for each prompt.
    """
    read_BL = np.asarray([len(prompt) for prompt in prompts])[:, None]
    place_L = np.arange(length)
    is_text_BL = place_L < read_BL
    tokens_BL = np.zeros(is_text_BL.shape, np.int32)
    tokens_BL[is_text_BL] = [token for prompt in prompts for token in prompt]
    edges = (place_L, 0, read_BL, read_BL)
    return Stream(tokens_BL, *(np.where(is_text_BL, edge, 0).astype(np.int32) for edge in edges))
