"""Batches made ahead: errors surface in their place, and closing early waits for nothing."""

import threading

import pytest

from archlab.data.prefetch import Prefetch


class Broken:
    """Rows of which the third batch fails."""

    def batch(self, first, many):
        if first >= 2 * many:
            raise ValueError("the third is broken")
        return first


def test_an_error_surfaces_where_the_batch_would_be():
    with Prefetch(Broken(), 0, 4, 9) as ahead:
        assert [next(ahead), next(ahead)] == [0, 4]
        with pytest.raises(ValueError, match="the third is broken"):
            next(ahead)
        assert list(ahead) == []


class Endless:
    """Rows that count how many were made."""

    made = 0

    def batch(self, first, many):
        self.made += 1
        return first


def test_closing_early_does_not_hang():
    before, endless = threading.active_count(), Endless()
    with Prefetch(endless, 0, 1, 10**5) as ahead:
        assert [next(ahead) for _ in range(10)] == list(range(10))
    assert threading.active_count() == before
    assert endless.made <= 10 + 2 + 1  # taken, ready, and in hand
    with pytest.raises(RuntimeError, match="mine"), Prefetch(endless, 0, 1, 10**5):
        raise RuntimeError("mine")
    assert threading.active_count() == before
