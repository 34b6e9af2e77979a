"""Processes: one run by several of them, each with its own devices.

All run the same program at the same pace, since most of it is computed together. What only one may
do, write in the run directory or encode text, the first does, and tells the others what came of it;
when to stop, all agree; and when one is lost, the others end rather than wait for it.

Why JAX's own client, which it does not document: the first process may encode text for hours, and a
collective that waits so long fails. Its store of keys waits, and notices a process that dies.
"""

import atexit
import contextlib
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import distributed, xla_bridge
from jax.sharding import NamedSharding, PartitionSpec

from archlab.refusal import Refusal

LOST = 75  # exit status, EX_TEMPFAIL: run me again
WRONG = 2  # exit status
PATIENCE = 100  # seconds; JAX's own
LONG = 10**9  # milliseconds: as long as it takes; a process that dies is noticed before
BREATH = 0.5  # seconds in which the others hear why this one ends
LAST = (
    4 * BREATH
)  # seconds after which the first ends, through whom they hear: JAX ends who is left
FAILED = "archlab/failed"
TASKS = "SLURM_NTASKS"  # Slurm's own count of a step's processes, where it is a step's
SIGNS = ("Gloo", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED")  # of an error: nobody answers
ERRORS = 2  # standard error, whatever Python has put in its place

Told = TypeVar("Told")
_said = itertools.count()


class Lost(Exception):
    """Another process of the run is gone."""


@contextlib.contextmanager
def joined(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    patience: int = PATIENCE,
) -> Iterator[None]:
    """Makes this process one of several, if anything says that there are others.

    Where a launcher starts them, on a TPU pod and under Slurm or Open MPI, JAX asks it for what is
    not given. Whoever leaves with an error ends at once, and so do the others.

    Example, in two terminals:
      with joined("localhost:1234", processes=2, process=0): ...
      with joined("localhost:1234", processes=2, process=1): ...

    Args:
      coordinator: host and port on which the first process listens.
      processes: how many there are.
      process: the number of this one, from 0.
      patience: seconds of silence after which a process is lost.

    Raises:
      ValueError: the three are given in part, or do not fit each other, or nobody answers.
      Lost: in place of what JAX raises when another process is gone.
    """
    if not _join(coordinator, processes, process, patience):
        yield
        return
    heeding = threading.Thread(target=_heed, daemon=True)
    heeding.start()
    try:
        yield
    except Exception as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and any(
            sign in str(error) for sign in SIGNS
        ):
            why = str(error).strip().splitlines()[0]
            lost = Lost(f"another process of the run is gone, or cannot be reached: {why}")
            _end(lost, LOST)
            raise lost from error
        _end(error, WRONG if isinstance(error, ValueError | OSError) else 1)
        raise
    jax.distributed.shutdown()
    # Were it still on its way back from waiting as Python exits, C++ would abort the process.
    heeding.join(BREATH)


def _join(
    coordinator: str | None, processes: int | None, process: int | None, patience: int
) -> bool:
    needed = {"process": process, "processes": processes, "coordinator": coordinator}
    missing = [f"--{name}" for name, value in needed.items() if value is None]
    if missing and (processes is not None or process is not None):
        raise Refusal(f"of --coordinator, --processes and --process, {missing[0]} is not given")
    if processes is not None and process is not None and not 0 <= process < processes:
        raise Refusal(f"--process={process} of --processes={processes}; it is in [0, {processes})")
    is_told = coordinator is not None
    is_alone = xla_bridge.backends_are_initialized() or os.environ.get(TASKS) == "1"
    if processes == 1 or not is_told and is_alone:
        return False  # as is who has computed already, in a notebook say
    # What they hear, they agree on (`Agreed`); JAX would take SIGTERM for itself.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            coordinator, processes, process, heartbeat_timeout_seconds=patience
        )
    except ValueError as error:
        if not is_told and "coordinator_address should be defined" in str(error):
            return False  # no launcher that JAX knows
        raise Refusal(f"the processes cannot be joined: {error}") from error
    except RuntimeError as error:
        raise Refusal(
            f"the processes do not meet at {coordinator or 'the address that was found'}: {error}"
        ) from error
    return True


def is_first() -> bool:
    """Whether this is the process that writes."""
    return distributed.global_state.process_id == 0


def many() -> int:
    """How many processes there are."""
    return distributed.global_state.num_processes


def first(work: Callable[[], Told]) -> Told:
    """Does something in the first process alone, for as long as it takes.

    Args:
      work: what to do; what it returns is JSON-able.

    Returns:
      What came of it, in every process.

    Raises:
      ValueError: as `work` did, in every process.
    """
    if many() == 1:
        return work()
    key = f"archlab/told/{next(_said)}"  # the same in all, which tell in the same order
    if not is_first():
        told = json.loads(_client().blocking_key_value_get(key, LONG))
        if "wrong" in told:
            raise ValueError(f"process 0: {told['wrong']}")
        return told["is"]
    try:
        done = work()
    except ValueError as error:
        _set(key, {"wrong": str(error)})
        raise
    _set(key, {"is": done})
    return done


def same(what: str, value: object) -> None:
    """Refuses processes that do not mean the same.

    Args:
      what: is to be the same, for the error.
      value: JSON-able.

    Raises:
      ValueError: it is another than the first process's.
    """
    own = json.loads(json.dumps(value))
    expected = first(lambda: own)
    if expected != own:
        number = distributed.global_state.process_id
        raise ValueError(f"process {number} has other {what} than process 0; start all alike")


class Agreed:
    """Asks whether to stop, and gives every process the same answer, at the same step.

    What any process has heard goes to the devices behind each step, and is read a step later, when
    it is there: nobody waits.

    Args:
      stop: asked here.
      mesh: of all devices.
    """

    def __init__(self, stop: Callable[[], bool], mesh: jax.sharding.Mesh):
        self._stop, self._pending = stop, None
        self._each = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        whole = NamedSharding(mesh, PartitionSpec())
        self._any = jax.jit(jnp.max, out_shardings=whole)

    def __call__(self) -> bool:
        """Says whether to stop now, as all do; a step after somebody was asked to."""
        if many() == 1:
            return self._stop()
        heard = np.full(self._each.mesh.size, self._stop(), np.int32)
        before = self._pending
        self._pending = self._any(
            jax.make_array_from_callback(heard.shape, self._each, lambda index: heard[index])
        )
        return before is not None and bool(jax.device_get(before))


def fail(why: str, status: int) -> None:
    """Tells the other processes that this one ends, so that they end too.

    Args:
      why: in a line.
      status: that this one exits with, and they too.
    """
    if many() > 1:
        own = distributed.global_state.process_id
        with contextlib.suppress(Exception):  # one was first, or there is nobody left to tell
            _set(FAILED, {"process": own, "why": why, "status": status})
            time.sleep(BREATH)
        if is_first():  # the others hear through it for as long as it is there, whoever was first
            time.sleep(LAST)


def _client():
    return distributed.global_state.client


def _set(key: str, value: object) -> None:
    _client().key_value_set(key, json.dumps(value))


def _heed() -> None:
    """Ends this process when another says that it ends."""
    with contextlib.suppress(Exception):  # the run is over, or JAX ends this process by itself
        told = json.loads(_client().blocking_key_value_get(FAILED, LONG))
        if told["process"] != distributed.global_state.process_id:
            # It may be about to say so itself, and the first says it last.
            time.sleep(BREATH + LAST * is_first())
            os.write(ERRORS, f"archlab: process {told['process']} ended: {told['why']}\n".encode())
            os._exit(told["status"])


def _end(error: BaseException, status: int) -> None:
    """Lets this process end without waiting for the others, as JAX would when it exits."""
    fail((str(error).strip() or type(error).__name__).splitlines()[0], status)

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)

    atexit.register(leave)
