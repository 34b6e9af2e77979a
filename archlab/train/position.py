"""Where a run stands: what a checkpoint keeps besides its arrays, with a digest of itself."""

import dataclasses
import hashlib
import json

from archlab.train.meter import Meter, restored


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a run stands.

    Args:
      total_step: steps taken in all stages, which is what its checkpoint is called.
      stage: number of the stage, from 0.
      step: steps taken in it.
      meter: what the run has learnt and cost.
      bit_sums: of the arrays that stand beside it, by path.
    """

    total_step: int
    stage: int
    step: int
    meter: Meter
    bit_sums: dict[str, int] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict:
        """What a checkpoint keeps.

        Returns:
          JSON-able, with a digest of itself; `restored` reads it.
        """
        fields = {**vars(self), "meter": self.meter.as_dict()}
        return {**fields, "sha256": _digest(fields)}

    @classmethod
    def restored(cls, kept: dict) -> "Position":
        """Reads a position from a checkpoint.

        Args:
          kept: from `as_dict`.

        Returns:
          The position.

        Raises:
          ValueError: it is not what was saved.
        """
        fields = dict(kept)
        if fields.pop("sha256", None) != _digest(fields):
            raise ValueError("its position is not what was saved")
        return cls(**{**fields, "meter": restored(fields["meter"])})


def _digest(fields: dict) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
