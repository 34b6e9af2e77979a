"""Topologies: TPUs that are not here, as their compiler knows them."""

import importlib.util
import os

import jax
from jax.experimental import topologies

from archlab.spelling import not_one_of

SQUARES = ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
CUBES = (
    *("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8"),
    *("8x8x16", "8x16x16", "16x16x16", "16x16x24"),
)
# Source: Google Cloud's TPU documentation, the pages of v5e, v5p and v6e. A v5e or v6e of one chip
# is left out: its compiler knows hosts of four. v4 too: there it knows cores, and JAX chips.
TOPOLOGIES = {"v5e": SQUARES, "v5p": CUBES, "v6e": SQUARES}
# Read by libtpu when it is loaded. Without them it asks a server that only Google's machines have,
# and lets no two processes compile at a time.
ALONE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def kind(name: str) -> str:
    """Reads the kind of chip off a topology.

    Example:
      >>> kind("v5e:16x16")
      'v5e'

    Args:
      name: of the topology: a kind and how its chips are laid out.

    Returns:
      A key of `TOPOLOGIES`.

    Raises:
      ValueError: there is no such topology; those that there are.
    """
    chip, _, layout = name.partition(":")
    if chip not in TOPOLOGIES:
        example = f"{next(iter(TOPOLOGIES))}:{SQUARES[-1]}"
        raise ValueError(f"topology={name!r}: {not_one_of(chip, TOPOLOGIES)}; as in {example}")
    if layout not in TOPOLOGIES[chip]:
        raise ValueError(f"topology={name!r}: {not_one_of(layout, TOPOLOGIES[chip])}")
    return chip


def devices(name: str, slices: int = 1) -> list[jax.Device]:
    """Describes the devices of a topology, on which programs compile and nothing runs.

    Args:
      name: of the topology, as `v5p:8x16x16`.
      slices: of that shape, between which a slower network runs; 1 or more.

    Returns:
      The devices, slice by slice.

    Raises:
      ValueError: there is no such topology, or the compiler is not installed.
    """
    kind(name)
    if slices < 1:
        raise ValueError(f"slices={slices}; it is 1 or more")
    if importlib.util.find_spec("libtpu") is None:
        raise ValueError(
            "compiling for a TPU needs its compiler, libtpu; pip install 'archlab[tpu]' brings it"
        )
    for setting, value in ALONE.items():
        os.environ.setdefault(setting, value)
    several = {"num_slices": slices} if slices > 1 else {}
    found = topologies.get_topology_desc(platform="tpu", topology_name=name, **several)
    return list(found.devices)
