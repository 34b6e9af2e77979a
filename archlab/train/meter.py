"""The meter: what was learnt since the last record, and what the run has cost so far.

It is plain numbers, saved with every checkpoint, so that the records of a resumed run are those of
a run that was never stopped, to the last digit.
"""

import dataclasses
import math

import numpy as np

from archlab.batch import Array
from archlab.ledger import Flops, Ledger
from archlab.train.loss import Sums
from archlab.train.step import Outcome


@dataclasses.dataclass
class Losses:
    """Sums of the loss over any number of batches, by objective.

    Args:
      nats: cross-entropy, by objective.
      weight: loss tokens, by objective.
      z_nats: z-loss of all objectives.
      correct: loss tokens whose likeliest token was the target, of all objectives.
      balance: how unevenly experts were chosen, by loss tokens; None where there are none.
    """

    nats: dict[str, float] = dataclasses.field(default_factory=dict)
    weight: dict[str, float] = dataclasses.field(default_factory=dict)
    z_nats: float = 0.0
    correct: float = 0.0
    balance: float | None = None

    def add(self, sums: Sums, names: list[str], objective_B: Array) -> None:
        """Takes in one batch.

        Args:
          sums: of the batch, NumPy arrays.
          names: of the objectives that `objective_B` numbers.
          objective_B: which objective each row is from.
        """
        for number in np.unique(objective_B):
            is_its_B, name = objective_B == number, names[number]
            nats = float(np.sum(sums.loss_B[is_its_B], dtype=np.float64))
            weight = float(np.sum(sums.weight_B[is_its_B], dtype=np.float64))
            self.nats[name] = self.nats.get(name, 0.0) + nats
            self.weight[name] = self.weight.get(name, 0.0) + weight
        self.z_nats += float(np.sum(sums.z_B, dtype=np.float64))
        self.correct += float(np.sum(sums.correct_B, dtype=np.float64))
        if sums.balance_B is not None:
            balance = float(np.sum(sums.balance_B, dtype=np.float64))
            self.balance = (self.balance or 0.0) + balance

    def means(self) -> dict:
        """Divides by the loss tokens.

        Returns:
          "loss", "loss_by_objective" (in order of name), "z_loss" in nats per loss token, and
          "accuracy", a share; "balance" where there are experts: 1 is even, their number is all to
          one. NaN where there are no loss tokens.
        """
        total = sum(self.weight.values())
        over = total if total else math.nan
        uneven = {} if self.balance is None else {"balance": self.balance / over}
        return {
            "loss": sum(self.nats.values()) / over,
            "loss_by_objective": {
                name: self.nats[name] / self.weight[name] if self.weight[name] else math.nan
                for name in sorted(self.nats)
            },
            "z_loss": self.z_nats / over,
            "accuracy": self.correct / over,
            **uneven,
        }


@dataclasses.dataclass
class Meter:
    """What was learnt since the last record, and the ledger.

    Args:
      ledger: what the run has cost.
      losses: since the last record.
      gradient_norm: of the last step, before clipping.
      learning_rate: of the last step.
      tokens: seen by this process since the last record.
      seconds: spent on them by this process.
      waited: how many of the seconds were spent waiting for data.
      validated: the last validation loss, nats per loss token; NaN before the first.
    """

    ledger: Ledger
    losses: Losses = dataclasses.field(default_factory=Losses)
    gradient_norm: float = 0.0
    learning_rate: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    validated: float = math.nan

    def add(self, outcome: Outcome, names: list[str], flops: Flops, tokens: int) -> None:
        """Takes in one step.

        Args:
          outcome: of the step, NumPy arrays.
          names: of the objectives that its `objective_B` numbers.
          flops: of the step.
          tokens: of the step, padding included.
        """
        self.losses.add(outcome.sums, names, outcome.objective_B)
        self.gradient_norm = float(outcome.gradient_norm)
        self.learning_rate = float(outcome.learning_rate)
        self.tokens += tokens
        self.ledger.flops = self.ledger.flops.plus(flops)
        self.ledger.tokens += tokens
        self.ledger.loss_tokens += float(np.sum(outcome.sums.weight_B, dtype=np.float64))
        self.ledger.padding += int(outcome.padding)

    def took(self, seconds: float, waited: float) -> None:
        """Takes in the time of a step.

        Args:
          seconds: from the step before to this one.
          waited: how many of them the host waited for data.
        """
        self.ledger.seconds += seconds
        self.seconds += seconds
        self.waited += waited

    @property
    def is_finite(self) -> bool:
        """Whether the losses since the last record, and the last gradient, are numbers."""
        return all(map(math.isfinite, [*self.losses.nats.values(), self.gradient_norm]))

    def read(self) -> dict:
        """Gives the means since the last record, and begins anew.

        Returns:
          The fields of a "train" record that are not about its place. "waiting" is a share: an
          upper bound, since the devices may still be at work while the host waits.
        """
        fields = {
            **self.ledger.as_dict(),
            **self.losses.means(),
            "gradient_norm": self.gradient_norm,
            "learning_rate": self.learning_rate,
            "tokens_per_second": self.tokens / self.seconds if self.seconds else 0.0,
            "waiting": self.waited / self.seconds if self.seconds else 0.0,
        }
        self.losses = Losses()
        self.tokens, self.seconds, self.waited = 0, 0.0, 0.0
        return fields

    def as_dict(self) -> dict:
        """What a checkpoint keeps.

        Returns:
          Plain numbers by name; `restored` reads them. Speed is this process's own and not kept.
        """
        return {**dataclasses.asdict(self), "tokens": 0, "seconds": 0.0, "waited": 0.0}


def restored(kept: dict) -> Meter:
    """Reads a meter from a checkpoint.

    Args:
      kept: from `Meter.as_dict`.

    Returns:
      The meter as it stood.
    """
    ledger = Ledger(**{**kept["ledger"], "flops": Flops(**kept["ledger"]["flops"])})
    return Meter(**{**kept, "ledger": ledger, "losses": Losses(**kept["losses"])})
