"""Places: where a run is launched, as the words of gin/place say it."""

import dataclasses
import typing

from archlab.launch.cloud import CloudTPU
from archlab.launch.hosts import Hosts, Local
from archlab.launch.jobset import JobSet
from archlab.launch.slurm import Slurm
from archlab.launch.xpk import Xpk

Kind = CloudTPU | JobSet | Xpk | Slurm | Hosts | Local
KINDS = typing.get_args(Kind)


@dataclasses.dataclass(frozen=True)
class Launch:
    """How a run is started on machines.

    Why gin, as everything else: a misspelt key fails on its line, and a file that came from
    elsewhere runs no code.

    Args:
      on: which machines.
      secrets: names of environment variables whose values the run needs; the values are never
        written anywhere.
      starts: how often the run may start without getting to its end, where machines stay.
    """

    on: Kind
    secrets: tuple[str, ...] = ()
    starts: int = 3
