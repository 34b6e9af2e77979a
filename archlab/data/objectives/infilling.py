"""Infilling: a decoder learns to say the middle of a text last, with both of its sides in view."""

import dataclasses
import itertools

import numpy as np

from archlab.data.chance import Chance
from archlab.data.examples import Examples, Text, places
from archlab.data.objectives.objective import Objective
from archlab.data.row import DECODER, PAIR, Row
from archlab.data.vocabulary import FIRST, Vocabulary

ORDERS = ("psm", "spm", "both")
MARKS = 3  # prefix, suffix, middle
FEW = 2  # tokens of text, below which there is no middle
LONGEST = 4  # bytes of a character in UTF-8
CONTINUES, CONTINUED = ~0x3F, 0x80  # all but the low bits of a byte that is not a character's first


def marks(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Says which ids stand before a prefix, a suffix and a middle.

    Args:
      vocabulary: with the sentinels.

    Returns:
      The last three sentinels. Span corruption takes them from the first on, and so shares none.
    """
    last = vocabulary.sentinels
    return tuple(vocabulary.sentinel(last - MARKS + number) for number in range(MARKS))


@dataclasses.dataclass(frozen=True)
class Infilling(Objective):
    """Cuts a text in three and says the middle last; the loss falls on all of it.

    Example, P, S and M the marks of prefix, suffix and middle, cuts after 1 and 3 tokens:
      tokens   5 6 7 8 1
      psm      P 5 S 8 M 6 7 1
      spm      P S 8 M 5 6 7 1

    Each piece of a document is cut, with the given rate, at two uniform places, which may be equal;
    its end, or an end if it has none, then closes the middle. The other pieces stay as they are.
    Marks take room, so a row's last pieces lose what no longer fits.

    Args:
      rate: share of the pieces that are cut, above 0 and up to 1.
      order: "psm" (prefix, suffix, middle), "spm" (suffix, then prefix and middle in one, the
        paper's second variant) or "both", each half of the time.
      is_by_character: whether cuts fall between any two characters, as published, where a token
        holds several: the three parts are then encoded anew, which takes longer, and the tokenizer
        does with spaces at a cut what it does with those at the edge of a text. Where tokens are
        bytes, cuts always fall between characters, a long one being as likely as its bytes.

    Source: Bavarian et al. 2022, section 3 and appendix D.
    """

    rate: float = 0.5
    order: str = "both"
    is_by_character: bool = False

    def __post_init__(self):
        if self.order not in ORDERS or not 0 < self.rate <= 1:
            raise ValueError(
                f"rate={self.rate}, order={self.order!r}; the rate is above 0 and up to 1, the "
                f"order one of {', '.join(ORDERS)}"
            )

    def refusal(self, kind: str) -> str:
        """Args: kind: of the row. Returns: why it does not fit."""
        if kind == DECODER:
            return ""
        instead = "span_corruption" if kind == PAIR else "masked_lm"
        return f"it says a text in another order; use {instead}"

    def raw(self, row: Row, vocabulary: Vocabulary) -> int:
        """Args: row: to fill, vocabulary: of the text. Returns: tokens that a row takes."""
        return row.total

    def sentinels(self, row: Row, vocabulary: Vocabulary) -> int:
        """Args: row: to fill, vocabulary: its. Returns: sentinels that a row takes."""
        return MARKS

    def examples(self, text: Text, chance: Chance, row: Row, vocabulary: Vocabulary) -> Examples:
        """Args: text, chance, row, vocabulary: see `Objective`. Returns: the examples."""
        spots = (text.row_S, text.place_S)

        def drawn(purpose: str) -> np.ndarray:
            return chance.shares(purpose, row.total, spots)

        last_S = text.tokens_T[text.begin_S + text.length_S - 1]
        body_S = text.length_S - (last_S == vocabulary.end)
        is_cut_S = (drawn("cut") < self.rate) & (body_S >= FEW)
        share_SC = np.sort(np.stack([drawn("one"), drawn("other")], axis=1), axis=1)
        tokens, edges = text.tokens_T, _edges(text, body_S, share_SC, vocabulary)
        if self.is_by_character and vocabulary.path:
            tokens, edges = _encoded(text, edges, is_cut_S, share_SC, vocabulary)
        is_psm_S = drawn("order") < {"psm": 1.0, "spm": 0.0, "both": 0.5}[self.order]
        runs = _runs(text, edges, is_cut_S, is_psm_S, len(tokens))
        last = [*marks(vocabulary), vocabulary.end]
        return _said(text, *runs, row, np.concatenate([tokens, last], dtype=np.int32))


def _edges(
    text: Text, body_S: np.ndarray, share_SC: np.ndarray, vocabulary: Vocabulary
) -> np.ndarray:
    """Where prefix, middle and suffix of each piece begin in the text, and the suffix ends."""
    at_SC = (share_SC * (body_S + 1)[:, None]).astype(int)
    if not vocabulary.path:
        is_inside_T = (text.tokens_T - FIRST) & CONTINUES == CONTINUED
        for _ in range(LONGEST - 1):
            here_SC = np.minimum(at_SC, (body_S - 1)[:, None]) + text.begin_S[:, None]
            at_SC -= is_inside_T[here_SC] & (at_SC < body_S[:, None]) & (at_SC > 0)
    edges = np.stack([np.zeros_like(body_S), *at_SC.T, body_S], axis=1)
    return edges + text.begin_S[:, None]


def _encoded(
    text: Text,
    edges: np.ndarray,
    is_cut_S: np.ndarray,
    share_SC: np.ndarray,
    vocabulary: Vocabulary,
) -> tuple[np.ndarray, np.ndarray]:
    """The text and, after it, the parts of cut pieces, cut between characters; and their edges."""
    tokens, total = [text.tokens_T], len(text.tokens_T)
    for piece in np.flatnonzero(is_cut_S):
        ids = text.tokens_T[edges[piece, 0] : edges[piece, -1]]
        if not np.isin(ids, vocabulary.ordinary).all():
            continue  # it cannot be said in letters, and stays cut between its tokens
        said = vocabulary.decode(ids)
        cuts = [0, *(int(share * (len(said) + 1)) for share in share_SC[piece]), len(said)]
        parts = [vocabulary.encode(said[low:high]) for low, high in itertools.pairwise(cuts)]
        edges[piece] = total + np.cumsum([0, *map(len, parts)])
        tokens.append(np.concatenate(parts).astype(np.int32))
        total = edges[piece, -1]
    return np.concatenate(tokens), edges


def _runs(
    text: Text, edge_SC: np.ndarray, is_cut_S: np.ndarray, is_psm_S: np.ndarray, after: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs of tokens that make up each piece begin, and how long they are.

    The three marks and the end stand after all tokens, from `after` on.
    """
    P, S, M, end = ((np.full(len(is_cut_S), after + number), 1) for number in range(MARKS + 1))
    prefix, middle, suffix = (
        (low_S, high_S - low_S) for low_S, high_S in itertools.pairwise(edge_SC.T)
    )
    orders = {
        True: [P, prefix, S, suffix, M, middle, end],
        False: [P, S, suffix, M, prefix, middle, end],
    }
    begin, length = (
        np.where(
            is_psm_S[:, None],
            *(
                np.stack([np.broadcast_to(run[side], is_cut_S.shape) for run in order], axis=1)
                for order in orders.values()
            ),
        )
        for side in range(2)
    )
    begin[~is_cut_S, 0] = text.begin_S[~is_cut_S]
    length[~is_cut_S] = 0
    length[~is_cut_S, 0] = text.length_S[~is_cut_S]
    return begin, length


def _said(
    text: Text, begin_SC: np.ndarray, length_SC: np.ndarray, row: Row, tokens: np.ndarray
) -> Examples:
    """Joins the runs; what no longer fits into a row is cut off."""
    extent_S = length_SC.sum(axis=1)
    before_S = np.cumsum(extent_S) - extent_S
    before_S -= before_S[np.searchsorted(text.row_S, text.row_S)]
    passed_SC = before_S[:, None] + np.cumsum(length_SC, axis=1) - length_SC
    length_SC = np.clip(row.total - passed_SC, 0, length_SC)
    learnt_S = length_SC.sum(axis=1)
    said_T = tokens[places(begin_SC.reshape(-1), length_SC.reshape(-1))]
    is_left_S = learnt_S > 0
    given = np.zeros(np.count_nonzero(is_left_S), int)
    return Examples(text.row_S[is_left_S], given, learnt_S[is_left_S], said_T)
