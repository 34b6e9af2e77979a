"""Generation beside Hugging Face's, of the same weights: `make bench-generation`.

Writes the section `## Generation` of docs/performance.md. The two take turns in one process, so
that a busy machine slows both, and a number is the median of its turns. What they say is compared.
"""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import jax  # noqa: E402 - after the environment is set
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from archlab.bridge import huggingface  # noqa: E402
from archlab.data.vocabulary import Vocabulary  # noqa: E402
from archlab.generation.generate import generate  # noqa: E402
from archlab.generation.manner import Manner  # noqa: E402
from archlab.model.transformer import Transformer  # noqa: E402
from benchmarks.table import table, write  # noqa: E402

ROUNDS = 5
TOKENS, VOCAB = 64, 8192
ENDLESS = Vocabulary(f"ids:{VOCAB},0,{VOCAB + 1},2")  # whose end is in no table
LLAMA = transformers.LlamaConfig(
    vocab_size=VOCAB,
    hidden_size=512,
    intermediate_size=1408,
    num_hidden_layers=6,
    num_attention_heads=8,
    num_key_value_heads=8,
    bos_token_id=0,
    pad_token_id=0,
    eos_token_id=1,
)
T5 = transformers.T5Config(
    vocab_size=VOCAB,
    d_model=512,
    d_kv=64,
    d_ff=1408,
    num_layers=4,
    num_decoder_layers=4,
    num_heads=8,
    feed_forward_proj="gated-gelu",
    decoder_start_token_id=0,
)
MODELS = {
    "Llama, 6 layers of 512": (transformers.LlamaForCausalLM, LLAMA),
    "T5 1.1, 4 and 4 layers of 512": (transformers.T5ForConditionalGeneration, T5),
}
WAYS = {  # how many prompts, how both are told to continue them, and whether they say the same
    "greedy": (1, Manner(TOKENS), {}, True),
    "greedy, 8 prompts": (8, Manner(TOKENS), {}, True),
    "top-k 40, top-p 0.9, 8 prompts": (
        8,
        Manner(TOKENS, 1.0, 40, 0.9),
        {"do_sample": True, "top_k": 40, "top_p": 0.9},
        False,
    ),
    "4 beams, 2 prompts": (
        2,
        Manner(TOKENS, beams=4),
        {"num_beams": 4, "length_penalty": 0.0, "early_stopping": "never"},
        True,
    ),
}
FORM = """## Generation

Written by `make bench-generation`. The same weights in one process, float32, {tokens} tokens after
prompts of 16 to 64, none of which ends a text. × is how many times as long transformers took, on
eager PyTorch with one thread or all, whichever was the faster at first: the median of {rounds}
turns with the least and the greatest. *Same*: whether both said the same tokens. {where},
{versions}, PyTorch {torch}; on average {load:.1f} processes wanted to run in the last quarter of an
hour, this one included.

{table}"""


def prompts(number: int) -> list[list[int]]:
    """Drawn ids, between 16 and 64 of a prompt."""
    random = np.random.default_rng(0)
    return [random.integers(3, VOCAB, random.integers(16, 65)).tolist() for _ in range(number)]


def theirs(model: torch.nn.Module, given: list[list[int]], how: dict) -> list[list[int]]:
    """What transformers says, shorter prompts behind padding as it wants them."""
    is_pair = model.config.is_encoder_decoder
    read = given if is_pair else [[0, *prompt] for prompt in given]
    most = max(map(len, read))
    padded = [
        prompt + [0] * (most - len(prompt)) if is_pair else [0] * (most - len(prompt)) + prompt
        for prompt in read
    ]
    mask = [
        [1] * len(prompt) + [0] * (most - len(prompt))
        if is_pair
        else [0] * (most - len(prompt)) + [1] * len(prompt)
        for prompt in read
    ]
    said = model.generate(
        torch.tensor(padded),
        attention_mask=torch.tensor(mask),
        max_new_tokens=TOKENS,
        eos_token_id=None,
        **{"do_sample": False, **how},
    )
    return said[:, -TOKENS:].tolist()


def threaded(call: Callable) -> None:
    """Gives PyTorch the number of threads with which a call is the faster: one, or all."""
    seconds = {}
    for threads in (1, os.cpu_count()):
        torch.set_num_threads(threads)
        since = time.perf_counter()
        call()
        seconds[threads] = time.perf_counter() - since
    torch.set_num_threads(min(seconds, key=seconds.get))


def turns(calls: dict[str, Callable]) -> dict[str, list[float]]:
    """Seconds of each call, turn by turn; the first turn, which compiles, is left out."""
    seconds = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            since = time.perf_counter()
            call()
            if number:
                seconds[name].append(time.perf_counter() - since)
    return seconds


def measured(name: str) -> list[list[str]]:
    """Lines of the table, of one model."""
    kind, config = MODELS[name]
    torch.manual_seed(0)
    other = kind(config).eval()
    other.generation_config = transformers.GenerationConfig(
        pad_token_id=0, decoder_start_token_id=0
    )
    with tempfile.TemporaryDirectory() as folder:
        other.save_pretrained(folder)
        own = huggingface.read(Path(folder))
    model = Transformer(own.size, own.architecture)
    weights = jax.device_put(own.weights)
    lines = []
    for way, (rows, manner, how, is_same) in WAYS.items():
        given = prompts(rows)
        calls = {
            "own": lambda: generate(model, weights, ENDLESS, given, manner, rows),  # noqa: B023
            "theirs": lambda: theirs(other, given, how),  # noqa: B023
        }
        threaded(calls["theirs"])
        seconds = turns(calls)
        ratios = [one / two for one, two in zip(seconds["theirs"], seconds["own"], strict=True)]
        rate = rows * TOKENS / statistics.median(seconds["own"])
        said = [one.ids for one in calls["own"]()] == calls["theirs"]() if is_same else None
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        same = {True: "yes", False: "no", None: "drawn"}[said]
        lines.append([name, way, f"{rate:,.0f}", ratio, same])
        print(*lines[-1], sep=" | ", flush=True)
    return lines


def main() -> None:
    """Measures, and writes the section."""
    lines = [line for name in MODELS for line in measured(name)]
    text = FORM.format(
        tokens=TOKENS,
        rounds=ROUNDS,
        where=f"{platform.machine()}, {os.cpu_count()} cores",
        versions=f"JAX {jax.__version__}, transformers {transformers.__version__}",
        torch=torch.__version__,
        load=os.getloadavg()[2],
        table=table(["model", "how", "tokens/s", "×", "same"], lines),
    )
    write(text)


if __name__ == "__main__":
    main()
