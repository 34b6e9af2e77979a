"""Choices: what a surgery leaves open, since more than one way is right."""

import dataclasses

from archlab.refusal import Refusal
from archlab.spelling import not_one_of

CROSS = ("self", "fresh", "silent")
DEPTH = ("stack", "interleave", "silent")
ROWS = ("mean", "fresh")
_WORDS = {"cross": CROSS, "depth": DEPTH, "rows": ROWS}


@dataclasses.dataclass(frozen=True)
class Surgery:
    """How weights are made of those of another architecture or size.

    Example, depth from 2 layers to 4, and from 4 to 2:
      stack        0 1 0 1    0 1
      interleave   0 0 1 1    0 2
      silent       0 . 1 .    0 2    a dot adds nothing to the stream at first

    Args:
      cross: what a decoder's attention to the other stack begins as, where it had none: "self", its
        attention to itself; "fresh", as at a first step; "silent", as "self", but what it adds to
        the stream is 0 until it has learnt, so that the decoder goes on where it stood.
      depth: which old layer each layer of a deeper or shallower stack begins as: "stack" counts
        through them again and again; "interleave" repeats each where it stands; "silent" does so
        too, and the repeated ones add nothing to the stream until they have learnt.
      rows: what the rows of new ids begin as: "mean", that of all old rows; "fresh", as at a first
        step.
      frozen: steps, from the stage's first, in which nothing moves but what is new: what was made,
        attention to the other stack, and layers that repeat another; 0 or more.

    Raises:
      ValueError: an unknown word, or a number below 0.

    Source: Zhang et al. 2025 (T5Gemma), arXiv 2504.06225 (`cross` from attention to itself, or
      drawn, and learnt first while all else is frozen); Gong et al. 2019 ("stack"); Chang et al.
      2018, section 3 ("interleave"); Wu et al. 2024 (LLaMA Pro), section 3.2 ("silent" layers:
      output products of 0); Hewitt 2021 (the mean of all rows).
    """

    cross: str = "self"
    depth: str = "stack"
    rows: str = "mean"
    frozen: int = 0

    def __post_init__(self):
        for field, words in _WORDS.items():
            if getattr(self, field) not in words:
                setting = f"Surgery.{field}"
                raise Refusal(f"{setting}={not_one_of(getattr(self, field), words)}", setting)
        if self.frozen < 0:
            raise Refusal(f"Surgery.frozen={self.frozen}; it is 0 or more", "Surgery.frozen")
