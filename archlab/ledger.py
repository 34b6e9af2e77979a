"""What a run costs: FLOPs by part, parameters stored and visited, tokens, loss tokens, padding.

FLOPs are counted from the shapes. XLA's own count is no substitute, for it counts a scanned layer
once however often it runs; a test holds the two equal on an unrolled program.

Each multiply-add is 2 FLOPs, and a training step is 3 forward passes: the gradient of a product is
two products. What remat computes twice is not counted, since it learns nothing. Attention is
counted as if every query met every key, or every key that a window lets it see, though what nobody
sees may be skipped; look-ups, norms, biases and softmaxes are left out, as is the custom. Logits
are counted where they are made, at positions that carry loss (`train/loss.py`), but not those that
fill up the last chunk, which teach nothing.
"""

import dataclasses

from archlab.architecture import Architecture
from archlab.size import Size


@dataclasses.dataclass(frozen=True)
class Flops:
    """FLOPs by part.

    Args:
      body: products with the weights of the layers.
      head: products with the table that makes the logits.
      attention: products of queries with keys, and of their weights with values.
    """

    body: int = 0
    head: int = 0
    attention: int = 0

    def times(self, number: int) -> "Flops":
        """The FLOPs of several times the same.

        Args:
          number: how many times.

        Returns:
          Each part, multiplied.
        """
        return Flops(self.body * number, self.head * number, self.attention * number)

    def plus(self, other: "Flops") -> "Flops":
        """The FLOPs of both together.

        Args:
          other: the FLOPs to add.

        Returns:
          The sum, part by part.
        """
        return Flops(
            self.body + other.body, self.head + other.head, self.attention + other.attention
        )

    @property
    def total(self) -> int:
        """All parts together."""
        return self.body + self.head + self.attention


def forward(
    size: Size,
    architecture: Architecture,
    inputs: int,
    targets: int,
    scored: float | None = None,
) -> Flops:
    """Counts the FLOPs of one row, forward.

    Example, a decoder with embed=8, mlp=16, heads × kv = 8, no gate, one layer, row of 4 tokens:
      per token   4 × 8 × 8 (query, key, value, out) + 2 × 8 × 16 (up, down) = 512 multiply-adds
      body        2 × 4 × 512 = 4096 FLOPs

    Args:
      size: extents of every dimension.
      architecture: which stacks and ingredients there are.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      scored: positions of a row that carry loss; all of the last stack's unless given.

    Returns:
      FLOPs of one row, padding included.
    """
    width, keys = size.heads * size.kv, size.kv_heads * size.kv
    ask, answer = 2 * size.embed * width, 2 * size.embed * keys  # query and out; key and value
    mlp = (3 if architecture.is_gated else 2) * size.embed * size.mlp
    if size.experts:
        mlp = size.choices * mlp + size.embed * size.experts
    is_pair = architecture.kind == "encoder_decoder"
    last = targets if is_pair else inputs + targets
    depth = size.depth(architecture.stacks[-1])
    body = depth * last * (ask + answer + mlp)
    if not is_pair:
        pairs = _pairs(architecture, depth, last, last, architecture.visibility)
    else:
        first = size.depth("encoder") - architecture.unread
        body += first * inputs * (ask + answer + mlp)
        if architecture.handed != "keys":
            body += depth * inputs * answer
        pairs = _pairs(architecture, first, inputs, inputs, "full")
        if architecture.merged:
            pairs += _pairs(architecture, depth, last, inputs + last, "causal")
        else:
            body += depth * last * ask
            pairs += _pairs(architecture, depth, last, last, "causal") + depth * last * inputs
    if architecture.head == "transformed":
        body += last * size.embed**2
    head = round(2 * (last if scored is None else scored) * size.embed * size.vocab)
    return Flops(2 * body, head, 2 * 2 * width * pairs)


def _pairs(
    architecture: Architecture, depth: int, length: int, memory: int, visibility: str
) -> int:
    """Counts the pairs of a query and a key of one row, in all layers of a stack."""
    sides = 1 if visibility == "causal" else 2
    near = min(memory, sides * architecture.window + 1)
    globals_ = sum(architecture.is_global(number) for number in range(depth))
    return length * (globals_ * memory + (depth - globals_) * near)


def training(
    size: Size,
    architecture: Architecture,
    inputs: int,
    targets: int,
    scored: float | None = None,
) -> Flops:
    """Counts the FLOPs of learning from one row: three times forward.

    Args:
      size: extents of every dimension.
      architecture: which stacks and ingredients there are.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      scored: see `forward`.

    Returns:
      FLOPs of one row, padding included.

    Source: Kaplan et al. 2020, section 2.1.
    """
    return forward(size, architecture, inputs, targets, scored).times(3)


def visited(
    size: Size,
    architecture: Architecture,
    inputs: int,
    targets: int,
    scored: float | None = None,
) -> float:
    """Counts the weights that one token is multiplied with, on average over a row.

    An encoder-decoder stores two stacks and shows each token one of them, so at equal parameters
    it costs about half: this is the number that tells the two apart.

    Args:
      size: extents of every dimension.
      architecture: which stacks and ingredients there are.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      scored: see `forward`.

    Returns:
      Weights per token; look-ups in the embedding table and norms are not multiplications with a
      matrix and do not count.
    """
    once = forward(size, architecture, inputs, targets, scored)
    return (once.body + once.head) / 2 / (inputs + targets)


@dataclasses.dataclass
class Ledger:
    """What a run has cost so far.

    Args:
      flops: of all steps.
      parameters: stored weights.
      tokens: positions seen, padding included.
      loss_tokens: positions learnt from, by their weight.
      padding: positions that hold no text.
      seconds: wall clock of the processes that trained it, each from its first step to its last
        checkpoint; what a killed one did after that is done again, and counts once.
    """

    flops: Flops = Flops()
    parameters: int = 0
    tokens: int = 0
    loss_tokens: float = 0.0
    padding: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict:
        """What the record keeps: the same, with padding as a share of the tokens.

        Returns:
          Plain numbers by name.
        """
        share = self.padding / self.tokens if self.tokens else 0.0
        return {**dataclasses.asdict(self), "padding": share}
