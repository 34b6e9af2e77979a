"""Language modelling: nothing is hidden; a text is said from its beginning, or from a split on."""

import dataclasses

import numpy as np

from archlab.data.chance import Chance
from archlab.data.examples import Examples, Text
from archlab.data.objectives.objective import Objective
from archlab.data.row import ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary

SPLITS = ("none", "uniform", "packed", "half", "fixed")


def causal_lm(text: Text) -> Examples:
    """Gives nothing; the whole text is to be said.

    Example:
      tokens   5 6 7 1
      inputs
      targets  5 6 7 1

    Args:
      text: pieces of documents.

    Returns:
      An example of each piece.

    Source: Radford et al. 2018, section 3.1.
    """
    return prefix_lm(text, np.zeros_like(text.length_S))


def prefix_lm(text: Text, split_S: np.ndarray) -> Examples:
    """Gives the beginning of each text; the rest is to be said.

    Example, split = 2:
      tokens   5 6 7 8 1
      inputs   5 6
      targets      7 8 1

    Args:
      text: pieces of documents.
      split_S: how many tokens of each are given, 0 to all but one.

    Returns:
      An example of each piece.

    Source: Raffel et al. 2020, section 3.2.3.
    """
    assert np.all((0 <= split_S) & (split_S < text.length_S))
    return Examples(text.row_S, split_S, text.length_S - split_S, joined_T=text.tokens_T)


@dataclasses.dataclass(frozen=True)
class Language(Objective):
    """Causal LM and prefix LM.

    Args:
      split: how much of a text is given: "none"; "uniform", a uniform part of each piece of a
        document; "packed", a uniform part of all documents of a row together, as BigScience had
        it; "half", the first half of each; "fixed", the row's inputs.
      mode: name of the mode token before the inputs, in UL2's words; "" for none.

    An encoder-decoder's row of "uniform" and of "packed" is two texts whose splits add up to its
    inputs, so that both sides are full to the last position.

    Source: Raffel et al. 2020, section 3.2.3 ("uniform"); Zhang et al. 2025 (RedLLM), section 3
      ("half"); bigscience-workshop/architecture-objective, t5x/.../pack_prefix_lm_encoder_decoder
      and pack_prefix_lm_decoder_only, which t5.data.preprocessors has too ("packed").
    """

    split: str = "none"
    mode: str = ""

    def __post_init__(self):
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r} is not one of {', '.join(SPLITS)}")

    def refusal(self, kind: str) -> str:
        """Args: kind: of the row. Returns: why it does not fit."""
        if kind == ENCODER:
            return "it says what an encoder was never shown; use masked_lm"
        if kind == PAIR and self.split == "none":
            return "it gives the encoder nothing to read; use prefix_lm"
        return ""

    def takes_pieces(self, row: Row) -> bool:
        """Args: row: to fill. Returns: whether it takes whole documents."""
        return row.kind != PAIR and not self.mode and self.split in ("none", "uniform", "half")

    def raw(self, row: Row, vocabulary: Vocabulary) -> int:
        """Args: row: to fill, vocabulary: of the text. Returns: tokens that a row takes."""
        modes = bool(self.mode) * (2 if self._is_two(row) else 1)
        is_short = min(row.inputs - modes, row.targets) < (2 if self._is_two(row) else 1)
        if is_short and (row.kind == PAIR or self.split == "fixed"):
            return 0
        if self.split == "half" and row.kind == PAIR:
            return 2 * min(row.inputs - modes, row.targets)
        return row.total - modes

    def _is_two(self, row: Row) -> bool:
        return row.kind == PAIR and self.split in ("uniform", "packed")

    def examples(self, text: Text, chance: Chance, row: Row, vocabulary: Vocabulary) -> Examples:
        """Args: text, chance, row, vocabulary: see `Objective`. Returns: the examples."""
        if self.split == "none":
            return causal_lm(text)
        if self._is_two(row):
            halves, split_S = self._complements(text, chance, row)
            return self._marked(prefix_lm(halves, split_S), vocabulary)
        if row.kind == PAIR or self.mode or self.split in ("packed", "fixed"):
            text = text.joined()
        return self._marked(prefix_lm(text, self._splits(text, chance, row)), vocabulary)

    def _splits(self, text: Text, chance: Chance, row: Row) -> np.ndarray:
        length_S = text.length_S
        if self.split == "half":
            return length_S // 2
        if self.split == "fixed":
            return np.full_like(length_S, row.inputs - bool(self.mode))
        many = 1 if self.split == "packed" else row.total  # a draw for each place a piece begins
        share_S = chance.shares("split", many, (text.row_S, text.place_S))
        return np.where(length_S > 1, 1 + (share_S * (length_S - 1)).astype(int), 0)

    def _complements(self, text: Text, chance: Chance, row: Row) -> tuple[Text, np.ndarray]:
        """Two texts a row, and splits that add up to its inputs."""
        inputs, targets = row.inputs - 2 * bool(self.mode), row.targets
        half = (inputs + targets) // 2
        rest = inputs + targets - half
        low, high = max(1, inputs - rest + 1), min(half, inputs)
        split_B = low + (chance.shares("split", 1)[:, 0] * (high - low)).astype(int)
        length_S = np.tile([half, rest], text.rows)
        row_S = np.repeat(np.arange(text.rows), 2)
        split_S = np.stack([split_B, inputs - split_B], axis=1).reshape(-1)
        return Text(text.tokens_T, length_S, row_S, text.rows), split_S

    def _marked(self, examples: Examples, vocabulary: Vocabulary) -> Examples:
        """The same examples with the mode before their inputs."""
        if not self.mode:
            return examples
        length_S = examples.given_S + examples.learnt_S
        begin_S = np.cumsum(length_S) - length_S
        assert examples.joined_T is not None
        joined_T = np.insert(examples.joined_T, begin_S, vocabulary.modes[self.mode])
        return dataclasses.replace(examples, given_S=examples.given_S + 1, joined_T=joined_T)
