"""Memory: what a batch leaves behind is kept for the next one.

The arrays of a batch are made and let go some dozens of times a second. The C library returns such
pieces to the system, which hands them out again page by page, each filled with zeros: two thirds
and more of the time of a batch of causal LM.
"""

import ctypes
import functools

TRIM, MAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT = 2**30  # bytes at the end of the heap
LARGE = 2**25  # bytes of a piece that is mapped by itself; the most that malloc takes


@functools.cache
def keep() -> None:
    """Has this process keep the memory of arrays that are let go.

    Without glibc it does nothing.

    Source: mallopt(3).
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(MAP, LARGE)
        library.mallopt(TRIM, KEPT)
