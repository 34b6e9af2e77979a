"""Attention over intervals: position q reads the keys in [start[q], end[q]), and nothing else.

One operation serves causal, prefix, full, cross, packed and windowed attention: they differ in
their intervals alone. `archlab/kernels/` has three implementations of it, and a word chooses:

  dense     all logits at once; O(L × M) memory. Any platform.
  chunked   block by block in plain XLA; O(L) memory. Any platform.
  pallas    block by block as a kernel; O(L) memory. TPU.
  auto      dense where queries or keys are at most 128, pallas on a TPU, chunked elsewhere

Why dense at all: a piece of less than a block is linear in memory either way, and a row that is
generated token by token asks one query at a time. From a block on chunked is the faster, on a CPU
(docs/performance.md).

Why no library on GPUs: cuDNN, through `jax.nn.dot_product_attention`, takes no interval for each
query, only a mask that is an array of all pairs; and what no GPU has run is not chosen here. GPUs
run chunked.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from archlab import axes
from archlab import mesh as meshes
from archlab.kernels import chunked, dense, flash, pallas
from archlab.refusal import Refusal

WORDS = ("auto", "dense", "chunked", "pallas")
SHORT = 128  # queries or keys, up to which all logits at once are linear in memory


def chosen(word: str, platform: str, length: int, memory: int) -> str:
    """Chooses an implementation.

    Example:
      >>> chosen("auto", "tpu", 512, 512), chosen("auto", "cpu", 512, 512)
      ('pallas', 'chunked')
      >>> chosen("auto", "tpu", 1, 4096)
      'dense'

    Args:
      word: one of `WORDS`.
      platform: of the devices: "cpu", "gpu" or "tpu".
      length: how many queries a row has.
      memory: how many keys.

    Returns:
      One of `WORDS` but "auto".

    Raises:
      ValueError: the platform cannot run it.
    """
    if word == "pallas" and platform != "tpu":
        raise Refusal(
            f"Run.attention='pallas' is a kernel for TPUs, and the devices are {platform}; "
            "'auto' takes it where it runs, 'chunked' runs anywhere",
            "Run.attention",
        )
    if word != "auto":
        return word
    if min(length, memory) <= SHORT:
        return "dense"
    return "pallas" if platform == "tpu" else "chunked"


def attend(
    query_BLHK: jax.Array,
    key_BMGK: jax.Array,
    value_BMGK: jax.Array,
    start_BL: jax.Array,
    end_BL: jax.Array,
    bias_HP: jax.Array | None = None,
    cap: float = 0.0,
    word: str = "auto",
    platform: str = "",
) -> tuple[jax.Array, jax.Array]:
    """Reads, for each query, a weighted mean of the values in its interval.

    Logits are divided by the root of the heads' width, bounded by the cap, and then the bias is
    added. Logits, softmax and bias are float32 whatever the arrays are.

    Args:
      query_BLHK: what each position asks.
      key_BMGK: what each memory position answers to; G divides H, and each serves H / G query
        heads that follow one another.
      value_BMGK: what it gives.
      start_BL: int32, first key of each interval.
      end_BL: int32, one past the last key; start_BL or less means that nothing is seen.
      bias_HP: added to the logits of each distance: query l and key m have the distance
        m - l + L - 1, so there are L + M - 1 of them; None adds nothing.
      cap: a logit x becomes cap × tanh(x / cap); 0 leaves it.
      word: one of `WORDS`.
      platform: of the devices; "" is that of JAX's first device.

    Returns:
      out_BLHK in the dtype of the values, zero where the interval is empty; and log_sum_BLH,
      float32, the log of the sum of the exponentials of its logits, by which what was read from two
      memories is merged (`kernels.interval.merge`), `HIDDEN` where the interval is empty.

    Raises:
      ValueError: the platform cannot run it.

    Source: Vaswani et al. 2017, section 3.2.1; Ainslie et al. 2023 for grouped queries; Gemma Team
      2024 (Gemma 2), section 2, for the cap.
    """
    length, memory = query_BLHK.shape[1], key_BMGK.shape[1]
    platform = platform or jax.default_backend()
    way = chosen(word, platform, length, memory)
    given = (query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP)
    if way == "dense":
        return dense.attend(*given, cap)
    if way == "chunked":
        return flash.attend(chunked.kernel(length, memory, cap, together=platform != "cpu"), *given)
    return flash.attend(pallas.kernel(length, memory, cap), *given)


@dataclasses.dataclass(frozen=True)
class Attend:
    """The attention of a model: `attend`, each device on its own rows and heads.

    Args:
      word: one of `WORDS`.
      mesh: of the devices; None leaves the arrays where they are.
    """

    word: str = "auto"
    mesh: jax.sharding.Mesh | None = None

    def __call__(
        self, query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP=None, cap: float = 0.0
    ) -> tuple[jax.Array, jax.Array]:
        """Attends as `attend` does.

        Args:
          query_BLHK: see `attend`, as for all others.
          key_BMGK: see there.
          value_BMGK: see there.
          start_BL: see there.
          end_BL: see there.
          bias_HP: see there.
          cap: see there.

        Returns:
          What `attend` does, split as the queries are.

        Raises:
          ValueError: the platform cannot run it, or heads do not divide over the devices.
        """
        if self.mesh is None:
            given = (query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP)
            return attend(*given, cap, self.word)
        given = {
            "query_BLHK": query_BLHK,
            "key_BMGK": self._divided(key_BMGK, query_BLHK),
            "value_BMGK": self._divided(value_BMGK, query_BLHK),
            "start_BL": start_BL,
            "end_BL": end_BL,
            "bias_HP": bias_HP,
            "place_L": jnp.arange(query_BLHK.shape[1]),
        }

        specs = {name: self._spec(name, array) for name, array in given.items()}
        outs = specs["query_BLHK"], PartitionSpec(*specs["query_BLHK"][:3])
        own = functools.partial(self._own, query_BLHK.shape[1], cap)
        spread = jax.shard_map(
            own, mesh=self.mesh, in_specs=(specs,), out_specs=outs, check_vma=False
        )
        return spread(given)

    def _own(self, length: int, cap: float, given: dict) -> tuple[jax.Array, jax.Array]:
        """What one device reads, for its part of `length` queries."""
        place_L, bias_HP = given["place_L"], given["bias_HP"]
        if bias_HP is not None:
            # Distances begin with that of the last query of all to the first key.
            many = place_L.size + given["key_BMGK"].shape[1] - 1
            bias_HP = jax.lax.dynamic_slice_in_dim(bias_HP, length - 1 - place_L[-1], many, 1)
        names = ("query_BLHK", "key_BMGK", "value_BMGK", "start_BL", "end_BL")
        platform = self.mesh.devices.flat[0].platform
        return attend(*(given[name] for name in names), bias_HP, cap, self.word, platform)

    def _divided(self, key_BMGK, query_BLHK) -> jax.Array:
        """Key heads that divide over the devices as query heads do, by repeating them if need be.

        Then each device holds those of its own query heads, never more than there were.
        """
        heads, key_heads = query_BLHK.shape[2], key_BMGK.shape[2]
        sharding = meshes.sharding(self.mesh, "query_BLHK", query_BLHK.shape)
        ways = heads // sharding.shard_shape(query_BLHK.shape)[2]
        times = math.lcm(ways, key_heads) // key_heads
        return key_BMGK if times == 1 else jnp.repeat(key_BMGK, times, axis=2)

    def _spec(self, name: str, array) -> PartitionSpec | None:
        """How an array is split: by the mesh's rules, but memory and distances stay whole."""
        if array is None:
            return None
        spec = meshes.sharding(self.mesh, name, array.shape).spec
        return PartitionSpec(
            *(
                None if letter in "MP" else axis
                for letter, axis in zip(axes.letters(name), spec, strict=True)
            )
        )
