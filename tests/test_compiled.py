import os
import subprocess
import sys

import pytest

from archlab import compiled, experiments

PROGRAM = """
import sys
from archlab import compiled
compiled.keep(lambda said: print("note:", said))
import jax, jax.monitoring
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.config.update("jax_persistent_cache_min_compile_time_secs", min(
    jax.config.jax_persistent_cache_min_compile_time_secs, float(sys.argv[1])))
print(jax.jit(lambda x: x * 2 + 1)(jax.numpy.ones(3)).sum())
print("hits", sum("cache_hits" in name for name in hits) > 0)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a process that compiles, with a cache of its own."""

    def start(least: str = "0", **env: str) -> list[str]:
        own = {"ARCHLAB_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(experiments.home())}
        env = {**os.environ, **own, "JAX_COMPILATION_CACHE_DIR": "", **env}
        command = [sys.executable, "-c", PROGRAM, least]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        assert not done.stderr
        return done.stdout.splitlines()

    return start


def test_the_second_start_finds_what_the_first_compiled(start, tmp_path):
    assert start() == ["9.0", "hits False"]
    assert any((tmp_path / "cache" / "xla").iterdir())
    assert start() == ["9.0", "hits True"]


def test_where_nothing_can_be_written_it_says_so_and_goes_on(start, tmp_path):
    (tmp_path / "file").write_text("")
    where = str(tmp_path / "file" / "xla")
    said, *rest = start("inf", JAX_COMPILATION_CACHE_DIR=where)
    assert said.startswith(f"note: compiled programs are not kept: {where} cannot be made (Not a d")
    assert said.endswith("JAX_COMPILATION_CACHE_DIR names another folder")
    assert rest == ["9.0", "hits False"]


def test_a_folder_that_may_only_be_read_is_found_out(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)  # as root, one may always write
    assert compiled._closed(str(tmp_path)) == f"{tmp_path} cannot be written"


def test_jax_s_own_variable_goes_first(monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "gs://bucket/xla")
    assert compiled.folder() == "gs://bucket/xla"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("ARCHLAB_CACHE", "/stores/")
    assert compiled.folder() == "/stores/xla"
