"""Which tokens of a text are hidden: spans whose number is fixed, or each token by itself."""

import numpy as np

from archlab.data.chance import Chance
from archlab.data.examples import Text
from archlab.data.vocabulary import Vocabulary


def counts(length: int, rate: float, mean: float) -> tuple[int, int]:
    """Says how many tokens are noise, and in how many spans.

    Example:
      >>> counts(568, 0.15, 3.0)
      (85, 28)

    Args:
      length: of the text, 2 or more.
      rate: share of it that is noise, in (0, 1).
      mean: length of a span, on average; 1 or more.

    Returns:
      Noise tokens and spans; both fixed by the arguments. Only where the spans lie is chance.

    Raises:
      ValueError: a number out of its range.

    Source: `t5.data.preprocessors.random_spans_helper`, which rounds halves to even. T5's mask
      reckons in float32 and hides one token more at 190, 350 and other such lengths.
    """
    if length < 2 or not 0 < rate < 1 or mean < 1:
        raise ValueError(
            f"length={length}, rate={rate}, mean={mean}; a text has 2 tokens or more, the rate "
            "lies between 0 and 1, and the mean is 1 or more"
        )
    noise = min(max(round(length * rate), 1), length - 1)
    return noise, min(max(round(noise / mean), 1), length - noise)


def spans(chance: Chance, length: int, rate: float, mean: float, is_rolled: bool) -> np.ndarray:
    """Hides spans: every way to cut the noise and the rest into as many parts is equally likely.

    Example, length = 10, rate = 0.4, mean = 2, which hide 4 tokens in 2 spans:
      shown 3 2, hidden 1 3   0 0 0 1 0 0 1 1 1 0   is what a roll by one to the left makes of
                              0 0 0 1 0 0 0 1 1 1   shown 3 3, hidden 1 3

    Args:
      chance: of the rows.
      length: of each row's text.
      rate: share of it that is hidden.
      mean: length of a span, on average.
      is_rolled: whether each row's mask is turned by a uniform number of places. Otherwise the
        first token is always shown, and the last always hidden.

    Returns:
      is_hidden_BL, bool.

    Source: `t5.data.preprocessors.random_spans_noise_mask`.
    """
    noise, parts = counts(length, rate, mean)
    hidden_BS = _parts(chance, "hidden", noise, parts)
    shown_BS = _parts(chance, "shown", length - noise, parts)
    both = np.stack([shown_BS, hidden_BS], axis=2).reshape(-1)
    is_hidden = np.repeat(np.tile([False, True], chance.rows * parts), both)
    is_hidden_BL = is_hidden.reshape(chance.rows, length)
    if not is_rolled:
        return is_hidden_BL
    turn_B = (chance.shares("roll", 1)[:, 0] * length).astype(int)
    place_BL = (np.arange(length) - turn_B[:, None]) % length
    return np.take_along_axis(is_hidden_BL, place_BL, axis=1)


def _parts(chance: Chance, purpose: str, total: int, parts: int) -> np.ndarray:
    """Cuts `total` into `parts` of at least 1, every way equally likely, row by row."""
    if parts == 1:
        return np.full((chance.rows, 1), total)
    # A cut falls on the places whose draws are the smallest; the place itself, in the lowest bits,
    # keeps draws apart that would be equal.
    places = total - 1
    bits = int(places - 1).bit_length()
    place = np.arange(places, dtype=np.uint32)
    key = chance.words(purpose, places) >> np.uint32(bits) << np.uint32(bits) | place
    last = np.partition(key, parts - 2, axis=1)[:, parts - 2]
    cut = np.nonzero(key <= last[:, None])[1].reshape(chance.rows, parts - 1) + 1
    return np.diff(cut, prepend=0, append=total)


def tokens(chance: Chance, length: int, rate: float, purpose: str = "hidden") -> np.ndarray:
    """Hides each token by itself.

    Args:
      chance: of the rows.
      length: of each row's text.
      rate: how likely each is hidden.
      purpose: of the draws; see `Chance.words`.

    Returns:
      is_hidden_BL, bool.

    Source: `t5.data.preprocessors.iid_noise_mask`.
    """
    return chance.words(purpose, length) < rate * 2**32


def shuffled(text: Text, chance: Chance, room: int) -> np.ndarray:
    """Puts the tokens of each piece in a random order.

    Example, pieces of three and of two tokens:
      2 0 1  4 3

    Args:
      text: pieces of documents.
      chance: of the rows.
      room: the most tokens that a row may hold.

    Returns:
      int64 places in `text.tokens_T`; those of a piece stand where the piece does.
    """
    piece_T = np.repeat(np.arange(len(text.length_S)), text.length_S)
    used_B = np.bincount(text.row_S, text.length_S, text.rows).astype(int)
    word_T = chance.words("order", room)[np.arange(room) < used_B[:, None]]
    return np.argsort(piece_T.astype(np.uint64) << np.uint64(32) | word_T, kind="stable")


def some(text: Text, chance: Chance, room: int, many_S: np.ndarray) -> np.ndarray:
    """Selects a fixed number of each piece's tokens, every choice equally likely.

    Args:
      text: pieces of documents.
      chance: of the rows.
      room: the most tokens that a row may hold.
      many_S: how many of each piece, up to all.

    Returns:
      is_selected_T, bool.
    """
    rank_T = np.arange(len(text.tokens_T)) - np.repeat(text.begin_S, text.length_S)
    is_selected_T = np.zeros(len(rank_T), bool)
    order_T = shuffled(text, chance, room)
    is_selected_T[order_T[rank_T < np.repeat(many_S, text.length_S)]] = True
    return is_selected_T


def ordinary(share: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Draws any tokens that stand for text.

    Args:
      share: float64, uniform in [0, 1).
      vocabulary: of the text.

    Returns:
      int32 ids.
    """
    return vocabulary.ordinary[(share * len(vocabulary.ordinary)).astype(int)]
