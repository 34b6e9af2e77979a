"""Permutations that are looked up at many places at once, and never made whole if they are long.

A short one is made whole. A long one is a cipher of the place, applied again until what comes out
is a place too. It is that of grain's `index_shuffle`, number for number, but for sizes of one more
than a power of four, where that gives two places the same. Grain takes one place at a time and
makes its keys anew for each, which took longer than all the rest of a batch of causal LM.
"""

import functools

import numpy as np

from archlab.data.chance import Chance

SMALL = 2**16  # up to here a permutation is made whole; a cipher would walk as far to find a place
ROUNDS = 4  # grain's own advice: the fewest that look random
WORD = 2**32


def shuffled(index_B: np.ndarray, size: int, key: int) -> np.ndarray:
    """Finds what stands at places of a permutation of `range(size)`.

    Args:
      index_B: int64, places, below `size`.
      size: of the permutation, 1 or more, below 2^32.
      key: which permutation.

    Returns:
      int64, below `size`.

    Source: Beaulieu et al. 2013 (Simon), with `ROUNDS` rounds and the keys of C++'s `seed_seq`, as
      google/grain has it, `grain/_src/python/experimental/index_shuffle/index_shuffle.cc`; Black &
      Rogaway 2002, section 4, for the walk.
    """
    if size <= SMALL:
        return _whole(size, key)[index_B].astype(np.int64)
    half, keys = -(-(size - 1).bit_length() // 2), _keys(key % WORD)
    found_B = _ciphered(index_B, half, keys)
    while len(out := np.flatnonzero(found_B >= size)):
        found_B[out] = _ciphered(found_B[out], half, keys)
    return found_B


@functools.lru_cache(maxsize=256)
def _whole(size: int, key: int) -> np.ndarray:
    words = Chance((key,), 0, 1).words("permutation", size)[0]
    return np.argsort(words, kind="stable").astype(np.uint16)  # there are 2^16 places at most


def _ciphered(place_B: np.ndarray, half: int, keys: tuple[int, ...]) -> np.ndarray:
    """Numbers of two halves of so many bits, each mixed with the other by turns."""
    low = (1 << half) - 1

    def turned(word_B: np.ndarray, bits: int) -> np.ndarray:
        """A half turned to the left, with more above it that does not count."""
        return word_B << bits | word_B >> half - bits

    left_B, right_B = place_B >> half & low, place_B & low
    for key in keys:  # an even number, so that what was left is left again
        mixed_B = turned(right_B, 1) & turned(right_B, 8) ^ turned(right_B, 2)
        left_B, right_B = right_B, (left_B ^ mixed_B ^ key) & low
    return left_B << half | right_B


@functools.lru_cache(maxsize=256)
def _keys(seed: int) -> tuple[int, ...]:
    """The numbers of C++'s `std::seed_seq{seed}`, one for each round.

    Source: ISO C++ 17, [rand.util.seedseq]; here the sequence is of one number, and short.
    """
    words, near, far = [0x8B8B8B8B] * ROUNDS, (ROUNDS - 1) // 2, ROUNDS - 1 - (ROUNDS - 1) // 2

    def mixed(word: int, factor: int) -> int:
        return (word ^ word >> 27) * factor % WORD

    for step in range(2 * ROUNDS):
        at, one, other = step % ROUNDS, (step + near) % ROUNDS, (step + far) % ROUNDS
        last = words[at - 1]
        if step < ROUNDS:
            drawn = mixed(words[at] ^ words[one] ^ last, 1664525)
            shifted = (drawn + (1 if step == 0 else at + (seed if step == 1 else 0))) % WORD
            words[one] = (words[one] + drawn) % WORD
            words[other] = (words[other] + shifted) % WORD
        else:
            drawn = mixed((words[at] + words[one] + last) % WORD, 1566083941)
            shifted = (drawn - at) % WORD
            words[one] ^= drawn
            words[other] ^= shifted
        words[at] = shifted
    return tuple(words)
