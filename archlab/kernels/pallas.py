"""Attention as kernels for TPUs, that visit only the blocks that their queries see.

Why not splash attention (`jax.experimental.pallas.ops.tpu`): its mask is made before the program
runs, or is an array over all pairs of blocks with a mask for each that is partly seen, while an
interval is two numbers a query and changes with every batch. Its bias is none, and its log-sum has
no gradient. Here a visit needs three numbers in scalar memory, and a mask is two comparisons.

Three kernels: what is read; the gradients of queries and bias, by blocks of queries; the gradients
of keys and values, by blocks of keys, over all query heads that share them.

Source: Dao 2023 (FlashAttention-2), section 3, for which loop is outermost in each of them.
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from archlab.kernels import tile
from archlab.kernels.flash import Answer, Blocks, Kernel, even
from archlab.kernels.grid import Grid, lay_out
from archlab.kernels.interval import HIDDEN, NOBODY

BLOCK = 512  # most queries, and keys, of a block
LANES = 128  # of a register; a block is a multiple of it


def kernel(
    length: int, memory: int, cap: float = 0.0, interpret: bool = False, block: int = 0
) -> Kernel:
    """Describes the implementation.

    Args:
      length: how many queries a row has.
      memory: how many keys.
      cap: bound of the logits; 0 for none.
      interpret: whether to run it on a CPU, slowly, to test it.
      block: queries, and keys, of a block; 0 takes what is even for the shorter of the lengths.

    Returns:
      What `flash.attend` takes.
    """
    block = block or even(min(length, memory), BLOCK, LANES)
    return Kernel(_forward, _backward, block, block, cap, (interpret,))


def _is_edge(outers, rows):
    """Whether a visit is the first of its outer block, and whether it is the last."""
    visit = pl.program_id(1)
    before = jnp.maximum(visit - 1, 0)

    def differ(one, other):
        return (outers[one] != outers[other]) | (rows[one] != rows[other])

    return (visit == 0) | differ(visit, before), differ(visit, visit + 1)


def _given(given: Blocks, own: Grid) -> tuple[dict, dict]:
    """What all three kernels read, and its blocks."""
    refs = {
        "query": given.query_BHLK,
        "key": given.key_BGMK,
        "value": given.value_BGMK,
        "start": given.start_BL[:, None],
        "end": given.end_BL[:, None],
        "bias": (),
    }
    specs = {
        "query": own.queries,
        "key": own.keys,
        "value": own.keys,
        "start": own.edges,
        "end": own.edges,
        "bias": (),
    }
    if given.bias_HP is not None:
        refs["bias"] = (given.bias_HP[:, None, ::-1],) * 2
        specs["bias"] = (own.bias(0), own.bias(1))
    return refs, specs


def _wide(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _like(array, dtype=None) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, dtype or array.dtype)


def _room(*shape: int):
    return pltpu.VMEM(shape, jnp.float32)


def _forward(given: Blocks, kernel: Kernel):
    own = lay_out(given, kernel)

    def body(rows, outers, inners, refs, outs, kept):
        is_first, is_last = _is_edge(outers, rows)
        key_block = inners[pl.program_id(1)]

        @pl.when(is_first)
        def _():
            kept["read"][...] = jnp.zeros_like(kept["read"])
            kept["top"][...] = jnp.full_like(kept["top"], HIDDEN)
            kept["sum"][...] = jnp.zeros_like(kept["sum"])

        @pl.when(key_block != NOBODY)
        def _():
            value_YK, before_1X = refs["value"][...], kept["top"][...]
            is_seen_YX = tile.seen(refs, key_block)
            logit_YX = jnp.where(is_seen_YX, tile.logits(refs, kernel.cap)[0], HIDDEN)
            top_1X = jnp.maximum(before_1X, jnp.max(logit_YX, axis=0, keepdims=True))
            weight_YX = jnp.where(is_seen_YX, jnp.exp(logit_YX - top_1X), 0.0)
            shrink_1X = jnp.exp(before_1X - top_1X)
            kept["sum"][...] *= shrink_1X
            kept["sum"][...] += jnp.sum(weight_YX, axis=0, keepdims=True)
            kept["read"][...] *= shrink_1X
            kept["read"][...] += tile.product(value_YK, weight_YX.astype(value_YK.dtype), 0, 0)
            kept["top"][...] = top_1X

        @pl.when(is_last)
        def _():
            sum_1X = kept["sum"][...]
            is_seen_1X = sum_1X > 0
            sum_1X = jnp.where(is_seen_1X, sum_1X, 1.0)
            read_XK = jnp.transpose(kept["read"][...] / sum_1X)
            outs["read"][...] = read_XK.astype(outs["read"].dtype)
            log_sum_1X = kept["top"][...] + jnp.log(sum_1X)
            outs["log_sum"][...] = jnp.where(is_seen_1X, log_sum_1X, HIDDEN)

    rows, heads, length, width = given.query_BHLK.shape
    found = own.call(
        body,
        given,
        *_given(given, own),
        outs={
            "read": _like(given.query_BHLK, given.value_BGMK.dtype),
            "log_sum": _wide(rows, heads, 1, length),
        },
        out_specs={"read": own.queries, "log_sum": own.numbers},
        scratch={
            "read": _room(width, own.block),
            "top": _room(1, own.block),
            "sum": _room(1, own.block),
        },
        interpret=kernel.options[0],
    )
    return found["read"], found["log_sum"][:, :, 0]


def _answered(given: Blocks, answer: Answer, own: Grid) -> tuple[dict, dict]:
    """What both backward kernels read, and its blocks."""
    refs, specs = _given(given, own)
    refs |= {
        "slope": answer.slope_BHLK,
        "log_sum": answer.log_sum_BHL[:, :, None],
        "drift": answer.drift_BHL[:, :, None],
    }
    specs |= {"slope": own.queries, "log_sum": own.numbers, "drift": own.numbers}
    return refs, specs


def _backward(given: Blocks, answer: Answer, kernel: Kernel):
    query_BHLK, bias_HP = _by_queries(given, answer, kernel)
    return query_BHLK, *_by_keys(given, answer, kernel), bias_HP


def _by_queries(given: Blocks, answer: Answer, kernel: Kernel):
    """The gradients of queries and bias."""
    own = lay_out(given, kernel)

    def body(rows, outers, inners, refs, outs, kept):
        is_first, is_last = _is_edge(outers, rows)
        visit = pl.program_id(1)
        key_block = inners[visit]

        @pl.when(is_first)
        def _():
            kept["query"][...] = jnp.zeros_like(kept["query"])

        if "bias" in outs:

            @pl.when(visit == 0)
            def _():
                outs["bias"][...] = jnp.zeros_like(outs["bias"])

        @pl.when(key_block != NOBODY)
        def _():
            _, slope_YX, passed_YX = tile.slopes(refs, kernel.cap, key_block)
            if "bias" in outs:
                first = own.first_distance(outers[visit], key_block) * own.block
                window = pl.ds(pl.multiple_of(first, own.block), 2 * own.block)
                outs["bias"][:, window] += tile.gathered(slope_YX)
            key_YK = refs["key"][...]
            slope_YX = (slope_YX * passed_YX).astype(key_YK.dtype)
            kept["query"][...] += tile.product(key_YK, slope_YX, 0, 0)

        @pl.when(is_last)
        def _():
            slope_XK = jnp.transpose(kept["query"][...] * own.width**-0.5)
            outs["query"][...] = slope_XK.astype(outs["query"].dtype)

    outs = {"query": _like(given.query_BHLK)}
    out_specs = {"query": own.queries}
    if given.bias_HP is not None:
        outs["bias"], out_specs["bias"] = _wide(own.heads, 1, own.distances), own.all_bias
    found = own.call(
        body,
        given,
        *_answered(given, answer, own),
        outs=outs,
        out_specs=out_specs,
        scratch={"query": _room(own.width, own.block)},
        interpret=kernel.options[0],
    )
    return found["query"], found["bias"][:, 0, ::-1] if "bias" in found else None


def _by_keys(given: Blocks, answer: Answer, kernel: Kernel):
    """The gradients of keys and values."""
    own = lay_out(given, kernel, by_keys=True)

    def body(rows, outers, inners, refs, outs, kept):
        is_first, is_last = _is_edge(outers, rows)
        visit, member = pl.program_id(1), pl.program_id(2)

        @pl.when(is_first & (member == 0))
        def _():
            kept["key"][...] = jnp.zeros_like(kept["key"])
            kept["value"][...] = jnp.zeros_like(kept["value"])

        @pl.when(inners[visit] != NOBODY)
        def _():
            weight_YX, slope_YX, passed_YX = tile.slopes(refs, kernel.cap, outers[visit])
            slope_XK, query_XK = refs["slope"][...], refs["query"][...]
            kept["value"][...] += tile.product(weight_YX.astype(slope_XK.dtype), slope_XK, 1, 0)
            slope_YX = (slope_YX * passed_YX).astype(query_XK.dtype)
            kept["key"][...] += tile.product(slope_YX, query_XK, 1, 0)

        @pl.when(is_last & (member == own.group - 1))
        def _():
            key_YK, value_YK = kept["key"][...] * own.width**-0.5, kept["value"][...]
            outs["key"][...] = key_YK.astype(outs["key"].dtype)
            outs["value"][...] = value_YK.astype(outs["value"].dtype)

    found = own.call(
        body,
        given,
        *_answered(given, answer, own),
        outs={"key": _like(given.key_BGMK), "value": _like(given.value_BGMK)},
        out_specs={"key": own.keys, "value": own.keys},
        scratch={name: _room(own.block, own.width) for name in ("key", "value")},
        interpret=kernel.options[0],
    )
    return found["key"], found["value"]
