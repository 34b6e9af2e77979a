"""Denoising: a text with some of it hidden is given; what was hidden, or the whole, is to be said.

T5's objective, the alternatives that its authors tried, and UL2's denoisers.
"""

import dataclasses
import math

import numpy as np

from archlab.data.chance import Chance
from archlab.data.examples import Examples, Text, even
from archlab.data.objectives import masks
from archlab.data.objectives.objective import Objective, longest
from archlab.data.objectives.runs import Side, turns
from archlab.data.row import ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary

RATE, MEAN = 0.15, 3.0  # T5's span corruption
SLACK = 1.04  # more text than rows hold on average, where how much they hold is chance
FORMS = ("sentinels", "dropped", "replaced", "masked", "shuffled")


def span_lengths(length: int, rate: float = RATE, mean: float = MEAN) -> tuple[int, int]:
    """Says how long both sides of a corrupted text are, each with its end.

    Example:
      >>> span_lengths(568)
      (512, 114)

    Args:
      length: of the text, 2 or more.
      rate: share of it that is noise, in (0, 1).
      mean: length of a span, on average; 1 or more.

    Returns:
      Tokens of the inputs and of the targets.

    Source: `t5.data.preprocessors.random_spans_helper`.
    """
    noise, spans = masks.counts(length, rate, mean)
    return length - noise + spans + 1, noise + spans + 1


@dataclasses.dataclass(frozen=True)
class Denoising(Objective):
    """Hides a share of a row's text, its documents joined.

    Example, the five forms of one mask; every side then ends in the end:
      tokens      5 6 7 8 9 1
      is hidden   0 1 1 0 0 1
      sentinels   inputs 5 S0 8 9 S1     targets S0 6 7 S1 1
      dropped     inputs 5 8 9           targets 6 7 1
      masked      inputs 5 S0 S0 8 9 S0  targets 5 6 7 8 9 1
      replaced    inputs 5 S0 4 8 9 S0   targets 5 6 7 8 9 1   one in ten becomes any other token
      shuffled    inputs 8 1 5 9 7 6     targets 5 6 7 8 9 1

    Args:
      rate: share of the text that is hidden, in (0, 1).
      mean: length of a span, on average; 0 hides each token by itself.
      form: what is shown and said; see above.
      is_rolled: see `masks.spans`.
      mode: name of the mode token before the inputs, in UL2's words; "" for none.
      replaced: of hidden tokens in the form "replaced", the share that becomes any other token.

    Source: Raffel et al. 2020, sections 3.1.4 and 3.3; `t5.data.preprocessors` and t5's
      gin/objectives (`iid_15_r10s90_f` is "replaced", `iid_15_m_f` "masked", `iid_15_d_d`
      "dropped"). T5 joins documents without a mark between them; here each keeps its end.
    """

    rate: float = RATE
    mean: float = MEAN
    form: str = "sentinels"
    is_rolled: bool = False
    mode: str = ""
    replaced: float = 0.1

    def __post_init__(self):
        if self.form not in FORMS:
            raise ValueError(f"form={self.form!r} is not one of {', '.join(FORMS)}")
        if not 0 < self.rate < 1 or (self.mean and self.mean < 1) or not 0 <= self.replaced <= 1:
            raise ValueError(
                f"rate={self.rate}, mean={self.mean}, replaced={self.replaced}; the rate lies "
                "between 0 and 1, the mean is 1 or more, or 0 to hide each token by itself, and "
                "what is replaced is a share from 0 to 1"
            )

    @property
    def is_in_place(self) -> bool:
        """Whether the whole text is to be said."""
        return self.form in ("replaced", "masked", "shuffled")

    def refusal(self, kind: str) -> str:
        """Args: kind: of the row. Returns: why it does not fit."""
        return "it says what an encoder was never shown; use masked_lm" if kind == ENCODER else ""

    def _sides(self, length: int) -> tuple[int, int]:
        """Tokens of both sides of a text; on average, where they are chance."""
        modes = bool(self.mode)
        if self.is_in_place:
            return length + modes + 1, length + 1
        noise, spans = length * self.rate, length * self.rate * (1 - self.rate)
        if self.mean:
            noise, spans = masks.counts(length, self.rate, self.mean)
            spans += self.is_rolled  # a span that is turned over the end is two
        spans *= self.form == "sentinels"
        return round(length - noise + spans) + modes + 1, round(noise + spans) + 1

    def raw(self, row: Row, vocabulary: Vocabulary) -> int:
        """Args: row: to fill, vocabulary: of the text. Returns: tokens that a row takes."""
        length = longest(row, self._sides)
        return length if self.mean or self.is_in_place else int(length * SLACK)

    def sentinels(self, row: Row, vocabulary: Vocabulary) -> int:
        """Args: row: to fill, vocabulary: its. Returns: sentinels that a row takes."""
        if self.form != "sentinels" or not self.mean:  # of which a row may take all, and no more
            return 0
        return masks.counts(longest(row, self._sides), self.rate, self.mean)[1] + self.is_rolled

    def oddities(self, row: Row, vocabulary: Vocabulary) -> list[str]:
        """Args: row: to fill, vocabulary: of the text. Returns: what is odd, in numbers."""
        if self.is_in_place or not self.mean:
            return []
        raw, said = self.raw(row, vocabulary), []
        noise, spans = masks.counts(raw, self.rate, self.mean)
        if spans == 1 and not self.is_rolled:
            said.append(
                f"hides a single span, {noise} of {raw} tokens, which is always the end: it is a "
                "prefix LM with a fixed split; roll the mask, or take longer rows"
            )
        if noise < self.mean < math.inf:
            said.append(f"its mean span of {self.mean:g} is longer than all its noise, {noise}")
        return said

    def examples(self, text: Text, chance: Chance, row: Row, vocabulary: Vocabulary) -> Examples:
        """Args: text, chance, row, vocabulary: see `Objective`. Returns: the examples."""
        tokens_BL = text.tokens_BL
        modes, end = [vocabulary.modes[self.mode]] if self.mode else [], [vocabulary.end]
        if self.is_in_place:
            shown_BL = self._shown(text, chance, vocabulary)
            return even(_framed(modes, shown_BL, end), _framed([], tokens_BL, end))
        if self.mean:
            first = vocabulary.sentinel(0) if self.form == "sentinels" else None
            runs = masks.spans(chance, tokens_BL.shape[1], self.rate, self.mean, self.is_rolled)
            left, right = runs.sides(tokens_BL, first, modes, end)
        else:
            is_hidden_BL = masks.tokens(chance, tokens_BL.shape[1], self.rate)
            left, right = self._sides_of(tokens_BL, is_hidden_BL, row, vocabulary)
        return Examples(np.arange(text.rows), left[1], right[1], sides=(left[0], right[0]))

    def _sides_of(
        self, tokens_BL: np.ndarray, is_hidden_BL: np.ndarray, row: Row, vocabulary: Vocabulary
    ) -> tuple[Side, Side]:
        """What `Runs.sides` makes, of runs so short that they are not looked up, as far as it fits.

        A row is read up to the last token with which both of its sides fit.
        """
        modes, end = [vocabulary.modes[self.mode]] if self.mode else [], [vocabulary.end]
        hidden_BL = _counted(is_hidden_BL)
        inputs_BL = (
            np.arange(1, tokens_BL.shape[1] + 1, dtype=np.int32) - hidden_BL + len(modes) + 1
        )
        targets_BL = hidden_BL + 1
        left_BL = right_BL = tokens_BL
        is_left_BL, is_right_BL = ~is_hidden_BL, is_hidden_BL
        is_read_BL = np.ones_like(is_hidden_BL)
        if self.form == "sentinels":
            begins_BL = turns(is_hidden_BL)
            # Runs are shown and hidden by turns: of two neighbours, each side names one.
            run_BL = _counted(begins_BL)
            is_read_BL = run_BL <= 2 * vocabulary.sentinels
            named_BL = (run_BL + is_hidden_BL[:, :1]) >> 1
            inputs_BL += named_BL
            targets_BL += run_BL - named_BL
            is_left_BL, is_right_BL = begins_BL | is_left_BL, begins_BL | is_right_BL
            # To add and subtract is faster than to choose, where one cannot guess what comes next.
            name_BL = np.int32(vocabulary.sentinel(0)) - ((run_BL - 1) >> 1)
            change_BL = (name_BL - tokens_BL) * is_hidden_BL
            left_BL, right_BL = tokens_BL + change_BL, name_BL - change_BL
        if row.kind == PAIR:
            is_read_BL &= (inputs_BL <= row.inputs) & (targets_BL <= row.targets)
        else:
            is_read_BL &= inputs_BL + targets_BL <= row.total

        def side(said_BL: np.ndarray, is_said_BL: np.ndarray, before: list[int]) -> Side:
            said, left = _framed(before, said_BL, end), [True] * len(before)
            place = np.flatnonzero(_framed(left, is_said_BL & is_read_BL, [True]))
            edges = np.searchsorted(place, np.arange(len(said) + 1) * said.shape[1])
            return said.reshape(-1).take(place), np.diff(edges)

        return side(left_BL, is_left_BL, modes), side(right_BL, is_right_BL, [])

    def _shown(self, text: Text, chance: Chance, vocabulary: Vocabulary) -> np.ndarray:
        """What stands in place of all tokens."""
        tokens_BL = text.tokens_BL
        length = tokens_BL.shape[1]
        if self.form == "shuffled":
            return text.tokens_T[masks.shuffled(text.joined(), chance, length)].reshape(-1, length)
        if self.mean:
            runs = masks.spans(chance, length, self.rate, self.mean, self.is_rolled)
            is_hidden_BL = runs.is_hidden_BL
        else:
            is_hidden_BL = masks.tokens(chance, length, self.rate)
        shown_BL = tokens_BL + (np.int32(vocabulary.sentinel(0)) - tokens_BL) * is_hidden_BL
        if self.form == "replaced":
            share_BL = chance.shares("shown", length)
            is_other_BL = is_hidden_BL & (share_BL < self.replaced)
            # A share that is below the bound is uniform below it, and so draws the token too.
            other = share_BL[is_other_BL] / self.replaced
            shown_BL[is_other_BL] = masks.ordinary(other, vocabulary)
        return shown_BL


def _counted(is_one_BL: np.ndarray) -> np.ndarray:
    """How many there are up to each place of a row."""
    return np.cumsum(is_one_BL, axis=1, dtype=np.int32)


def _framed(before: list, value_BL: np.ndarray, after: list) -> np.ndarray:
    """Puts the same columns before and after each row."""
    left, right = (
        np.full((len(value_BL), len(column)), column, value_BL.dtype) for column in (before, after)
    )
    return np.concatenate([left, value_BL, right], axis=1)
