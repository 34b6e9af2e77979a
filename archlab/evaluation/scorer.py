"""The scorer: questions to nats, many in a row, as in training.

Questions are packed as examples are, so whoever could see across them in training could here; one
shape of batch serves all of them, and is compiled once.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from archlab.data import bins
from archlab.data.examples import Examples
from archlab.data.packing import pack
from archlab.data.row import PAIR, Row
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation.formats import Format, Question, Span
from archlab.model import transformer
from archlab.model.transformer import Transformer
from archlab.train import loss

TOKENS = 4096  # of a batch, about; more would be no faster on two cores


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a model gives to spans.

    Args:
      nats_S: float64, minus the log of the probability of each.
      is_best_S: bool, whether at each counted position no token was likelier, which is what greedy
        generation would have said.
      is_cut_S: bool, whether some of what stood around was left out, for want of room.
      room: tokens that the model reads at once.
    """

    nats_S: np.ndarray
    is_best_S: np.ndarray
    is_cut_S: np.ndarray
    room: int

    def notes(self, form: Format, reads_right: bool = False) -> tuple[str, ...]:
        """Says what a reader of the scores should know.

        Args:
          form: that they were asked in.
          reads_right: whether there was something to read after what was asked for.

        Returns:
          In words.
        """
        said = {
            "an upper bound": form.name == "bound",
            "left side alone": reads_right and not form.reads_right,
            f"{np.mean(self.is_cut_S):.0%} cut to fit {self.room} tokens": bool(
                np.any(self.is_cut_S)
            ),
        }
        return tuple(note for note, is_so in said.items() if is_so)


class Scorer:
    """Scores text with a model, on one device.

    Example:
      scorer = Scorer(read.model, read.weights, read.vocabulary, Row(0, 256, "decoder"))
      scorer.spans([Span(left, middle)], Format("causal")).nats_S

    Args:
      model: any architecture, on no mesh.
      weights: of the model.
      words: its vocabulary.
      row: how much it reads at once.
      passed: told how many questions were scored since it was told last.
    """

    def __init__(
        self,
        model: Transformer,
        weights: dict,
        words: Vocabulary,
        row: Row,
        passed: Callable[[int], None] = lambda many: None,
    ):
        self.model, self.words, self.row = model, words, row
        self._weights, self._passed = weights, passed
        self._rows = max(TOKENS // row.total, 1)

    def spans(self, spans: Sequence[Span], form: Format, seed: int = 0) -> Scores:
        """Scores spans in a format.

        Args:
          spans: of any lengths.
          form: how the model is asked.
          seed: of the draws of a bound.

        Returns:
          Their scores.

        Raises:
          ValueError: a span asks for nothing, or the row is too short for any.
        """
        number, questions, is_cut = [], [], []
        for at, span in enumerate(spans):
            if not span.middle:
                raise ValueError(f"span {at} asks for nothing: its middle is empty")
            fitted = form.fitted(span, self.row)
            is_cut.append(any(one.is_cut for one in fitted))
            for one in fitted:
                asked = form.questions(one, self.row.kind, self.words, seed)
                questions += asked
                number += [at] * len(asked)
        nats_S, is_best_S = self.questions(questions)
        total_S = np.bincount(number, nats_S, len(spans))
        wrong_S = np.bincount(number, ~is_best_S, len(spans))
        return Scores(total_S, wrong_S == 0, np.asarray(is_cut, bool), self.row.total)

    def questions(self, questions: Sequence[Question]) -> tuple[np.ndarray, np.ndarray]:
        """Scores questions.

        Args:
          questions: that fit the row; all in place, or none.

        Returns:
          float64 nats of each, its targets weighted by what they count; and bool, whether each of
          those that count was the likeliest.

        Raises:
          ValueError: one is longer than the row.
        """
        if not questions:
            return np.zeros(0), np.zeros(0, bool)
        given_S, learnt_S = (
            np.asarray([len(getattr(one, side)) for one in questions]) for side in ("given", "said")
        )
        for given, learnt in zip(given_S, learnt_S, strict=True):
            if not self._fits(questions[0], int(given), int(learnt)):
                raise ValueError(
                    f"a question of {given} and {learnt} tokens is longer than {self.row}"
                )
        most = max(max(one.given + one.said) for one in questions)
        if most >= self.model.size.vocab:
            raise ValueError(
                f"it would be asked with id {most}, and its table has "
                f"{self.model.size.vocab} rows: it was trained without that mark; ask it in "
                "another format"
            )
        if questions[0].is_in_place:
            learnt_S = np.zeros_like(given_S)  # no room besides
        packed = bins.fill(given_S, learnt_S, self.row)
        nats_S, is_best_S = np.zeros(len(questions)), np.zeros(len(questions), bool)
        for first in range(0, packed.rows, self._rows):
            row_B = np.arange(first, min(first + self._rows, packed.rows))
            chosen_S, at_S = packed.of(row_B)
            nats, is_best = self._batch([questions[one] for one in chosen_S], at_S)
            nats_S[chosen_S], is_best_S[chosen_S] = nats, is_best
            self._passed(len(chosen_S))
        return nats_S, is_best_S

    def _fits(self, question: Question, given: int, learnt: int) -> bool:
        if question.is_in_place:
            return given <= self.row.total
        return self.row.holds(given, learnt)

    def _batch(self, asked: list[Question], row_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nats of the questions of a few rows."""
        examples = Examples(
            row_S,
            np.asarray([len(one.given) for one in asked]),
            np.asarray([len(one.said) for one in asked]),
            sides=tuple(
                np.concatenate([getattr(one, side) for one in asked]).astype(np.int32)
                for side in ("given", "said")
            ),
            weights_L=np.concatenate([one.counts for one in asked]).astype(np.float32),
            is_in_place=asked[0].is_in_place,
        )
        batch = pack(examples, np.zeros(self._rows, np.int32), self.row, self.words.start)
        nats_BL, is_correct_BL = jax.device_get(_each(self.model, self._weights, batch))
        nats_S, wrong_S = np.zeros(len(asked)), np.zeros(len(asked))
        # Examples stand in a row in the order in which they were given.
        used_B = np.zeros(self._rows, int)
        for number, (one, row) in enumerate(zip(asked, row_S, strict=True)):
            before = 0 if one.is_in_place or self.row.kind == PAIR else len(one.given)
            begin = used_B[row] + before
            here = slice(begin, begin + len(one.said))
            used_B[row] = here.stop
            nats_S[number] = nats_BL[row, here].astype(np.float64) @ one.counts
            wrong_S[number] = np.sum(~is_correct_BL[row, here] & (one.counts > 0))
        return nats_S, wrong_S == 0


@functools.partial(jax.jit, static_argnums=0)
def _each(model: Transformer, weights: dict, batch):
    architecture = model.architecture
    with jax.default_matmul_precision(model.precision):
        x_BLD = model.apply({"params": weights}, batch, method=model.read)
        return loss.each(
            x_BLD,
            transformer.table(architecture, weights),
            batch.target_BL,
            batch.weight_BL,
            transformer.bias(architecture, weights),
            architecture.logit_cap,
        )
