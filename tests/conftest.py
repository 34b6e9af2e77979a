"""What every test runs on: 8 simulated CPU devices, a session's own stores, repeatable draws."""

import contextlib
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import xla

DEVICES = 8
COMPILED = Path(__file__).parent.parent / ".venv" / "xla"

gc.disable()  # until all is imported, for none of that is garbage

# JAX reads these when it is first imported, and TensorFlow too.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = xla.flags(DEVICES)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if COMPILED.parent.is_dir():
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import hypothesis  # noqa: E402 - after the environment is set
import pytest  # noqa: E402

from tests import forked  # noqa: E402

# The same draws every time, so that a failure is the change's; no deadline, since a machine that is
# busy proves nothing.
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("house")


# Those that take longest. They come first, so that no process of the suite is left alone with one
# of them at its end.
LONG = {
    "test_experiments_together.py",
    "test_blocks.py",
    "test_run.py",
    "test_run_roads.py",
    "test_experiments_named.py",
    "test_step.py",
    "test_transformer.py",
    "test_generate.py",
    "test_experiments_stopped.py",
    "test_trained.py",
    "test_checkpoint.py",
    "test_huggingface.py",
    "test_compilation.py",
    "test_sweeps.py",
}


def pytest_collection_modifyitems(items):
    """Puts the files that take longest first."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_sessionstart(session):
    """The process that only hands tests out collects none."""
    if hasattr(session.config, "workerinput") or not session.config.option.numprocesses:
        return
    gc.enable()


def pytest_collection_finish():
    """What is imported stays, and is not gone through again and again for what might go.

    Neither is what is traced: it goes at the end of a file, and looking for what goes before then
    takes a twentieth of the whole.
    """
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()


def pytest_configure(config):
    """Token stores, and the process that others are forked from, are a session's, not a worker's.

    Whoever encodes a text finds what another has encoded of it, and two may do so at once.
    """
    if hasattr(config, "workerinput"):
        return
    kept = contextlib.ExitStack()
    config.add_cleanup(kept.close)
    temporary = tempfile.TemporaryDirectory(prefix="archlab-tests-", ignore_cleanup_errors=True)
    folder = os.environ[forked.SHARED] = kept.enter_context(temporary)
    os.environ["ARCHLAB_CACHE"] = f"{folder}/cache"
    kept.enter_context(forked.origin())


@pytest.fixture(scope="session", autouse=True)
def whoever_reads_text_is_forked():
    """From one process that has imported TensorFlow, instead of importing it each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", forked.popen())
        yield


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_let_go():
    """After each file of tests, since those of the whole suite together take gigabytes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
