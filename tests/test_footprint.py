"""Memory is what the system says; a device that says nothing is not asked again and again."""

import mmap
import re
import types
from pathlib import Path

from archlab import footprint


def test_memory_that_is_taken_is_seen():
    before = footprint.read()["resident"]
    kilobytes = int(re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
    assert abs(before - 1024 * kilobytes) < 2**24
    # Pages of its own: memory of NumPy's may be what another test has given back to malloc.
    with mmap.mmap(-1, 2**26) as held:  # 64 MiB
        held.write(b"x" * len(held))
        assert footprint.read()["resident"] - before > len(held) / 2
    assert "device_peak" not in footprint.read()  # a CPU does not say


def test_the_device_that_holds_most_counts(monkeypatch):
    told = [None, {"peak_bytes_in_use": 5}, {"peak_bytes_in_use": 9}, {"bytes_in_use": 99}]
    devices = [types.SimpleNamespace(memory_stats=lambda one=one: one) for one in told]
    monkeypatch.setattr(footprint.jax, "local_devices", lambda: devices)
    assert footprint.read()["device_peak"] == 9


def test_a_system_without_such_a_file_says_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(footprint, "STATUS", tmp_path / "none")
    assert footprint.read() == {}
