"""The grid of a TPU's kernel: one step for each visit, and which blocks of which arrays it reads.

Where blocks of queries are outermost the grid is (heads, visits), and where blocks of keys are it
is (key heads, visits, heads of a group). It is as long as the list of visits, which is made while
the program runs: what nobody sees costs no step. A step's row and blocks stand in scalar memory.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from archlab.kernels import interval
from archlab.kernels.flash import Blocks, Kernel
from archlab.kernels.interval import Visits

# Visits that fit into the scalar memory of every TPU, as three int32 arrays, with room to spare.
MOST_VISITS = 1 << 16


@dataclasses.dataclass(frozen=True)
class Grid:
    """Extents, and who is outermost.

    Args:
      heads: query heads.
      key_heads: key and value heads.
      width: of a head.
      block: queries, and keys, of a block.
      query_blocks: how many blocks of queries a row has.
      key_blocks: how many of keys.
      by_keys: whether blocks of keys are outermost, rather than blocks of queries.
    """

    heads: int
    key_heads: int
    width: int
    block: int
    query_blocks: int
    key_blocks: int
    by_keys: bool = False

    @property
    def group(self) -> int:
        """Query heads that share a key head."""
        return self.heads // self.key_heads

    @property
    def distances(self) -> int:
        """Distances between queries and keys, and one more."""
        return (self.query_blocks + self.key_blocks) * self.block

    def visits(self, given: Blocks) -> Visits:
        """Lists the visits.

        Args:
          given: what the kernel reads.

        Returns:
          Every outer block, with the inner blocks that it meets.
        """
        memory = self.key_blocks * self.block
        is_seen_BIJ = interval.sees(given.start_BL, given.end_BL, self.block, self.block, memory)
        if self.by_keys:
            is_seen_BIJ = jnp.swapaxes(is_seen_BIJ, 1, 2)
        return interval.visits(is_seen_BIJ, each=True)

    def at(self, *step: jax.Array) -> tuple:
        """Says where a step is.

        Args:
          *step: its place in the grid, and the scalars: rows, outer blocks, inner blocks.

        Returns:
          Its row, head, key head, block of queries and block of keys. Where there is nothing to
          meet it stands at the first block, and does nothing there.
        """
        *numbers, rows, outers, inners = step
        head, visit = numbers[:2]
        outer, inner = outers[visit], jnp.maximum(inners[visit], 0)
        if self.by_keys:
            return rows[visit], head * self.group + numbers[2], head, inner, outer
        return rows[visit], head, head // self.group, outer, inner

    def first_distance(self, query_block: jax.Array, key_block: jax.Array) -> jax.Array:
        """Finds the distances of two blocks among all, where the greatest is first.

        Args:
          query_block: number of the block of queries.
          key_block: number of the block of keys.

        Returns:
          The block of distances that theirs begin with; they take two.
        """
        return self.key_blocks - 1 - key_block + query_block

    def _spec(self, shape: tuple, place: Callable) -> pl.BlockSpec:
        return pl.BlockSpec(shape, lambda *step: place(*self.at(*step)))

    @property
    def queries(self) -> pl.BlockSpec:
        """A block of queries, of a [B, H, L, K] array."""
        return self._spec(
            (None, None, self.block, self.width),
            lambda row, head, key_head, query, key: (row, head, query, 0),
        )

    @property
    def keys(self) -> pl.BlockSpec:
        """A block of keys, of a [B, G, M, K] array."""
        return self._spec(
            (None, None, self.block, self.width),
            lambda row, head, key_head, query, key: (row, key_head, key, 0),
        )

    @property
    def numbers(self) -> pl.BlockSpec:
        """A number for each query of a block, of a [B, H, 1, L] array."""
        return self._spec(
            (None, None, 1, self.block),
            lambda row, head, key_head, query, key: (row, head, 0, query),
        )

    @property
    def edges(self) -> pl.BlockSpec:
        """An edge for each query of a block, of a [B, 1, L] array."""
        return self._spec(
            (None, 1, self.block), lambda row, head, key_head, query, key: (row, 0, query)
        )

    def bias(self, second: int) -> pl.BlockSpec:
        """One of the two blocks of distances of a visit, of a [H, 1, P] array.

        Args:
          second: 0 for the one and 1 for the other.

        Returns:
          Where it is.
        """
        return self._spec(
            (None, 1, self.block),
            lambda row, head, key_head, query, key: (
                head,
                0,
                self.first_distance(query, key) + second,
            ),
        )

    @property
    def all_bias(self) -> pl.BlockSpec:
        """All distances of a head, of a [H, 1, P] array."""
        return self._spec(
            (None, 1, self.distances), lambda row, head, key_head, query, key: (head, 0, 0)
        )

    def call(
        self,
        body: Callable,
        given: Blocks,
        refs: dict,
        specs: dict,
        outs: dict,
        out_specs: dict,
        scratch: dict,
        interpret: bool,
    ) -> dict:
        """Runs a kernel.

        Args:
          body: takes the scalars, and `refs`, `outs` and `scratch` as references, by name.
          given: whose visits they are.
          refs: arrays that it reads.
          specs: their blocks.
          outs: shapes that it writes.
          out_specs: their blocks.
          scratch: memory that is kept from step to step.
          interpret: whether to run it on a CPU, slowly.

        Returns:
          What it wrote, by name.
        """
        visits = self.visits(given)
        grid: tuple[int | jax.Array, ...] = (self.heads, visits.total)
        if self.by_keys:
            grid = (self.key_heads, visits.total, self.group)
        semantics = (pltpu.PARALLEL, *[pltpu.ARBITRARY] * (len(grid) - 1))
        return pl.pallas_call(
            body,
            grid_spec=pltpu.PrefetchScalarGridSpec(
                num_scalar_prefetch=3,
                grid=grid,
                in_specs=[specs],
                out_specs=out_specs,
                scratch_shapes=[scratch],
            ),
            out_shape=outs,
            compiler_params=pltpu.CompilerParams(dimension_semantics=semantics),
            interpret=interpret,
        )(visits.row_W, visits.outer_W, visits.inner_W, refs)


def lay_out(given: Blocks, kernel: Kernel, by_keys: bool = False) -> Grid:
    """Lays a kernel out.

    Args:
      given: what it reads.
      kernel: how long a block is.
      by_keys: whether blocks of keys are outermost.

    Returns:
      The grid.

    Raises:
      ValueError: more pairs of blocks than there is room to list.
    """
    rows, heads, length, width = given.query_BHLK.shape
    key_heads, memory = given.key_BGMK.shape[1:3]
    block = kernel.block_keys
    made = Grid(heads, key_heads, width, block, length // block, memory // block, by_keys)
    if rows * made.query_blocks * made.key_blocks > MOST_VISITS:
        raise ValueError(
            f"{rows} rows of {length} queries and {memory} keys have "
            f"{rows * made.query_blocks * made.key_blocks} pairs of blocks on one device, and a "
            f"TPU's scalar memory has room for {MOST_VISITS}; more microbatches (Stage.accumulate) "
            "or more ways to split the rows would do, or Run.attention='chunked'"
        )
    return made
