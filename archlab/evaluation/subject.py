"""A subject: a trained run with what it takes to ask it anything."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from archlab.data.options import Data
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation.formats import Format, Span
from archlab.evaluation.passages import Passage
from archlab.evaluation.scorer import Scorer, Scores
from archlab.model.transformer import Transformer

DEFAULT = {DECODER: "prefix", PAIR: "prefix", ENCODER: "unmasking"}
CONTINUES = "S"  # the mode that UL2 says of continuing a text


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model that is asked.

    Args:
      name: of the run.
      model: on no mesh.
      weights: of the model.
      words: its vocabulary.
      row: how much it was trained to read at once.
      formats: how it was trained to be asked, what it was trained on last first.
      seed: of the run.
      step: of the checkpoint.
      digest: of the weights.
      passed: told how many questions were scored since it was told last.
      folder: the run directory; None of a model that has none.
      data: where the run says that text is.
      modules: the user's own, which register tasks.
    """

    name: str
    model: Transformer
    weights: dict
    words: Vocabulary
    row: Row
    formats: tuple[Format, ...]
    seed: int = 0
    step: int = 0
    digest: str = ""
    passed: Callable[[int], None] = lambda many: None
    folder: Path | None = None
    data: Data = Data()
    modules: tuple[str, ...] = ()

    def format(self, reads_right: bool = False) -> Format:
        """Chooses how it is asked, of what it was trained on.

        Args:
          reads_right: whether what stands after is to be read, if it can read it.

        Returns:
          The format; of a model that was trained on none that is known, its architecture's.
        """
        kind = self.row.kind
        able = [one for one in self.formats if one.suits(kind)]
        if not able:
            is_causal = kind == DECODER and self.model.architecture.visibility == "causal"
            return Format("causal" if is_causal else DEFAULT[kind])
        modes = (CONTINUES, "") if not reads_right else ("", "R")

        def far(one: Format) -> tuple[bool, bool]:
            return one.reads_right != reads_right, one.mode not in modes

        return min(able, key=far)

    @functools.cached_property
    def scorer(self) -> Scorer:
        """Its scorer."""
        return Scorer(self.model, self.weights, self.words, self.row, self.passed)

    def spans(self, passages: Sequence[Passage]) -> list[Span]:
        """Turns passages into ids, with tokens that bridge no two parts.

        Args:
          passages: text in three.

        Returns:
          A span of each.
        """
        return [
            Span(*_continued(self.words, one.left, one.middle), tuple(self.words.encode(one.right)))
            for one in passages
        ]

    def score(self, passages: Sequence[Passage], form: Format, seed: int = 0) -> Scores:
        """Scores the middles of passages.

        Args:
          passages: text in three.
          form: how it is asked.
          seed: of the draws of a bound.

        Returns:
          Scores of each.

        Raises:
          ValueError: a middle holds no text.
        """
        return self.scorer.spans(self.spans(passages), form, seed)


def _continued(words: Vocabulary, left: str, middle: str) -> tuple[tuple, tuple]:
    """Encodes a text as one, where that cuts it between the parts, and else each by itself.

    A tokenizer may write the beginning of a text otherwise than the middle of one.
    """
    before, both = words.encode(left), words.encode(left + middle)
    if both[: len(before)] == before and len(both) > len(before):
        return tuple(before), tuple(both[len(before) :])
    return tuple(before), tuple(words.encode(middle))
