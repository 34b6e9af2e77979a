"""The footprint of a run: the memory that its process and its devices hold, read as it goes."""

import contextlib
import os
from pathlib import Path

import jax

STATUS = Path("/proc/self/statm")  # Linux: pages of the program, and of them those in memory


def read() -> dict[str, int]:
    """Reads what is held now; it takes microseconds.

    Returns:
      Bytes: "resident" of this process, where the system says it; "device_peak", the most that any
      device of this process has held so far, where the devices say it, as CPUs do not.
    """
    found = {}
    with contextlib.suppress(OSError):
        found["resident"] = int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    told = [device.memory_stats() or {} for device in jax.local_devices()]
    if peaks := [one["peak_bytes_in_use"] for one in told if "peak_bytes_in_use" in one]:
        found["device_peak"] = max(peaks)
    return found
