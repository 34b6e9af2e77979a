"""The meter: what was learnt since the last record, and what the run has cost so far.

It is plain numbers, saved with every checkpoint, so that the records of a resumed run are those of
a run that was never stopped, to the last digit.
"""

import dataclasses
import math

import numpy as np

from archlab.batch import Batch
from archlab.ledger import Flops, Ledger
from archlab.train.step import Outcome


def padding(batch: Batch) -> int:
    """Counts the positions that hold no text.

    Args:
      batch: NumPy arrays.

    Returns:
      Positions of all streams whose segment is empty.
    """
    streams = [stream for stream in (batch.encoder, batch.decoder) if stream is not None]
    return sum(int(np.sum(stream.end_BL == 0)) for stream in streams)


@dataclasses.dataclass
class Meter:
    """Sums since the last record, and the ledger.

    Args:
      ledger: what the run has cost.
      steps: since the last record.
      loss: nats since the last record, by objective.
      weight: loss tokens since the last record, by objective.
      z_loss: nats since the last record.
      correct: loss tokens whose likeliest token was right.
      gradient_norm: of the last step.
      learning_rate: of the last step.
      waited: seconds spent waiting for data since the last record; not saved.
      busy: seconds since the last record; not saved.
    """

    ledger: Ledger
    steps: int = 0
    loss: dict[str, float] = dataclasses.field(default_factory=dict)
    weight: dict[str, float] = dataclasses.field(default_factory=dict)
    z_loss: float = 0.0
    correct: float = 0.0
    gradient_norm: float = 0.0
    learning_rate: float = 0.0
    waited: float = 0.0
    busy: float = 0.0
    tokens: int = 0

    def add(
        self, outcome: Outcome, names: list[str], batch: Batch, flops: Flops, tokens: int
    ) -> None:
        """Takes in one step.

        Args:
          outcome: of the step, fetched.
          names: of the objectives that `batch.objective_B` numbers.
          batch: what was learnt from, NumPy arrays.
          flops: of the step.
          tokens: of the step, padding included.
        """
        sums = outcome.sums
        for number in np.unique(batch.objective_B):
            is_its_B, name = batch.objective_B == number, names[number]
            for kept, rows_B in ((self.loss, sums.loss_B), (self.weight, sums.weight_B)):
                kept[name] = kept.get(name, 0.0) + float(np.sum(rows_B[is_its_B], dtype=np.float64))
        self.z_loss += float(np.sum(sums.z_B, dtype=np.float64))
        self.correct += float(np.sum(sums.correct_B, dtype=np.float64))
        self.gradient_norm = float(outcome.gradient_norm)
        self.learning_rate = float(outcome.learning_rate)
        self.steps += 1
        self.tokens += tokens
        spent = self.ledger.flops
        self.ledger.flops = Flops(
            spent.body + flops.body, spent.head + flops.head, spent.attention + flops.attention
        )
        self.ledger.tokens += tokens
        self.ledger.loss_tokens += float(np.sum(sums.weight_B, dtype=np.float64))
        self.ledger.padding += padding(batch)

    def took(self, seconds: float, waited: float) -> None:
        """Takes in the time of a step.

        Args:
          seconds: from the step before to this one.
          waited: how many of them the host waited for data.
        """
        self.ledger.seconds += seconds
        self.busy += seconds
        self.waited += waited

    @property
    def is_finite(self) -> bool:
        """Whether every number so far is one."""
        return all(map(math.isfinite, [*self.loss.values(), self.gradient_norm]))

    def read(self) -> dict:
        """Gives the means since the last record, and begins anew.

        Returns:
          The fields of a "train" record that are not about its place.
        """
        weight = sum(self.weight.values()) or 1.0
        fields = {
            **self.ledger.as_dict(),
            "loss": sum(self.loss.values()) / weight,
            "loss_by_objective": by_objective(self.loss, self.weight),
            "z_loss": self.z_loss / weight,
            "accuracy": self.correct / weight,
            "gradient_norm": self.gradient_norm,
            "learning_rate": self.learning_rate,
            "tokens_per_second": self.tokens / self.busy if self.busy else 0.0,
            "waiting": self.waited / self.busy if self.busy else 0.0,
        }
        self.loss, self.weight = {}, {}
        self.z_loss = self.correct = self.waited = self.busy = 0.0
        self.steps = self.tokens = 0
        return fields

    def as_dict(self) -> dict:
        """What a checkpoint keeps.

        Returns:
          Plain numbers by name; `restored` reads them.
        """
        return {**dataclasses.asdict(self), "waited": 0.0, "busy": 0.0, "tokens": 0}


def restored(kept: dict) -> Meter:
    """Reads a meter from a checkpoint.

    Args:
      kept: from `Meter.as_dict`.

    Returns:
      The meter as it stood.
    """
    ledger = Ledger(**{**kept["ledger"], "flops": Flops(**kept["ledger"]["flops"])})
    return Meter(**{**kept, "ledger": ledger})


def by_objective(loss: dict[str, float], weight: dict[str, float]) -> dict[str, float]:
    """Divides the loss of each objective by its loss tokens.

    Args:
      loss: nats, by objective.
      weight: loss tokens, by objective.

    Returns:
      Nats per loss token, by objective in order of name; those without loss tokens are left out.
    """
    return {name: loss[name] / weight[name] for name in sorted(loss) if weight[name]}
