"""How big a model is: one number for each word of the alphabet that a weight can have."""

import dataclasses

from archlab.refusal import Refusal

# Half of the buckets behind a position hold one distance each, and the last begins at a distance of
# about 128 (`model/position.py`): there are no more to sort.
MOST_BUCKETS = 252
MOST = 2**24  # of anything; a slip of the finger is told sooner than it is tried
OPTIONAL = ("encoder_layers", "positions", "experts", "base_embed", "base_kv")


@dataclasses.dataclass(frozen=True)
class Size:
    """The extents of a model's dimensions.

    Args:
      layers: blocks in each stack.
      embed: width of the residual stream.
      mlp: width of the hidden layer.
      heads: query heads.
      kv_heads: key and value heads; divides `heads`. 0 means one for each query head.
      kv: width of one head.
      vocab: rows of the embedding table; at least the ids of the vocabulary.
      buckets: relative-position buckets, used where the position is "relative"; a multiple of 4, at
        most `MOST_BUCKETS`.
      encoder_layers: blocks in the encoder of an encoder-decoder, where it is not as deep as the
        decoder; 0 means that it is.
      positions: rows of the table of positions, used where the position is "learned": the longest
        text that a stack can read.
      experts: hidden layers in each layer, of which a token is sent to a few; 0 is one hidden layer
        that all tokens pass.
      choices: experts that a token is sent to; at most `experts`.
      base_embed: the `embed` of a smaller model whose learning rate is to suit
        this one too (muP), as docs/ingredients.md explains; 0 scales nothing.
      base_kv: the `kv` of that model, where it is another; 0 means that it is not.

    Raises:
      ValueError: a number that cannot be, with the number that could.

    Source: Yang et al. 2021 (Tensor Programs V), tables 3 and 8, for muP.
    """

    layers: int
    embed: int
    mlp: int
    heads: int
    kv: int
    vocab: int
    kv_heads: int = 0
    buckets: int = 32
    encoder_layers: int = 0
    positions: int = 0
    experts: int = 0
    choices: int = 1
    base_embed: int = 0
    base_kv: int = 0

    def __post_init__(self):
        if not self.kv_heads:
            object.__setattr__(self, "kv_heads", self.heads)
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), int(field.name not in OPTIONAL)
            setting = f"Size.{field.name}"
            if value < least:
                said = f"{setting}={value}; it counts something, so at least {least}"
                raise Refusal(said, setting)
            if value > MOST:
                raise Refusal(f"{setting}={value}; at most {MOST}", setting)
        if self.heads % self.kv_heads:
            raise Refusal(
                f"Size.kv_heads={self.kv_heads} does not divide Size.heads={self.heads}; "
                f"the divisors are {[n for n in range(1, self.heads + 1) if not self.heads % n]}",
                "Size.kv_heads",
            )
        if self.buckets % 4:
            raise Refusal(
                f"Size.buckets={self.buckets}; half are for each side, and half of those for near "
                f"keys, so a multiple of 4: {self.buckets // 4 * 4 + 4}",
                "Size.buckets",
            )
        if self.buckets > MOST_BUCKETS:
            raise Refusal(
                f"Size.buckets={self.buckets}; T5's distances have room for {MOST_BUCKETS}",
                "Size.buckets",
            )
        if self.choices > max(self.experts, 1):
            raise Refusal(
                f"Size.choices={self.choices}, and there are Size.experts={self.experts} to choose "
                f"from; at most {max(self.experts, 1)}",
                "Size.choices",
            )
        if self.base_kv and not self.base_embed:
            raise Refusal(
                f"Size.base_kv={self.base_kv} is that of a smaller model, and Size.base_embed does "
                "not say how wide that is",
                "Size.base_kv",
            )
        if self.kv % 2:
            raise Refusal(
                f"Size.kv={self.kv} is odd; rotary positions turn pairs of numbers: {self.kv + 1}",
                "Size.kv",
            )

    def depth(self, stack: str) -> int:
        """Counts the blocks of a stack.

        Args:
          stack: "encoder" or "decoder".

        Returns:
          How many layers it has.
        """
        return self.encoder_layers or self.layers if stack == "encoder" else self.layers

    def within(self, stacks: tuple[str, ...]) -> "Size":
        """The same size for other stacks; one that is left alone is as deep as it was.

        Args:
          stacks: of `Architecture.stacks`.

        Returns:
          The size.
        """
        if len(stacks) == 2 or not self.encoder_layers:
            return self
        return dataclasses.replace(self, layers=self.depth(stacks[0]), encoder_layers=0)

    @property
    def ratio(self) -> float:
        """Width of the model that the learning rate suits, as a share of this one's."""
        return self.base_embed / self.embed if self.base_embed else 1.0

    @property
    def kv_ratio(self) -> float:
        """Width of that model's heads, as a share of this one's."""
        return self.base_kv / self.kv if self.base_kv else 1.0
