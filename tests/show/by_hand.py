"""Rows drawn by hand, in bytes, for tests of whoever shows them."""

import dataclasses

import numpy as np

from archlab.architecture import Architecture
from archlab.batch import Batch, Stream
from archlab.data.vocabulary import Vocabulary
from archlab.show import row

BYTES = Vocabulary()
NAMES = ["first", "second"]
SPECIAL = {"0": BYTES.pad, "$": BYTES.end, "?": BYTES.mask, "A": BYTES.sentinel(0)}


def ids(text):
    """One row: 0 is padding, $ the end, ? the mask, A a sentinel, others themselves."""
    return np.array([[SPECIAL.get(one, ord(one) + 3) for one in text]], np.int32)


def edges(*values):
    return np.array([values], np.int32)


def stream(text, start, split, end):
    return Stream(ids(text), edges(*range(len(text))), edges(*start), edges(*split), edges(*end))


# The batch of `archlab/batch.py`: inputs a b and targets c d; then targets e f; then padding.
DECODER = Batch(
    encoder=None,
    decoder=stream("0abc0e0", (0, 0, 0, 0, 4, 4, 0), (3, 3, 3, 3, 4, 4, 0), (4, 4, 4, 4, 6, 6, 0)),
    memory_start_BL=None,
    memory_end_BL=None,
    target_BL=ids("abcdef0"),
    weight_BL=np.array([[0, 0, 1, 1, 1, 0.5, 0]], np.float32),
    objective_B=np.array([1], np.int32),
)
PAIR = Batch(
    encoder=stream("xAy$", (0,) * 4, (4,) * 4, (4,) * 4),
    decoder=stream("0Az", (0,) * 3, (0,) * 3, (3,) * 3),
    memory_start_BL=edges(0, 0, 0),
    memory_end_BL=edges(4, 4, 4),
    target_BL=ids("Az$"),
    weight_BL=np.ones((1, 3), np.float32),
    objective_B=np.array([0], np.int32),
)
ENCODER = dataclasses.replace(
    DECODER,
    encoder=stream("a?\n ", (0,) * 4, (4,) * 4, (4,) * 4),
    decoder=None,
    target_BL=ids("abcd"),
    weight_BL=np.array([[0, 1, 0, 0]], np.float32),
)


def read(batch, name, vocabulary=BYTES, names=NAMES):
    """The row of such a batch."""
    return row.read(batch, 0, vocabulary, Architecture(name), names)
