"""Chips: how fast they multiply and how much they hold, as their makers say."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Chip:
    """What JAX calls a device.

    Args:
      flops: bfloat16 multiply-adds at its peak, 2 FLOPs each, a second; without sparsity.
      bytes: of its memory.

    Source: Google Cloud's TPU documentation (system architecture: v4, v5e, v5p, v6e); NVIDIA's data
      sheets (A100 80GB SXM, H100 SXM, H200 SXM), whose figures with sparsity are twice these.
    """

    flops: float
    bytes: int


CHIPS = {
    "v4": Chip(275e12, 32 * 2**30),
    "v5e": Chip(197e12, 16 * 2**30),
    "v5p": Chip(459e12, 95 * 2**30),
    "v6e": Chip(918e12, 32 * 2**30),
    "a100": Chip(312e12, 80 * 2**30),
    "h100": Chip(989e12, 80 * 2**30),
    "h200": Chip(989e12, 141 * 10**9),
}
