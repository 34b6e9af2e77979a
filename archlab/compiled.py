"""Compiled programs, kept from one start to the next, so that the second one need not compile."""

import contextlib
import gzip
import hashlib
import json
import math
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

from archlab import processes
from archlab.data import store

QUICK = 0.1  # seconds; what compiles faster is not worth a file
# What a platform's compiler is told. On TPUs it would cut each product with a gathered weight into
# a loop over its pieces, which by its own estimate takes almost twice the cycles of a step and more
# memory (docs/performance.md). MaxText's flags for v6e turn it off with the same number.
OPTIONS = {"tpu": {"xla_jf_spmd_threshold_for_windowed_einsum_mib": "1000000"}}


def folder() -> str:
    """Says where compiled programs are kept.

    Returns:
      JAX_COMPILATION_CACHE_DIR, or "xla" where stores are kept: a folder or a bucket.
    """
    return os.environ.get("JAX_COMPILATION_CACHE_DIR") or f"{store.root()}/xla"


def keep(tell: Callable[[str], None]) -> None:
    """Keeps what is compiled from here on, and finds what was kept.

    Of several processes the first writes and all read. Where nothing can be written, what is there
    is still read.

    Args:
      tell: takes what is to be said: that nothing can be kept, and why.
    """
    where = folder()
    why = _closed(where)
    if why and processes.is_first():
        tell(
            f"compiled programs are not kept: {why}; JAX_COMPILATION_CACHE_DIR names another folder"
        )
    there = "://" in where or os.path.isdir(where)
    jax.config.update("jax_compilation_cache_dir", where if there else None)
    if why or "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        least = math.inf if why else QUICK
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)


def program(lowered: jax.stages.Lowered, mesh: jax.sharding.Mesh) -> jax.stages.Compiled:
    """Compiles a program for the devices of a mesh.

    Args:
      lowered: the program.
      mesh: whose devices it was lowered for.

    Returns:
      The program, compiled as `OPTIONS` say.
    """
    return lowered.compile(compiler_options=OPTIONS.get(mesh.devices.flat[0].platform))


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Keeps nothing of what is compiled within.

    JAX keeps programs for devices that are not here too, and cannot read them back.
    """
    least = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", math.inf)
    try:
        yield
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)


def remembered(about: str, make: Callable[[], dict]) -> dict:
    """Makes something, or finds what was made of the same before.

    Args:
      about: all that it depends on.
      make: makes it: names to what JSON holds.

    Returns:
      What was made. It is kept where compiled programs are, unless that is a bucket or closed.
    """
    path = Path(folder()) / f"{hashlib.sha256(about.encode()).hexdigest()}.json.gz"
    with contextlib.suppress(OSError, EOFError, ValueError, zlib.error):
        return json.loads(gzip.decompress(path.read_bytes()))
    made = make()
    if "://" not in folder() and not _closed(folder()):
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(gzip.compress(json.dumps(made).encode()))
        os.replace(file.name, path)
    return made


def _closed(where: str) -> str:
    """Why nothing can be written in a folder; "" if it can."""
    if "://" in where:  # a bucket says so when it is written to
        return ""
    try:
        os.makedirs(where, exist_ok=True)
    except OSError as error:
        return f"{where} cannot be made ({error.strerror})"
    return "" if os.access(where, os.W_OK | os.X_OK) else f"{where} cannot be written"
