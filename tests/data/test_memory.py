"""Arrays that are let go leave their memory with the process."""

import platform
import subprocess
import sys

MEASURED = """
import resource
import sys

import numpy as np

from archlab.data import memory

if sys.argv[1] == "kept":
    memory.keep()


def batch():
    return [np.ones(300_000, np.float32) for _ in range(8)]


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


for _ in range(3):
    batch()
before = faults()
for _ in range(10):
    batch()
print(faults() - before)
"""


def measured(how):
    command = [sys.executable, "-c", MEASURED, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_second_batch_takes_no_pages_of_the_system():
    # Eight arrays of 1.2 MB are 2,344 pages of 4 KiB.
    assert measured("kept") < 2344
    if platform.libc_ver()[0] == "glibc":  # elsewhere they may be kept by themselves
        assert measured("let go") > 2344
