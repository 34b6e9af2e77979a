"""Chips: how fast they multiply, talk and turn, and how much they hold, as their makers say."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Chip:
    """What JAX calls a device.

    Args:
      flops: bfloat16 multiply-adds at its peak, 2 FLOPs each, a second; without sparsity.
      bytes: of its memory.
      clock: cycles a second; 0 where no compiler counts them.
      link: bytes a second that reach it from the chips beside it, by all its links together; 0
        where it is not said.

    Source: Google Cloud's TPU documentation (system architecture: v4, v5e, v5p, v6e; interconnect
      bandwidths are given there in bits); NVIDIA's data sheets (A100 80GB SXM, H100 SXM, H200 SXM),
      whose figures with sparsity are twice these. A TPU's clock is its peak over the multiply-adds
      of its matrix units in a cycle: 8 of 128 × 128 (v4, v5p), 4 of 128 × 128 (v5e), 4 of
      256 × 256 (v6e).
    """

    flops: float
    bytes: int
    clock: float = 0.0
    link: float = 0.0


def _tpu(flops: float, memory: int, units: int, edge: int, link: float) -> Chip:
    return Chip(flops, memory * 2**30, flops / (2 * units * edge**2), link)


CHIPS = {
    "v4": _tpu(275e12, 32, units=8, edge=128, link=300e9),
    "v5e": _tpu(197e12, 16, units=4, edge=128, link=200e9),
    "v5p": _tpu(459e12, 95, units=8, edge=128, link=600e9),
    "v6e": _tpu(918e12, 32, units=4, edge=256, link=448e9),
    "a100": Chip(312e12, 80 * 2**30),
    "h100": Chip(989e12, 80 * 2**30),
    "h200": Chip(989e12, 141 * 2**30),
}
