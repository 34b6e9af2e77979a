"""Attention: what intervals cost, all at once and block by block; `make bench-attention`.

Writes the section `## Attention` of docs/performance.md. Contestants take turns, so that a busy
machine slows all of them, and a number is the median of its turns. With the TPU compiler
(`pip install libtpu`), the kernels are compiled for TPUs that are not there.
"""

import functools
import importlib.util
import os
import platform
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies

from archlab import mesh as meshes
from archlab.kernels import chunked, dense, flash
from archlab.model.attention import Attend
from benchmarks.table import table, write

ROUNDS = 5
TOKENS = 4096  # of a call, in rows of every length
LENGTHS = (128, 256, 512, 1024, 2048, 4096)
BLOCKS = (64, 128, 256)
KINDS = ("full", "causal", "packed")
DOCUMENTS = 8  # of a packed row
HEADS, WIDTH = 8, 64
TOPOLOGIES = {"v5e": ("v5e:2x2", "v5litepod-4"), "v5p": ("v5p:2x2x1", "v5p-8")}


def edges(kind: str, rows: int, length: int) -> tuple[jax.Array, jax.Array]:
    """The intervals of every position: full, causal, or packed with causal documents."""
    place = np.arange(length)
    start, end = np.zeros(length), place + 1
    if kind == "full":
        end = np.full(length, length)
    if kind == "packed":
        start = place // (length // DOCUMENTS) * (length // DOCUMENTS)
    edges = (np.broadcast_to(edge, (rows, length)) for edge in (start, end))
    return tuple(jnp.asarray(edge, jnp.int32) for edge in edges)


def given(kind: str, length: int, rows: int, biased: bool) -> tuple:
    """What is attended to."""
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(rows, length, HEADS, WIDTH)) for _ in range(3)]
    bias = jnp.zeros((HEADS, 2 * length - 1)) if biased else None
    return *(jnp.asarray(array, jnp.float32) for array in arrays), *edges(kind, rows, length), bias


def _chunked(block: int, query_BLHK: jax.Array, key_BMGK: jax.Array, *more):
    kernel = chunked.kernel(query_BLHK.shape[1], key_BMGK.shape[1], block=block)
    return flash.attend(kernel, query_BLHK, key_BMGK, *more)


@functools.cache
def contestant(name: str):
    """A compiled function of what is attended to, to its gradients."""
    attend = dense.attend
    if name != "dense":
        attend = functools.partial(_chunked, int(name.split()[1]))

    def total(*inputs):
        return jnp.sum(attend(*inputs)[0] ** 2)

    return jax.jit(jax.grad(total, argnums=(0, 1, 2)))


def milliseconds(calls: dict) -> dict:
    """Times functions of nothing, turn by turn: the median of each, by its name."""
    times = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            since = time.perf_counter()
            jax.block_until_ready(call())
            if number:  # the first compiles
                times[name].append(1e3 * (time.perf_counter() - since))
    return {name: statistics.median(each) for name, each in times.items()}


def speeds() -> str:
    """What a forward and a backward pass take, in rows of growing length."""
    lines = []
    for length in LENGTHS:
        names = ["dense", *(f"chunked {block}" for block in BLOCKS if block <= length)]
        calls = {
            (name, kind): functools.partial(
                contestant(name), *given(kind, length, TOKENS // length, biased=False)
            )
            for name in names
            for kind in KINDS
        }
        found = milliseconds(calls)
        for name in names:
            own = [f"{found[name, kind]:.0f}" for kind in KINDS]
            ratios = [f"{found['dense', kind] / found[name, kind]:.1f}" for kind in KINDS]
            lines.append([str(length), name, *own, *ratios])
    head = ["length", "how", *(f"{kind}, ms" for kind in KINDS), *(f"{kind}, ×" for kind in KINDS)]
    return table(head, lines)


def rooms() -> str:
    """What a gradient needs besides what it is given and what it gives, as the compiler says."""
    lines = []
    for name in ("dense", f"chunked {chunked.BLOCK}"):
        for biased in (False, True):
            shapes = [jax.eval_shape(lambda n=n: given("full", n, 1, biased)) for n in (1024, 4096)]  # noqa: B023
            programs = [contestant(name).lower(*one).compile() for one in shapes]
            own = [one.memory_analysis().temp_size_in_bytes / 2**20 for one in programs]
            said = [f"{room:.1f}" for room in own]
            lines.append([name, "yes" if biased else "no", *said, f"{own[1] / own[0]:.1f}"])
    return table(["how", "bias", "1,024, MiB", "4,096, MiB", "ratio"], lines)


def compiled(kind: str) -> list[list[str]]:
    """Compiles a gradient for four TPUs: two ways to split the rows, two to split the heads."""
    topology, os.environ["TPU_ACCELERATOR_TYPE"] = TOPOLOGIES[kind]
    devices = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices
    mesh = jax.sharding.Mesh(np.array(devices).reshape(2, 2), ("data", "model"))

    def shaped(name: str, shape: tuple, dtype):
        where = meshes.sharding(mesh, name, shape)
        return jax.ShapeDtypeStruct(shape, dtype, sharding=where)

    lines = []
    for length in (2048, 16384):
        for word, biased in (("pallas", False), ("pallas", True), ("chunked", False)):
            keys = [
                shaped(name, (4, length, 4, 128), jnp.bfloat16)
                for name in ("key_BMGK", "value_BMGK")
            ]
            inputs = [shaped("query_BLHK", (4, length, 16, 128), jnp.bfloat16), *keys]
            inputs += [shaped(name, (4, length), jnp.int32) for name in ("start_BL", "end_BL")]
            inputs += [shaped("bias_HP", (16, 2 * length - 1), jnp.float32)] if biased else []

            def total(*inputs, word=word):
                return jnp.sum(Attend(word, mesh)(*inputs)[0].astype(jnp.float32) ** 2)

            since = time.perf_counter()
            slope = jax.jit(jax.grad(total, (0, 1, 2, 5) if biased else (0, 1, 2)))
            lowered = slope.lower(*inputs)
            program, kernels = lowered.compile(), lowered.as_text().count("@tpu_custom_call")
            seconds = f"{time.perf_counter() - since:.0f}"
            room = f"{program.memory_analysis().temp_size_in_bytes / 2**20:.0f}"
            said = ["yes" if biased else "no", str(kernels), room, seconds]
            lines.append([kind, f"{length:,}", word, *said])
    return lines


HEAD = """## Attention

`make bench-attention`; {machine}, jax {jax}. Float32, {heads} heads of {width}, {tokens:,} tokens
a call in rows of the length; forward and backward; medians of {rounds} turns. The number after
*chunked* is its block. ×: how many times faster than dense on the same intervals. A packed row
holds {documents} causal documents. The load of the machine as it began was {load:.1f}.

"""

ROOMS = """
What a gradient needs besides its arguments and results, as XLA's `memory_analysis` says, of one row
of 1,024 and of 4,096 tokens (linear is 4, quadratic 16). The bias is one of distances, as T5's.

"""

TPUS = """
Compiled for four TPUs by the compiler in libtpu, on a CPU: 4 rows over `data=2`, 16 query heads and
4 key heads of 128 over `model=2`, bfloat16, gradients of all inputs. Nothing was run, so nothing is
said of speed. Temporaries are of one device.

"""


def main() -> None:
    """Measures, and writes the section."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    text = HEAD.format(
        machine=machine,
        jax=jax.__version__,
        heads=HEADS,
        width=WIDTH,
        tokens=TOKENS,
        rounds=ROUNDS,
        documents=DOCUMENTS,
        load=os.getloadavg()[0],
    )
    text += speeds() + ROOMS + rooms()
    if importlib.util.find_spec("libtpu"):
        os.environ |= {"TPU_SKIP_MDS_QUERY": "1", "TPU_WORKER_HOSTNAMES": "localhost"}
        head = ["TPU", "length", "how", "bias", "kernels", "temporaries, MiB", "compiling, s"]
        text += TPUS + table(head, [line for kind in TOPOLOGIES for line in compiled(kind)])
    print(text)
    write(text)


if __name__ == "__main__":
    main()
