"""Chips are as fast, and hold as much, as is published of pods of them."""

import pytest

from archlab.chips import CHIPS


@pytest.mark.parametrize(
    ("chip", "chips", "petaflops"),
    [("v4", 4096, 1100), ("v6e", 256, 234.9)],  # Google Cloud's pages on TPU v4 and v6e
)
def test_pods_add_up_to_what_is_published(chip, chips, petaflops):
    assert CHIPS[chip].flops * chips / 1e15 == pytest.approx(petaflops, rel=0.03)


def test_every_chip_holds_a_few_billion_weights():
    assert all(2**34 <= chip.bytes <= 2**38 for chip in CHIPS.values())
