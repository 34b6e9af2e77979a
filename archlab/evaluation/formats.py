"""Formats: how a model is asked for a piece of a text, in the form that it was trained on.

A span is a text in three: what stands before, the piece that is asked for, what stands after. A
format lays it out as questions, each inputs and targets as an objective makes them, so that one
packing and one model serve training and evaluation. The nats of a span are those of the counted
targets of all its questions. Only tokens of the piece are ever counted: no sentinel and no end.
"""

import dataclasses

import numpy as np

from archlab.data.objectives.denoising import Denoising
from archlab.data.objectives.infilling import Infilling, marks
from archlab.data.objectives.language import Language
from archlab.data.objectives.masking import Masking
from archlab.data.objectives.objective import Objective
from archlab.data.row import ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary
from archlab.spelling import not_one_of

IN_PLACE = ("unmasking", "bound")
BOTH_SIDES = ("sentinel", "whole", "infilling", *IN_PLACE)
FORMATS = ("causal", "prefix", *BOTH_SIDES)
SPARE = 5  # the most tokens besides text that a format adds to a side
DRAWS = 8  # of masks, for a bound


@dataclasses.dataclass(frozen=True)
class Span:
    """A text in three, as ids.

    Args:
      left: what stands before.
      middle: what is asked for, at least one.
      right: what stands after.
      is_cut: whether some of what stood around it, or the rest of a longer piece, was left out.
    """

    left: tuple[int, ...]
    middle: tuple[int, ...]
    right: tuple[int, ...] = ()
    is_cut: bool = False

    def windows(self, context: int, piece: int) -> list["Span"]:
        """Cuts it down to what a model can read at once.

        A longer middle becomes several, each with what was said before it on its left, so that
        their nats add up by the chain rule; of what stands around, the nearest is kept.

        Example:
          >>> Span((1, 2, 3), (4, 5, 6), (7,)).windows(context=2, piece=2)[1]
          Span(left=(5,), middle=(6,), right=(7,), is_cut=True)

        Args:
          context: tokens of left and right together, at least 2.
          piece: tokens of the middle, at least 1.

        Returns:
          Spans that fit, in order.
        """
        found = []
        for at in range(0, len(self.middle), piece):
            # What is still to be said is not shown.
            left, right = (*self.left, *self.middle[:at]), self.right
            near = min(len(right), max(context // 2, context - len(left)))
            kept = left[max(len(left) - (context - near), 0) :]
            is_cut = len(kept) + near < len(left) + len(right) or len(self.middle) > piece
            middle = self.middle[at : at + piece]
            found.append(Span(kept, middle, right[:near], self.is_cut or is_cut))
        return found


@dataclasses.dataclass(frozen=True)
class Question:
    """One example, some of whose targets count.

    Args:
      given: ids of its inputs.
      said: ids of its targets.
      counts: float64, how much the nats of each target count, 0 or more.
      is_in_place: whether the targets stand where the inputs do.
    """

    given: tuple[int, ...]
    said: tuple[int, ...]
    counts: np.ndarray
    is_in_place: bool = False


@dataclasses.dataclass(frozen=True)
class Format:
    """How a model is asked.

    Example, the text 5 6 | 7 8 | 9, S0 a sentinel, P, S and M the marks of infilling, _ the mask:
      causal     inputs                  targets 5 6 7 8       counted 7 8, nothing after is read
      prefix     inputs 5 6              targets 7 8           counted 7 8, nothing after is read
      sentinel   inputs 5 6 S0 9 end     targets S0 7 8        counted 7 8
      whole      inputs 5 6 S0 S0 9 end  targets 5 6 7 8       counted 7 8
      infilling  inputs                  targets P 5 6 S 9 M 7 8 counted 7 8
      unmasking  inputs 5 6 _ _ 9, then 5 6 7 _ 9; each in place, counted 7, then 8
      bound      inputs with some of the middle masked, in place; all that are masked count

    Unmasking says one token after another, so that its nats add up to those of the piece, given how
    many tokens it has. A bound does not: it is no less than the nats, on average over its draws.

    Args:
      name: one of `FORMATS`.
      mode: name of the mode token before the inputs, in UL2's words; "" for none.
      is_shifted: whether a token is named at the position before it by a model that says in place.

    Raises:
      ValueError: there is no such format.

    Source: Raffel et al. 2020, section 3.1.4 ("sentinel"); Tay et al. 2022, section 3.1 (modes);
      Bavarian et al. 2022, section 3 ("infilling"); Salazar et al. 2020, section 2, of whose
      pseudo-likelihood "unmasking" is the form that adds up; Nie et al. 2025 (LLaDA), equation 6
      ("bound").
    """

    name: str
    mode: str = ""
    is_shifted: bool = False

    def __post_init__(self):
        if self.name not in FORMATS:
            raise ValueError(f"format {not_one_of(self.name, FORMATS)}")

    @property
    def reads_right(self) -> bool:
        """Whether what stands after the piece is read."""
        return self.name in BOTH_SIDES

    @property
    def said(self) -> str:
        """Its name and what it adds to it, for people."""
        mode, shift = f" <{self.mode}>" * bool(self.mode), ", shifted" * self.is_shifted
        return f"{self.name}{mode}{shift}"

    def suits(self, kind: str) -> bool:
        """Says whether rows of a kind can hold what it lays out.

        Args:
          kind: of the row.

        Returns:
          True if they can.
        """
        if kind == ENCODER:
            return self.name in IN_PLACE
        if kind == PAIR:
            return self.name in ("prefix", "sentinel", "whole")
        return self.name not in IN_PLACE or self.is_shifted

    def fitted(self, span: Span, row: Row) -> list[Span]:
        """Cuts a span down to what fits a row in this format.

        Args:
          span: any.
          row: what there is room for.

        Returns:
          Spans, in order; their nats add up.

        Raises:
          ValueError: the row is too short for any text.
        """
        is_twice = self.name == "whole"  # the text, on both sides
        if row.kind == PAIR:
            context, piece = row.inputs - SPARE, row.targets - SPARE
            if is_twice:
                context = piece = min(context, piece) // 2
        else:
            room = (row.total // 2 if is_twice else row.total) - SPARE
            piece = min(len(span.middle), room // 2)
            context = room - piece
        if context < 2 or piece < 1:
            raise ValueError(f"{row} is too short to ask anything of; it holds more than {SPARE}")
        if not self.reads_right:
            span = dataclasses.replace(span, right=())
        return span.windows(context, piece)

    def questions(self, span: Span, kind: str, words: Vocabulary, seed: int = 0) -> list[Question]:
        """Lays a span out.

        Args:
          span: that fits a row.
          kind: of the row.
          words: the model's vocabulary.
          seed: of the draws of a bound.

        Returns:
          One question, or as many as there are tokens to unmask or masks to draw.
        """
        left, middle, right = span.left, span.middle, span.right
        mode = (words.modes[self.mode],) if self.mode else ()
        if self.name == "causal":
            return [_asked((), left, middle)]
        if self.name == "prefix":
            given = (*mode, *left)
            if kind == PAIR and not given:
                given = (words.end,)  # an encoder has to read something: the text before has ended
            return [_asked(given, (), middle)]
        if self.name == "infilling":
            prefix, suffix, between = marks(words)
            return [_asked((), (prefix, *left, suffix, *right, between), middle)]
        if self.name in IN_PLACE:
            shown = _revealed(span) if self.name == "unmasking" else _drawn(span, seed)
            return [self._masked(span, kind, words, *one) for one in shown]
        hidden, ending = words.sentinel(0), (words.end,)
        if self.name == "sentinel":
            return [_asked((*mode, *left, hidden, *right, *ending), (hidden,), middle)]
        return [_asked((*mode, *left, *(hidden for _ in middle), *right, *ending), left, middle)]

    def _masked(self, span: Span, kind: str, words: Vocabulary, is_hidden, counts) -> Question:
        """A question in place."""
        shown = np.where(is_hidden, words.mask, span.middle).tolist()
        left = span.left
        if self.is_shifted and kind == ENCODER and not left:
            left = (words.end,)  # the first token is named at a place before it
        given = (*left, *shown, *span.right)
        said = (*left, *span.middle, *span.right)
        counted = np.zeros(len(said))
        counted[len(left) : len(left) + len(span.middle)] = counts
        if self.is_shifted and kind == ENCODER:
            said, counted = (*said[1:], 0), np.append(counted[1:], 0.0)
        return Question(given, said, counted, is_in_place=True)


def _asked(given: tuple, before: tuple, middle: tuple) -> Question:
    """A question whose targets end in the middle: what would come after it is not asked for."""
    counts = np.repeat([0.0, 1.0], [len(before), len(middle)])
    return Question(given, (*before, *middle), counts)


def _revealed(span: Span):
    """Which of the middle are hidden, and what each counts, one token after another."""
    place = np.arange(len(span.middle))
    for number in place:
        yield place >= number, 1.0 * (place == number)


def _drawn(span: Span, seed: int):
    """Masks of the middle, whose numbers are evenly spread, and what each hidden token counts."""
    length = len(span.middle)
    random = np.random.default_rng([seed, length, *span.middle])
    shares = (random.random() + np.arange(DRAWS) / DRAWS) % 1.0
    for share in shares:
        many = 1 + int(share * length)
        is_hidden = np.zeros(length, bool)
        is_hidden[random.permutation(length)[:many]] = True
        yield is_hidden, is_hidden * (length / many / DRAWS)


def of(objective: Objective) -> Format:
    """Says how a model that was trained on an objective is asked.

    Args:
      objective: any of them.

    Returns:
      The format that lays texts out as the objective does; for one that hides without a mark, or
      changes the order, that of a prefix LM.
    """
    if isinstance(objective, Language):
        return Format("causal" if objective.split == "none" else "prefix", objective.mode)
    if isinstance(objective, Infilling):
        return Format("infilling")
    if isinstance(objective, Masking):
        name = "unmasking" if objective.rate else "bound"
        return Format(name, is_shifted=objective.is_shifted)
    if isinstance(objective, Denoising):
        names = {"sentinels": "sentinel", "masked": "whole", "replaced": "whole"}
        return Format(names.get(objective.form, "prefix"), objective.mode)
    raise ValueError(f"{type(objective).__name__} says nothing of how a model is asked")
