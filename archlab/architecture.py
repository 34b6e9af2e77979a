"""What an architecture is, in words: which stacks there are, who sees whom, which ingredients.

All four are built of one set of blocks (`model/transformer.py`), so that what differs between two
runs is only what is declared here.
"""

import dataclasses

from archlab.refusal import Refusal
from archlab.spelling import not_one_of

VISIBILITY = {
    "causal_decoder": "causal",
    "prefix_decoder": "prefix",
    "encoder_decoder": "causal",
    "encoder": "full",
}
POSITIONS = ("rope", "relative", "none")
GATED = ("swiglu", "geglu")
ACTIVATIONS = (*GATED, "relu")


def _choose(field: str, value: str, allowed) -> None:
    if value not in allowed:
        raise Refusal(f"{field}={not_one_of(value, allowed)}", field)


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One architecture.

    Args:
      name: a key of `VISIBILITY`: causal_decoder, prefix_decoder, encoder_decoder or encoder.
      position: how a stack knows order: "rope" (rotary), "relative" (T5's bias), "none".
      activation: of the hidden layer: "swiglu", "geglu" (both gated) or "relu".
      tied: whether the logits are read off the embedding table.

    Raises:
      ValueError: a word that is not in the lists of this file.
    """

    name: str
    position: str = "rope"
    activation: str = "swiglu"
    tied: bool = True

    def __post_init__(self):
        _choose("Architecture.name", self.name, VISIBILITY)
        _choose("Architecture.position", self.position, POSITIONS)
        _choose("Architecture.activation", self.activation, ACTIVATIONS)

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks, in the order that text passes them."""
        return {"encoder": ("encoder",), "encoder_decoder": ("encoder", "decoder")}.get(
            self.name, ("decoder",)
        )

    @property
    def visibility(self) -> str:
        """Who sees whom in the last stack: "causal", "prefix" or "full"."""
        return VISIBILITY[self.name]

    @property
    def is_gated(self) -> bool:
        """Whether the hidden layer has a second product that opens and shuts it."""
        return self.activation in GATED

    @property
    def kind(self) -> str:
        """How its rows are laid out: "decoder", "encoder_decoder" or "encoder"."""
        return "_".join(self.stacks)
