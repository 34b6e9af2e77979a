"""What a row has room for, and how it is laid out."""

import dataclasses

DECODER, PAIR, ENCODER = "decoder", "encoder_decoder", "encoder"
KINDS = (DECODER, PAIR, ENCODER)


@dataclasses.dataclass(frozen=True)
class Row:
    """What a row has room for.

    Args:
      inputs: tokens that are given.
      targets: tokens that are learnt.
      kind: "decoder", "encoder_decoder" or "encoder"; all but the second have one stream of both.
    """

    inputs: int
    targets: int
    kind: str

    @property
    def total(self) -> int:
        """Tokens of both together."""
        return self.inputs + self.targets

    def holds(self, inputs: int, targets: int) -> bool:
        """Whether an example fits.

        Args:
          inputs: tokens that are given.
          targets: tokens that are learnt.

        Returns:
          True if it does: an encoder-decoder has a side for each, the others one room for both.
        """
        if self.kind == PAIR:
            return inputs <= self.inputs and targets <= self.targets
        return inputs + targets <= self.total
