"""Attention block by block in plain XLA: for CPUs, and wherever there is no kernel.

One loop over the visits of `interval.visits`. A visit reads a block of queries and a block of keys,
computes their logits, and adds to what is kept of the queries. The backward pass is one loop too,
in which a visit adds to the gradients of its queries and of its keys.

Why rows together, on accelerators: one row's pair of blocks keeps a CPU busy, so there each row
visits its own. It would not keep a GPU busy, so all rows visit what any of them sees. (Reasoned,
not measured: no GPU has run this.)
"""

import jax
import jax.numpy as jnp

from archlab.kernels import interval
from archlab.kernels.flash import Answer, Blocks, Kernel, even
from archlab.kernels.interval import HIDDEN

BLOCK = 128  # measured: docs/performance.md
LANES = 8  # a block is a multiple of it, as of a CPU's registers


def kernel(
    length: int, memory: int, cap: float = 0.0, together: bool = False, block: int = BLOCK
) -> Kernel:
    """Describes the implementation.

    Args:
      length: how many queries a row has.
      memory: how many keys.
      cap: bound of the logits; 0 for none.
      together: whether all rows visit what any of them sees, rather than each its own.
      block: most queries, and keys, of a block.

    Returns:
      What `flash.attend` takes.
    """
    queries, keys = (even(many, block, LANES) for many in (length, memory))
    return Kernel(_forward, _backward, queries, keys, cap, (together,))


class _Cut:
    """Where a visit's blocks lie."""

    def __init__(self, given: Blocks, kernel: Kernel):
        rows, self.heads, length, self.width = given.query_BHLK.shape
        self.key_heads, memory = given.key_BGMK.shape[1:3]
        self.queries, self.keys = kernel.block_queries, kernel.block_keys
        self.rows = rows if kernel.options[0] else 1
        self.length, self.cap = length, kernel.cap
        is_seen_BIJ = interval.sees(given.start_BL, given.end_BL, self.queries, self.keys, memory)
        if self.rows > 1:
            is_seen_BIJ = jnp.any(is_seen_BIJ, axis=0, keepdims=True)
        self.visits = interval.visits(is_seen_BIJ)

    def at(self, number):
        """The first row, query and key of a visit."""
        visits = self.visits
        first_query = visits.outer_W[number] * self.queries
        return visits.row_W[number], first_query, visits.inner_W[number] * self.keys

    def read(self, array, row, first, many):
        """Cuts a block of positions out of [rows, heads, positions, …]."""
        at = (row, 0, first) + (0,) * (array.ndim - 3)
        return jax.lax.dynamic_slice(array, at, (self.rows, array.shape[1], many, *array.shape[3:]))

    def write(self, array, block, row, first):
        """Puts it back."""
        return jax.lax.dynamic_update_slice(array, block, (row, 0, first) + (0,) * (array.ndim - 3))

    def seen(self, given: Blocks, row, first_query, first_key):
        """Which keys of a block each query of a block sees."""
        start_BX, end_BX = (
            jax.lax.dynamic_slice(edge, (row, first_query), (self.rows, self.queries))
            for edge in (given.start_BL, given.end_BL)
        )
        place_Y = first_key + jnp.arange(self.keys)
        return ((place_Y >= start_BX[..., None]) & (place_Y < end_BX[..., None]))[:, None]

    def distances(self, first_query, first_key):
        """Where the distances of two blocks lie among all, and how many there are."""
        return first_key - first_query + self.length - self.queries, self.queries + self.keys

    def bias(self, given: Blocks, first_query, first_key):
        """The bias of the distances of two blocks."""
        if given.bias_HP is None:
            return None
        first, many = self.distances(first_query, first_key)
        return jax.lax.dynamic_slice_in_dim(given.bias_HP, first, many, axis=1)

    def logits(self, query_BHXK, key_BGYK, bias_HW):
        """The logits of two blocks."""
        query_BGQXK = query_BHXK.reshape(self.rows, self.key_heads, -1, self.queries, self.width)
        logit_BGQXY = jnp.einsum(
            "BGQXK,BGYK->BGQXY", query_BGQXK, key_BGYK, preferred_element_type=jnp.float32
        )
        logit_BHXY = logit_BGQXY.reshape(self.rows, self.heads, self.queries, self.keys)
        logit_BHXY *= self.width**-0.5
        if self.cap:
            logit_BHXY = self.cap * jnp.tanh(logit_BHXY / self.cap)
        if bias_HW is not None:
            logit_BHXY += interval.spread(bias_HW, self.queries)
        return logit_BHXY

    def grouped(self, array):
        """Heads by the key head that they share."""
        return array.reshape(array.shape[0], self.key_heads, -1, *array.shape[2:])


def _forward(given: Blocks, kernel: Kernel):
    cut = _Cut(given, kernel)

    def visit(number, kept):
        out_BHLK, top_BHL, sum_BHL = kept
        row, first_query, first_key = where = cut.at(number)
        query_BHXK = cut.read(given.query_BHLK, row, first_query, cut.queries)
        key_BGYK = cut.read(given.key_BGMK, row, first_key, cut.keys)
        value_BGYK = cut.read(given.value_BGMK, row, first_key, cut.keys)
        logit_BHXY = cut.logits(query_BHXK, key_BGYK, cut.bias(given, first_query, first_key))
        is_seen_BHXY = cut.seen(given, *where)
        logit_BHXY = jnp.where(is_seen_BHXY, logit_BHXY, HIDDEN)
        out_BHXK, before_BHX, sum_BHX = (
            cut.read(array, row, first_query, cut.queries) for array in kept
        )
        top_BHX = jnp.maximum(before_BHX, jnp.max(logit_BHXY, axis=-1))
        weight_BHXY = jnp.where(is_seen_BHXY, jnp.exp(logit_BHXY - top_BHX[..., None]), 0.0)
        shrink_BHX = jnp.exp(before_BHX - top_BHX)
        sum_BHX = sum_BHX * shrink_BHX + jnp.sum(weight_BHXY, axis=-1)
        more_BGQXK = jnp.einsum(
            "BGQXY,BGYK->BGQXK",
            cut.grouped(weight_BHXY.astype(value_BGYK.dtype)),
            value_BGYK,
            preferred_element_type=jnp.float32,
        )
        out_BHXK = out_BHXK * shrink_BHX[..., None] + more_BGQXK.reshape(out_BHXK.shape)
        blocks = (out_BHXK, top_BHX, sum_BHX)
        return tuple(
            cut.write(array, block, row, first_query)
            for array, block in zip(kept, blocks, strict=True)
        )

    shape = given.query_BHLK.shape
    nothing = (
        jnp.zeros(shape, jnp.float32),
        jnp.full(shape[:3], HIDDEN, jnp.float32),
        jnp.zeros(shape[:3], jnp.float32),
    )
    out_BHLK, top_BHL, sum_BHL = jax.lax.fori_loop(0, cut.visits.total, visit, nothing)
    is_seen_BHL = sum_BHL > 0
    sum_BHL = jnp.where(is_seen_BHL, sum_BHL, 1.0)
    log_sum_BHL = jnp.where(is_seen_BHL, top_BHL + jnp.log(sum_BHL), HIDDEN)
    return (out_BHLK / sum_BHL[..., None]).astype(given.value_BGMK.dtype), log_sum_BHL


def _backward(given: Blocks, answer: Answer, kernel: Kernel):
    cut = _Cut(given, kernel)

    def visit(number, slopes):
        row, first_query, first_key = where = cut.at(number)
        key_BGYK = cut.read(given.key_BGMK, row, first_key, cut.keys)
        value_BGYK = cut.read(given.value_BGMK, row, first_key, cut.keys)
        query_BHXK, slope_BHXK, log_sum_BHX, drift_BHX = (
            cut.read(array, row, first_query, cut.queries)
            for array in (given.query_BHLK, answer.slope_BHLK, answer.log_sum_BHL, answer.drift_BHL)
        )
        bias_HW = cut.bias(given, first_query, first_key)
        logit_BHXY, pull = jax.vjp(cut.logits, query_BHXK, key_BGYK, bias_HW)
        weight_BHXY = jnp.exp(logit_BHXY - log_sum_BHX[..., None])
        weight_BHXY = jnp.where(cut.seen(given, *where), weight_BHXY, 0.0)
        slope_BGQXK = cut.grouped(slope_BHXK)
        value_slope_BGYK = jnp.einsum(
            "BGQXY,BGQXK->BGYK",
            cut.grouped(weight_BHXY.astype(slope_BHXK.dtype)),
            slope_BGQXK,
            preferred_element_type=jnp.float32,
        )
        weight_slope_BGQXY = jnp.einsum(
            "BGQXK,BGYK->BGQXY", slope_BGQXK, value_BGYK, preferred_element_type=jnp.float32
        )
        weight_slope_BHXY = weight_slope_BGQXY.reshape(weight_BHXY.shape)
        logit_slope_BHXY = weight_BHXY * (weight_slope_BHXY - drift_BHX[..., None])
        query_slope_BHXK, key_slope_BGYK, bias_slope_HW = pull(logit_slope_BHXY)
        places = (first_query, first_key, first_key)
        found = (query_slope_BHXK, key_slope_BGYK, value_slope_BGYK)
        *sums, bias_HP = slopes
        sums = [
            cut.write(array, block + cut.read(array, row, first, block.shape[2]), row, first)
            for array, block, first in zip(sums, found, places, strict=True)
        ]
        if bias_HP is not None:
            first, many = cut.distances(first_query, first_key)
            bias_slope_HW += jax.lax.dynamic_slice_in_dim(bias_HP, first, many, axis=1)
            bias_HP = jax.lax.dynamic_update_slice_in_dim(bias_HP, bias_slope_HW, first, axis=1)
        return *sums, bias_HP

    wide = (given.query_BHLK, given.key_BGMK, given.value_BGMK)
    nothing = [jnp.zeros(array.shape, jnp.float32) for array in wide]
    bias_HP = None if given.bias_HP is None else jnp.zeros_like(given.bias_HP)
    return jax.lax.fori_loop(0, cut.visits.total, visit, (*nothing, bias_HP))
