"""Peers and archlab on the same work: `make bench-peers` writes a section of docs/performance.md.

Peers come from PyPI, each into an environment of its own that is made here, once. What is compiled
for TPUs runs in MaxText's environment on both sides, so that one compiler judges both. What is
timed takes turns, and between the turns the machine's own rate at multiplying matrices is taken.
"""

import functools
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from archlab.census import Census, census
from archlab.chips import CHIPS
from archlab.topology import ALONE
from benchmarks.rivals.shapes import SHAPES, Shape
from benchmarks.table import table, write

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ROUNDS = 5
PEERS = {  # what is installed, and by which Python
    "maxtext": (
        ["maxtext[tpu]==0.2.5", "jax==0.12.0.1", "libtpu==0.0.52", "gin-config"],
        "python3.12",
    ),
    "torch": (["torch==2.13.0", "transformers==5.24.0"], sys.executable),
}
DECODER = """
include 'gin/architecture/causal_decoder.gin'
include 'gin/optimizer/adamw.gin'
include 'gin/mesh/v5e_16.gin'
Architecture.tied = False
Run.size = @Size()
Size.layers = 16
Size.embed = 2048
Size.mlp = 8192
Size.heads = 16
Size.kv = 128
Size.vocab = 32128
Run.stages = [@Stage()]
Stage.mixture = "python_stdlib_causal_lm"
Stage.tokens = "1T"
Stage.inputs = 1024
Stage.targets = 1024
Stage.rows = 64
Stage.schedule = @Schedule()
Schedule.kind = "cosine"
Run.z_loss = 0.0
Run.remat = "{remat}"
"""
SAME = [  # the same, as MaxText says it
    *("compile_topology=v5e-16", "compile_topology_num_slices=1", "dataset_type=synthetic"),
    *("run_name=peer", "enable_checkpointing=False", "base_emb_dim=2048", "head_dim=128"),
    *("base_num_query_heads=16", "base_num_kv_heads=16", "base_mlp_dim=8192", "vocab_size=32128"),
    *("base_num_decoder_layers=16", "per_device_batch_size=4", "max_target_length=2048"),
    *("dtype=bfloat16", "weight_dtype=float32", "ici_fsdp_parallelism=16"),
]
WHOLE = "compile_xla_flags=--xla_jf_spmd_threshold_for_windowed_einsum_mib=1000000"
STEP = [  # of the decoder that is timed
    *("skip_jax_distributed_system=True", "dataset_type=synthetic", "run_name=peer"),
    *("enable_checkpointing=False", "attention=dot_product", "dtype=float32", "steps=12"),
    *("base_emb_dim=512", "head_dim=64", "base_num_query_heads=8", "base_num_kv_heads=8"),
    *("base_mlp_dim=1408", "base_num_decoder_layers=6", "vocab_size=8192"),
    *("per_device_batch_size=4", "max_target_length=512", "remat_policy=minimal"),
]


@functools.cache
def python(peer: str) -> str:
    """Args: peer: a key of PEERS. Returns: the Python that has it; installed if need be."""
    folder = ROOT / f".venv-{peer}"
    wanted, maker = PEERS[peer]
    done = folder / "installed"
    if not done.exists():
        print(f"installing {peer} into {folder.name}", flush=True)
        subprocess.run([maker, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *wanted], check=True)
        done.touch()
    return str(folder / "bin" / "python")


def environment(**more: str) -> dict[str, str]:
    """Args: more: to set. Returns: the environment of a process that finds archlab."""
    # JAX, imported here, has put the path of this environment's own compiler among them.
    kept = {name: value for name, value in os.environ.items() if name != "TPU_LIBRARY_PATH"}
    return {**kept, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **more}


def compiled(out: Path, command: list[str]) -> tuple[dict, Census]:
    """Args: out, command: what writes there. Returns: bytes by kind, and the census."""
    env = environment(**ALONE, JAX_PLATFORMS="cpu")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    sizes = json.loads(Path(f"{out}.json").read_text())
    found = census(Path(f"{out}.hlo").read_text(), {"head": sizes.get("turns", 1)})
    assert not found.open, f"nobody knows how often these loops turn: {found.open}"
    return sizes, found


def pods(folder: Path) -> str:
    """Args: folder: to write in. Returns: a table of what was compiled."""
    lines, clock = [], CHIPS["v5e"].clock
    for remat in ("full", "minimal"):
        experiment = folder / f"{remat}.gin"
        experiment.write_text(DECODER.format(remat=remat))
        module = ["-m", "benchmarks.rivals.archlab_compiled"]
        driver = [python("maxtext"), str(HERE / "maxtext_compiled.py")]
        same = [*SAME, f"remat_policy={remat}", f"base_output_directory={folder}"]
        ways = {
            "archlab": [python("maxtext"), *module, "OUT", str(experiment), "v5e:4x4"],
            "MaxText, as it comes": [*driver, "OUT", *same],
            "MaxText, products whole": [*driver, "OUT", *same, WHOLE],
        }
        found = {}
        for number, (who, command) in enumerate(ways.items()):
            out = folder / f"{remat}_{number}"
            print(f"compiling {who}, remat {remat}", flush=True)
            command = [str(out) if word == "OUT" else word for word in command]
            found[who] = compiled(out, command)
        ours = found["archlab"]
        for who, (sizes, counted) in found.items():
            lines.append(
                [
                    remat,
                    who,
                    f"{sizes['temp'] / 1e9:.2f}",
                    f"{ours[0]['temp'] / sizes['temp']:.2f}",
                    f"{counted.cycles / 1e6:,.0f}",
                    f"{ours[1].cycles / counted.cycles:.2f}",
                    f"{1000 * counted.cycles / clock:.0f}",
                    f"{sum(one.bytes for one in counted.within.values()) / 1e9:.1f}",
                    f"{counted.kernels:.0f}",
                ]
            )
    columns = ["remat", "who", "temporaries, GB", "archlab's ÷ these", "million cycles"]
    columns += ["archlab's ÷ these cycles", "ms at 1.5 GHz", "arrays of collectives, GB", "kernels"]
    return table(columns, lines)


class Lane:
    """A process that trains, a turn at a time.

    Args:
      command: that starts it.
    """

    def __init__(self, command: list[str]):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(
            command, env=environment(), stderr=subprocess.DEVNULL, **pipes
        )
        self.first = self.answer()

    def answer(self) -> dict:
        """Returns: what it says next."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.process.args} ended without an answer")

    def turn(self) -> dict:
        """Returns: what one turn took."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()


def maxtext(folder: Path, *more: str) -> float:
    """Args: folder: to write in. more: settings. Returns: median seconds of a step, by its log."""
    module = [python("maxtext"), "-m", "maxtext.trainers.pre_train.train"]
    base = 'import maxtext, os; print(os.path.join(os.path.dirname(maxtext.__file__), "configs"))'
    configs = subprocess.run(
        [module[0], "-c", base], check=True, capture_output=True, text=True, env=environment()
    ).stdout.split()[-1]
    command = [*module, f"{configs}/base.yml", *STEP, *more, f"base_output_directory={folder}"]
    env = environment(JAX_PLATFORMS="cpu")
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    seconds = re.findall(r"seconds: ([\d.]+)", said.stdout + said.stderr)
    return statistics.median(float(one) for one in seconds[2:])


def steps(names: list[str], folder: Path) -> str:
    """Args: names: of shapes. folder: to write in. Returns: a table of what was timed."""
    lines = []
    for name in names:
        shape: Shape = SHAPES[name]
        torch = [python("torch"), str(HERE / "torch_step.py"), name]
        archlab = [sys.executable, "-m", "benchmarks.rivals.archlab_step", name]
        lanes = {
            "archlab": Lane(archlab),
            "Hugging Face, eager": Lane([*torch, "eager"]),
            "Hugging Face, torch.compile": Lane([*torch, "compiled"]),
        }
        if not name.startswith("gpu_"):  # JAX takes a GPU's memory whole, for one process
            lanes["archlab, unrolled"] = Lane([*archlab, "unrolled"])
        took = {who: [] for who in lanes}
        rates = []
        for number in range(ROUNDS):
            print(f"{name}: turn {number + 1} of {ROUNDS}", flush=True)
            for who, lane in lanes.items():
                said = lane.turn()
                took[who].append(said["seconds"])
                rates += [said["rate"]] if "rate" in said else []
        flops = lanes["archlab"].first
        for lane in lanes.values():
            lane.process.stdin.close()
            lane.process.wait()
        seconds = {who: statistics.median(own) for who, own in took.items()}
        if shape.kind == "decoder" and shape.embed == 512:
            seconds["MaxText, remat minimal"] = maxtext(folder)
            seconds["MaxText, the same, unrolled"] = maxtext(folder, "scan_layers=False")
        rate = statistics.median(rates)
        causal = shape.kind == "decoder"  # an encoder sees all
        for who, own in seconds.items():
            halved = flops["flops"] - flops["attention"] / 2
            shares = [f"{flops['flops'] / own / rate:.0%}"]
            shares += [f"{halved / own / rate:.0%}" if causal else ""]
            times = f"{own / seconds['archlab']:.2f}"
            lines.append([name, who, f"{shape.tokens / own:,.0f}", times, *shares])
        print(table(["", "", "", "", "", ""], lines), f"matmul {rate / 1e9:.0f} GFLOP/s")
    columns = ["rows", "who", "tokens/s", "time ÷ archlab's", "share of matmul rate"]
    return table([*columns, "the same, causal attention halved"], lines)


PODS = """## Beside MaxText, compiled

`make bench-peers`. One training step of the same decoder for a v5e-16 (16 layers, embed 2,048, 16
heads of 128, gated hidden layers of 8,192, vocabulary 32,128, 4 rows of 2,048 on a chip, float32
weights, bfloat16, AdamW, all split over 16 chips), by one compiler: MaxText 0.2.5's own
`train_compile` and archlab, both with jax 0.12.0.1 and libtpu 0.0.52. Cycles are the compiler's
estimates, loops multiplied out; it gives none for the kernels of attention, which both have. *As
it comes* is MaxText without flags; *products whole* has the one flag that archlab sets by itself,
which MaxText recommends for v6e. Nothing was run.

"""
TIMED = """
## Beside peers, timed on a {device}

`make bench-peers{ask}`; {machine}. {how}. AdamW, one step of full rows; archlab and Hugging Face in
turns, {rounds} turns of 4 steps, medians; MaxText after them, the median of 10 steps. *Unrolled*
repeats the layers in the program instead of looping over them (`Run.unroll`). FLOPs are those of
the ledger, attention counted whole, and halved where all of it is causal. The machine's own rate,
at products of 2,048 × 2,048 in the same precision, was taken before each of archlab's turns.

"""
CPU = {"device": "CPU", "ask": "", "how": "float32, nothing recomputed but by MaxText (minimal)"}
GPU = {
    "device": "GPU",
    "ask": " BENCH=gpu",
    "how": "bfloat16 over float32 weights; archlab recomputes (minimal), PyTorch does not",
}


def main(what: list[str]) -> None:
    """Args: what: "tpu", "cpu", "gpu"; the first two unless said."""
    text = ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "tpu" in what:
            text += PODS + pods(folder)
        shapes = [*("decoder", "encoder_decoder")] if "cpu" in what else []
        shapes += [one for one in SHAPES if one.startswith("gpu_")] if "gpu" in what else []
        if shapes:
            machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
            gpu = shutil.which("nvidia-smi")
            if gpu and "gpu" in what:
                ask = [gpu, "--query-gpu=name", "--format=csv,noheader"]
                machine += f", {subprocess.run(ask, capture_output=True, text=True).stdout.strip()}"
            words = GPU if "gpu" in what else CPU
            text += TIMED.format(**words, machine=machine, rounds=ROUNDS) + steps(shapes, folder)
    print(text)
    write(text)


if __name__ == "__main__":
    main(sys.argv[1:] or ["tpu", "cpu"])
