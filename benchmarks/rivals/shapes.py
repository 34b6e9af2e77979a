"""What is trained on the CPU, once for everyone. Imports nothing that is not in every Python."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Shape:
    """A model, and the rows of a step.

    Args:
      kind: "decoder", "prefix_decoder" (half of its row is inputs) or "encoder_decoder".
      layers: of each stack.
      embed: width of the stream.
      mlp: width of the hidden layer, which is gated.
      heads: of attention.
      kv: width of each.
      vocab: rows of the table, which is not tied to the head.
      rows: of a step.
      inputs: tokens of a row that the encoder reads; 0 for a decoder.
      targets: tokens of a row that are learnt.
    """

    kind: str
    layers: int
    embed: int
    mlp: int
    heads: int
    kv: int
    vocab: int
    rows: int
    inputs: int
    targets: int

    @property
    def tokens(self) -> int:
        """Of a step."""
        return self.rows * (self.inputs + self.targets)


SHAPES = {
    "decoder": Shape("decoder", 6, 512, 1408, 8, 64, 8192, 4, 0, 512),
    "encoder_decoder": Shape("encoder_decoder", 6, 512, 1408, 8, 64, 8192, 4, 512, 128),
    "gpu_causal": Shape("decoder", 16, 2048, 8192, 16, 128, 32128, 8, 0, 2048),
    "gpu_prefix": Shape("prefix_decoder", 16, 2048, 8192, 16, 128, 32128, 8, 0, 2048),
    "gpu_encoder_decoder": Shape("encoder_decoder", 8, 2048, 8192, 16, 128, 32128, 8, 1024, 1024),
}
STEPS = 4  # of a turn
