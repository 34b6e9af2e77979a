"""Which tokens of a text are hidden: spans whose number is fixed, or each token by itself."""

import numpy as np

from archlab.data.chance import Chance
from archlab.data.examples import Text, places
from archlab.data.objectives.runs import Runs
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


def spans(chance: Chance, length: int, rate: float, mean: float, is_rolled: bool = False) -> Runs:
    """Hides spans, all ways to cut noise and text into so many equally likely.

    Example, length = 10, rate = 0.4, mean = 2, which hide 4 tokens in 2 spans, 1 and 3 long:
      is_hidden_BL     0 0 0 1 0 0 0 1 1 1
      rolled by 2      1 1 0 0 0 1 0 0 0 1

    Args:
      chance: of the rows.
      length: of each row's text.
      rate: share of it that is hidden.
      mean: length of a span, on average.
      is_rolled: whether each row's mask is turned by a uniform number of places. Otherwise the
        first token is always shown, and the last always hidden.

    Returns:
      The runs of every row.

    Source: `t5.data.preprocessors.random_spans_noise_mask`, with its `random_roll`.
    """
    noise, parts = counts(length, rate, mean)
    hidden_BS = _parts(chance, "hidden", noise, parts)
    shown_BS = _parts(chance, "shown", length - noise, parts)
    runs = Runs.alike(shown_BS, hidden_BS)
    if not is_rolled:
        return runs
    turn_B = (chance.shares("roll", 1)[:, 0] * length).astype(int)
    place_BL = (np.arange(length) - turn_B[:, None]) % length
    return Runs.of(np.take_along_axis(runs.is_hidden_BL, place_BL, axis=1))


def _parts(chance: Chance, purpose: str, total: int, parts: int) -> np.ndarray:
    """Cuts `total` into `parts` of at least 1, every way equally likely, row by row."""
    if parts == 1:
        return np.full((chance.rows, 1), total)
    # Cuts fall on the places whose draws are the smallest. The lowest bits of a draw make way for
    # its place, so that what is found is the place itself, and no two are equal.
    places = total - 1
    low = np.uint32((1 << (places - 1).bit_length()) - 1)
    key_BL = chance.words(purpose, places)
    key_BL &= ~low
    key_BL |= np.arange(places, dtype=np.uint32)
    key_BL.partition(parts - 2, axis=1)
    edges = np.zeros((chance.rows, parts + 1), int)
    edges[:, 1:-1] = np.sort(key_BL[:, : parts - 1] & low, axis=1) + 1
    edges[:, -1] = total
    return edges[:, 1:] - edges[:, :-1]


def tokens(chance: Chance, length: int, rate: float) -> np.ndarray:
    """Hides each token by itself.

    Args:
      chance: of the rows.
      length: of each row's text.
      rate: how likely each is hidden, below 1.

    Returns:
      is_hidden_BL, bool.

    Source: `t5.data.preprocessors.iid_noise_mask`.
    """
    return chance.words("hidden", length) < np.uint32(rate * 2**32)


def shuffled(text: Text, chance: Chance, room: int) -> np.ndarray:
    """Puts the tokens of each piece in a random order, every order equally likely.

    Example, pieces of three and of two tokens:
      2 0 1  4 3

    Args:
      text: pieces of documents.
      chance: of the rows.
      room: the most tokens that a row may hold.

    Returns:
      int64 places in `text.tokens_T`; those of a piece stand where the piece does.
    """
    # To sort numbers is faster than to find their order, and rows are faster than all at once. So
    # each number holds, from the highest bits down, piece, draw and place; padding comes last.
    bits = np.uint64(room.bit_length())
    low = (np.uint64(1) << bits) - np.uint64(1)
    high = np.uint64(64) - bits
    piece_BL = np.full((text.rows, room), low << high)
    is_text_BL = np.arange(room) < text.used_B[:, None]
    piece_BL[is_text_BL] = np.repeat(text.number_S.astype(np.uint64) << high, text.length_S)
    key_BL = chance.words("order", room).astype(np.uint64)
    key_BL <<= np.uint64(32)
    key_BL >>= bits
    key_BL &= ~low
    key_BL |= piece_BL
    key_BL |= np.arange(room, dtype=np.uint64)
    key_BL.sort(axis=1)
    place_BL = (key_BL & low).astype(np.int64)
    place_BL += (np.cumsum(text.used_B) - text.used_B)[:, None]
    return place_BL[is_text_BL]


def some(text: Text, chance: Chance, room: int, many_S: np.ndarray) -> np.ndarray:
    """Selects a fixed number of each piece's tokens, every choice equally likely.

    Args:
      text: pieces of documents.
      chance: of the rows.
      room: the most tokens that a row may hold.
      many_S: int64, how many of each piece, up to all.

    Returns:
      int64 places in `text.tokens_T`, piece by piece.
    """
    return shuffled(text, chance, room)[places(text.begin_S, many_S)]


def ordinary(share: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Draws any tokens that stand for text.

    Args:
      share: float64, uniform in [0, 1).
      vocabulary: of the text.

    Returns:
      int32 ids.
    """
    return vocabulary.ordinary[(share * len(vocabulary.ordinary)).astype(int)]
