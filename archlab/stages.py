"""Stages: a mixture for a budget, one after another.

Budgets are written as people say them ("1T", "100B", "3M" tokens) and turned into whole steps here,
so that no total is ever computed by hand.
"""

import dataclasses
import math
import re

from archlab.refusal import Refusal, blame
from archlab.size import Size
from archlab.spelling import nearest, not_one_of
from archlab.surgery.choices import Surgery

MOST = 2**63  # tokens or steps; no pod sees as many
UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
SCHEDULES = ("rsqrt", "cosine", "wsd", "flat")
WORDS = {  # what a stage's fields may say
    "unit": ("rows", "tokens", "loss_tokens"),
    "documents": ("joined", "whole"),
    "moments": ("keep", "reset"),
}


def count(budget: int | str) -> int:
    """Reads a number as people write it.

    Example:
      >>> count("100B")
      100000000000
      >>> count("1.5M")
      1500000

    Args:
      budget: a whole number, or digits followed by K, M, B or T.

    Returns:
      The number, at least 1.

    Raises:
      ValueError: anything else, or a budget that is not a whole number of at least 1.
    """
    if isinstance(budget, bool) or not isinstance(budget, int | str):
        raise ValueError(f"budget={budget!r}; write a whole number, or one like '3M', '100B', '1T'")
    match = re.fullmatch(
        r"(\d{1,19})(?:\.(\d{1,19}))?([KMBT]?)", str(budget).strip().replace("_", "")
    )
    if not match:
        raise ValueError(f"budget={budget!r}; write a whole number, or one like '3M', '100B', '1T'")
    whole, fraction, unit = match.group(1), match.group(2) or "", match.group(3)
    number, remainder = divmod(int(whole + fraction) * UNITS[unit], 10 ** len(fraction))
    if remainder or not 1 <= number < MOST:
        raise ValueError(f"budget={budget!r} is not a whole number of at least 1, below {MOST}")
    return number


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How the learning rate moves over the steps of one stage.

    Args:
      kind: "rsqrt" (1/sqrt of the step after the warm-up), "cosine" (to `floor` of the peak), "wsd"
        (warm-up, stable, linear decay over the last `decay` of the stage to `floor` of the peak) or
        "flat".
      peak: the highest learning rate.
      warmup: steps of linear warm-up from 0; for "rsqrt" the steps before the fall begins.
      decay: share of the stage, 0 to 1, that "wsd" decays for.
      floor: share of the peak, 0 to 1, that "cosine" and "wsd" end at.
      before: steps of the stages before, which "rsqrt" goes on from.

    Raises:
      ValueError: an unknown kind, or a number out of its range.
    """

    kind: str = "cosine"
    peak: float = 1e-3
    warmup: int = 0
    decay: float = 0.2
    floor: float = 0.0
    before: int = 0

    def __post_init__(self):
        if self.kind not in SCHEDULES:
            raise Refusal(f"Schedule.kind={not_one_of(self.kind, SCHEDULES)}", "Schedule.kind")
        if not 0 < self.peak < math.inf:
            raise Refusal(f"Schedule.peak={self.peak}; it is a number above 0", "Schedule.peak")
        for name in ("warmup", "before"):
            if getattr(self, name) < 0:
                setting = f"Schedule.{name}"
                raise Refusal(f"{setting}={getattr(self, name)}; it is 0 or more", setting)
        if self.before and self.kind != "rsqrt":
            said = f"and a schedule of kind {self.kind!r} begins with its stage; 'rsqrt' goes on"
            raise Refusal(f"Schedule.before={self.before}, {said}", "Schedule.before")
        for name in ("decay", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                setting = f"Schedule.{name}"
                raise Refusal(f"{setting}={getattr(self, name)}; it is a share, 0 to 1", setting)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A mixture for a budget.

    A row holds `inputs` + `targets` tokens. An encoder-decoder reads the first number in its
    encoder and the second in its decoder; the other architectures read their sum in their one
    stack, so that one stage gives every architecture the same text.

    Args:
      mixture: name of a SeqIO task or mixture.
      tokens: budget in tokens seen, as a number or like "100B"; a step sees rows × (inputs +
        targets) tokens, padding included, and the last step is taken whole.
      steps: the budget in steps instead; give one of the two.
      rows: rows of a step, over all devices and microbatches.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      accumulate: microbatches that a step is cut into; divides `rows`.
      architecture: name of another architecture; None keeps the run's.
      size: another size; None keeps the run's.
      surgery: how weights are made of the stage before's, or, in the first stage, of those that
        the run starts from; needed where the two have other weights than each other.
      schedule: the learning rate over this stage.
      unit: what the mixture's rates count: "rows", "tokens" (that rows hold) or "loss_tokens".
      documents: "joined" cuts rows from documents that stand one after another; "whole" fills rows
        with documents that are not cut unless they are longer than a row.
      moments: "keep" carries the optimizer's state over where the weights are carried over, from
        the stage before or, in the first, from the run that it starts from; "reset" begins anew.
        Unless given, the first stage begins anew and others keep; where a run starts from
        nothing, the first begins anew whatever it says.
      dropout: share of the values that is hidden while they are learnt from, 0 to 1: of the
        embedded text, of what each sublayer adds, of its hidden layer, of a stack's output;
        attention weights are left as they are.
      name: what records call it; the mixture's name unless given.

    Raises:
      ValueError: no budget or two, or a number that cannot be.

    Source: Raffel et al. 2020, section 3.1.2, for where values are dropped, attention apart; T5 1.1
      drops none in pretraining and a tenth in finetuning, so it is a stage's and not a model's.
    """

    mixture: str
    tokens: int | str | None = None
    steps: int | None = None
    rows: int = 8
    inputs: int = 0
    targets: int = 0
    accumulate: int = 1
    architecture: str | None = None
    size: Size | None = None
    surgery: Surgery | None = None
    schedule: Schedule = Schedule()
    unit: str = "rows"
    documents: str = "joined"
    moments: str | None = None
    dropout: float = 0.0
    name: str = ""

    def __post_init__(self):
        if (self.tokens is None) == (self.steps is None):
            raise Refusal(
                f"stage {self.mixture}: tokens={self.tokens}, steps={self.steps}; give one of them",
                "Stage.tokens",
            )
        if self.rows < 1 or self.accumulate < 1 or self.rows % self.accumulate:
            raise Refusal(
                f"stage {self.mixture}: accumulate={self.accumulate} does not divide "
                f"rows={self.rows}",
                "Stage.rows" if self.rows < 1 else "Stage.accumulate",
            )
        if self.inputs < 0 or self.targets < 1:
            raise Refusal(
                f"stage {self.mixture}: inputs={self.inputs}, targets={self.targets}; "
                "a row learns at least 1 token",
                "Stage.inputs" if self.inputs < 0 else "Stage.targets",
            )
        if not 0 <= self.dropout < 1:
            raise Refusal(
                f"stage {self.mixture}: dropout={self.dropout}; it is a share, 0 or more, below 1",
                "Stage.dropout",
            )
        for name, words in WORDS.items():
            if getattr(self, name) not in (*words, getattr(Stage, name)):
                said = not_one_of(getattr(self, name), words)
                raise Refusal(f"stage {self.mixture}: {name}={said}", f"Stage.{name}")
        if not self.name:
            object.__setattr__(self, "name", self.mixture)
        with blame("Stage.tokens" if self.steps is None else "Stage.steps"):
            self.total_steps  # noqa: B018 - a budget that cannot be read is refused here
        if self.surgery and self.surgery.frozen > self.total_steps:
            raise Refusal(
                f"stage {self.mixture}: Surgery.frozen={self.surgery.frozen}, and the stage has "
                f"{self.total_steps} steps; at most that many",
                "Surgery.frozen",
            )

    @property
    def row_tokens(self) -> int:
        """Tokens of one row, padding included."""
        return self.inputs + self.targets

    @property
    def total_steps(self) -> int:
        """Steps of the stage: the fewest that see the budget."""
        if self.steps is not None:
            return count(self.steps)
        assert self.tokens is not None  # one of the two is given
        return -(-count(self.tokens) // (self.rows * self.row_tokens))

    @property
    def total_tokens(self) -> int:
        """Tokens that those steps see, padding included."""
        return self.total_steps * self.rows * self.row_tokens


_STAGED: dict[str, tuple[Stage, ...]] = {}


def register(name: str, stages: list[Stage]) -> None:
    """Names a staged mixture, for `Run.stages = "t5_then_lm"`.

    Args:
      name: how it is asked for.
      stages: the stages, first to last.

    Raises:
      ValueError: the name is taken by other stages, or there are no stages.
    """
    if not stages:
        raise ValueError(f"staged mixture {name!r} has no stages")
    if _STAGED.get(name, tuple(stages)) != tuple(stages):
        raise ValueError(f"staged mixture {name!r} is registered already, with other stages")
    _STAGED[name] = tuple(stages)


def named(name: str) -> tuple[Stage, ...]:
    """The stages registered under a name.

    Args:
      name: as given to `register`.

    Returns:
      The stages, first to last.

    Raises:
      ValueError: no such name.
    """
    if name not in _STAGED:
        hint = nearest(name, _STAGED) or "; none is registered: name your Python with --module"
        raise Refusal(f"no staged mixture {name!r}{hint}", "Run.stages")
    return _STAGED[name]
