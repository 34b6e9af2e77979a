"""Programs that the runs of one process share, and one device to compile them for.

A run that goes on compiles what it began with. In a process of its own it does so for real
(`test_a_process_killed_outright_goes_on_to_the_same_bits`); here it is handed the same program, for
tracing takes longer than the steps that are tried.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator

import jax
import pytest

from archlab.data.options import Data
from archlab.mesh import Mesh
from archlab.program import Program

# Which no program depends on.
ASIDE = {"data": Data(), "record_every": 1, "save_every": 1, "keep": 1, "expect": None}


def bare(program: Program) -> Program:
    """The program of the same stage without what its arithmetic does not know."""
    stages = tuple(
        dataclasses.replace(stage, mixture="any", name="any") for stage in program.run.stages
    )
    run = dataclasses.replace(program.run, stages=stages, tensorboard=False, **ASIDE)
    return dataclasses.replace(program, run=run)


@contextlib.contextmanager
def programs() -> Iterator[None]:
    """Within it, steps and scores of the same settings on the same mesh are compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("learn", "score"):
            once = functools.cache(vars(Program)[name].func)
            patch.setattr(Program, name, property(lambda program, once=once: once(bare(program))))
        yield


@contextlib.contextmanager
def one_device() -> Iterator[None]:
    """Within it, who names no devices has the first: programs for one compile in less time."""
    build = Mesh.build
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Mesh, "build", lambda mesh, given=None: build(mesh, given or jax.devices()[:1])
        )
        yield
