"""What every objective says of itself: which rows it fits, and how much text it takes to fill one.

An objective is a frozen set of numbers and two pure functions: the text of many rows and their
chance go in, examples come out. SeqIO preprocessors (`tasks.py`) and the index-addressed pipeline
(`pipeline.py`) are two doors onto it.
"""

import dataclasses
from collections.abc import Callable

from archlab.data.chance import Chance
from archlab.data.examples import Examples, Text
from archlab.data.row import DECODER, Row
from archlab.data.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Objective:
    """One objective."""

    def refusal(self, kind: str) -> str:
        """Says why rows of a kind do not fit.

        Args:
          kind: of the row.

        Returns:
          The reason; "" if they fit.
        """
        raise AssertionError("every objective says which rows it fits")

    def raw(self, row: Row, vocabulary: Vocabulary) -> int:
        """Says how much text a row takes.

        Args:
          row: what there is room for.
          vocabulary: of the text.

        Returns:
          Tokens; below 2 if it cannot be filled.
        """
        raise AssertionError("every objective says how much text it takes")

    def examples(self, text: Text, chance: Chance, row: Row, vocabulary: Vocabulary) -> Examples:
        """Makes the examples of many rows.

        Args:
          text: `raw` tokens of each row; ids of any value, padding's and the end's among them.
          chance: of the rows.
          row: what there is room for.
          vocabulary: of the text.

        Returns:
          Examples that fit their rows.
        """
        raise AssertionError("every objective makes examples")

    def takes_pieces(self, row: Row) -> bool:
        """Says whether the text of a row may be whole documents, of any lengths.

        Args:
          row: what there is room for.

        Returns:
          True where each piece of a document is an example of its own, as long as the piece.
        """
        return False

    def sentinels(self, row: Row, vocabulary: Vocabulary) -> int:
        """Says how many sentinels a row takes.

        Args:
          row: what there is room for.
          vocabulary: of the text.

        Returns:
          The number; 0 for most objectives.
        """
        return 0

    def oddities(self, row: Row, vocabulary: Vocabulary) -> list[str]:
        """Says what is odd about a row that it can fill.

        Args:
          row: what there is room for.
          vocabulary: of the text.

        Returns:
          Warnings, in words and numbers.
        """
        return []

    def check(self, name: str, row: Row, vocabulary: Vocabulary) -> list[str]:
        """Refuses a row that it cannot fill, and says what is odd about one that it can.

        Args:
          name: of the objective, for the message.
          row: what there is room for.
          vocabulary: with the sentinels.

        Returns:
          Warnings, in words.

        Raises:
          ValueError: the kind does not fit, the row is too short, or the sentinels are too few.
        """
        reason = self.refusal(row.kind)
        if reason:
            article = "a" if row.kind == DECODER else "an"
            raise ValueError(f"{name} does not fit {article} {row.kind}: {reason}")
        if self.raw(row, vocabulary) < 2:
            raise ValueError(
                f"{name} cannot fill a row of inputs={row.inputs}, targets={row.targets}"
            )
        wanted = self.sentinels(row, vocabulary)
        if wanted > vocabulary.sentinels:
            raise ValueError(
                f"{name} at inputs={row.inputs} needs {wanted} sentinels, and the vocabulary has "
                f"{vocabulary.sentinels}; use shorter rows or a vocabulary with more"
            )
        return [f"{name}: {said}" for said in self.oddities(row, vocabulary)]


def longest(row: Row, sides: Callable[[int], tuple[int, int]]) -> int:
    """Finds the longest text whose example fits a row.

    Args:
      row: what there is room for.
      sides: tokens of the inputs and of the targets that a text of so many tokens makes; neither
        grows shorter with it by more than a token.

    Returns:
      Its tokens; 0 if there is none.
    """
    low = 0
    for length in range(2, 2 * row.total + 3):
        if row.holds(*sides(length)):
            low = length
        elif length > low + 2 and low:
            break
    return low
