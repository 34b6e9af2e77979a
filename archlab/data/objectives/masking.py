"""Masking: tokens are hidden in place, and each is to be named.

BERT, ModernBERT, masked next-token prediction and masked diffusion are one generator: how many
tokens are selected, how they are shown, how much each counts, and at which position it is named.
"""

import dataclasses

import numpy as np

from archlab.data.chance import Chance
from archlab.data.examples import Examples, Text
from archlab.data.objectives import masks
from archlab.data.objectives.objective import Objective
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary

RATE = 0.15  # of BERT
GOLDEN = 0.6180339887498949  # steps of it, taken in a circle, never come near one another


@dataclasses.dataclass(frozen=True)
class Masking(Objective):
    """Hides some tokens of each piece of a document in place; each is to be named.

    The loss falls on every selected token, however it is shown, or the model could tell by the mask
    alone where it is asked. How many are selected is fixed, round(rate × length) and at least 1, so
    that no text is without loss. Ends are selected like other tokens.

    Example, rate = 0.4, which selects 2 tokens, here 6 (masked) and 8 (kept):
      tokens   5 6 7 8 1
      inputs   5 M 7 8 1
      targets  5 6 7 8 1
      weights  0 1 0 1 0
    and the same where each is named one position before it, as a decoder's head does:
      targets  6 7 8 1 0
      weights  1 0 1 0 0

    Args:
      rate: share of the tokens that is selected, above 0 and up to 1; 0 draws one for each piece,
        uniform over 1 to all of its tokens, and counts each of n selected as 1 / n of the piece.
      masked: of the selected, the share that is shown as the mask.
      replaced: of the selected, the share that is shown as any token; the rest is shown as it is.
      predicted: of the selected, the share that the loss falls on.
      is_shifted: whether a token is named at the position before it. A decoder does so anyway, and
        reads one position late; it sees its whole text if its architecture lets it.

    Source: Devlin et al. 2019, section 3.1 (0.15, 0.8, 0.1), with the fixed count of its released
      `create_pretraining_data.py`; Warner et al. 2024 (ModernBERT), section 2.2 (0.3, masked);
      Wettig et al. 2023, section 5 (`predicted`); Lv et al. 2023 and Charpentier & Samuel 2024
      (GPT-BERT), section 2 (shifted); Nie et al. 2025 (LLaDA), equation 14 (rate 0: the number of
      masks is uniform and each counts as its inverse).
    """

    rate: float = RATE
    masked: float = 0.8
    replaced: float = 0.1
    predicted: float = 1.0
    is_shifted: bool = False

    def __post_init__(self):
        shares = (self.masked, self.replaced, self.predicted)
        if not 0 <= self.rate <= 1 or min(shares) < 0 or self.masked + self.replaced > 1:
            raise ValueError(
                f"rate={self.rate}, masked={self.masked}, replaced={self.replaced}; the rate lies "
                "above 0 and up to 1, the others are shares whose sum is at most 1"
            )
        if not 0 < self.predicted <= 1:
            raise ValueError(f"predicted={self.predicted}; a share above 0 and up to 1")

    def refusal(self, kind: str) -> str:
        """Args: kind: of the row. Returns: why it does not fit."""
        if kind == PAIR:
            return "it names tokens in place; use span_corruption"
        if kind == DECODER and not self.is_shifted:
            return "it names tokens in place, and a decoder says what comes next; use mntp"
        return ""

    def takes_pieces(self, row: Row) -> bool:
        """Args: row: to fill. Returns: whether it takes whole documents."""
        return True

    def raw(self, row: Row, vocabulary: Vocabulary) -> int:
        """Args: row: to fill, vocabulary: of the text. Returns: tokens that a row takes."""
        return row.total

    def examples(self, text: Text, chance: Chance, row: Row, vocabulary: Vocabulary) -> Examples:
        """Args: text, chance, row, vocabulary: see `Objective`. Returns: the examples."""
        many_S = self._many(text, chance)
        selected = masks.some(text, chance, row.total, many_S)
        spots = text.spots(selected)
        share = chance.shares("shown", row.total, spots)
        shown = text.tokens_T[selected]
        shown[share < self.masked] = vocabulary.mask
        # Of a share between the two bounds, what it is above the first is uniform too.
        above = share - self.masked
        is_other = (above >= 0) & (above < self.replaced)
        shown[is_other] = masks.ordinary(above[is_other] / self.replaced, vocabulary)
        inputs_T, weight_T = text.tokens_T.copy(), np.zeros(len(text.tokens_T), np.float32)
        inputs_T[selected] = shown
        weight_T[selected] = 1 if self.rate else np.repeat(text.length_S / many_S, many_S)
        if self.predicted < 1:
            weight_T[selected] *= chance.shares("said", row.total, spots) < self.predicted
        targets_T = text.tokens_T
        if self.is_shifted and row.kind == ENCODER:
            targets_T, weight_T = (_earlier(one, text) for one in (targets_T, weight_T))
        return Examples(
            text.row_S,
            text.length_S,
            text.length_S,
            sides=(inputs_T, targets_T),
            weights_L=weight_T,
            is_in_place=True,
        )

    def _many(self, text: Text, chance: Chance) -> np.ndarray:
        """How many tokens of each piece are selected."""
        if self.rate:
            return np.maximum(1, np.round(text.length_S * self.rate)).astype(int)
        # The pieces of a row are apart by the golden ratio, as the rows are by even steps.
        share_S = (chance.spread("rate")[text.row_S] + text.number_S * GOLDEN) % 1.0
        return 1 + (share_S * text.length_S).astype(int)


def _earlier(value_T: np.ndarray, text: Text) -> np.ndarray:
    """Moves what stands in each piece to the left by one; its first falls out, 0 comes last."""
    moved_T = np.zeros_like(value_T)
    moved_T[:-1] = value_T[1:]
    moved_T[np.cumsum(text.length_S) - 1] = 0
    return moved_T
