"""Run directories as `archlab train` writes them, made up by hand."""

import json
import math

SPAN, PREFIX = "span_corruption", "prefix_lm"
FLOPS = {"body": 6_000, "head": 3_000, "attention": 1_000}
MANIFEST = {
    "python": "3.11.2",
    "platform": "Linux",
    "versions": {"jax": "0.10.2", "flax": "0.12.8"},
    "devices": ["cpu cpu"] * 8,
    "git": "0123abcd-dirty",
    "data": {SPAN: "d1", PREFIX: "d2"},
    "texts": {"wiki train": "t1"},
    "vocabulary": {"kind": "bytes"},
}


def stage(name, steps=4, architecture="prefix_decoder", visited=900.0):
    """The facts of a stage, as a "start" line has them."""
    return {
        "name": name,
        "steps": steps,
        "tokens": steps * 100,
        "tokens_per_step": 100,
        "architecture": architecture,
        "objectives": [name],
        "flops_per_step": FLOPS,
        "visited_parameters": visited,
    }


def start(*stages, resumed_from=None):
    """A "start" line."""
    facts = {"experiment": "made_up", "parameters": 1_234_567, "stages": list(stages)}
    return {"kind": "start", **facts, "resumed_from": resumed_from}


def train(total, loss, number=0, name=SPAN, before=0):
    """A "train" line."""
    return {
        "kind": "train",
        **_place(total, number, name, before),
        "flops": {part: flops * total for part, flops in FLOPS.items()},
        "parameters": 1_234_567,
        "tokens": 100 * total,
        "loss_tokens": 30.0 * total,
        "padding": 0.125,
        "seconds": 2.5 * total,
        "loss": loss,
        "loss_by_objective": {name: loss},
        "z_loss": 0.01,
        "accuracy": 0.5,
        "gradient_norm": 1.5,
        "learning_rate": 1e-3,
        "tokens_per_second": 4000.0,
        "waiting": 0.01,
    }


def evaluate(total, loss, number=0, name=SPAN, before=0):
    """An "evaluate" line."""
    where = _place(total, number, name, before)
    losses = {"loss": loss, "loss_by_objective": {name: loss}}
    return {"kind": "evaluate", **where, "tokens": 100 * total, **losses}


def end(total, loss, expect=None):
    """An "end" line."""
    met = None if expect is None else expect[0] <= loss <= expect[1]
    last = train(total, loss)
    names = ("flops", "parameters", "tokens", "loss_tokens", "padding", "seconds")
    ledger = {name: last[name] for name in names}
    ledger |= {"visited_parameters": 900.0, "epochs": {SPAN: 0.25, PREFIX: 1.5}}
    outcome = {"loss": loss, "expect": expect, "met": met}
    return {"kind": "end", "seconds": last["seconds"], "ledger": ledger, **outcome}


def whole(expect=None, shift=0.0):
    """The lines of a run of two stages that ended."""
    losses = [5.0, 4.0, 3.5, 3.0, 4.5, 3.0, 2.5, 2.0]
    first = [train(i + 1, loss + shift) for i, loss in enumerate(losses[:4])]
    second = [train(i + 5, loss + shift, 1, PREFIX, 4) for i, loss in enumerate(losses[4:])]
    held = [evaluate(4, 3.2 + shift), evaluate(8, 2.2 + shift, 1, PREFIX, 4)]
    stages = start(stage(SPAN), stage(PREFIX, visited=1100.0))
    return [stages, *first, held[0], *second, held[1], end(8, 2.2 + shift, expect)]


def write(folder, lines, gin="Run.seed = 0\n", seed=0, manifest=MANIFEST):
    """Writes a run directory; every line is a second later than the one before."""
    folder.mkdir(parents=True)
    text = "".join(json.dumps(_plain({"time": at, **line})) + "\n" for at, line in enumerate(lines))
    (folder / "metrics.jsonl").write_text(text)
    run = {"seed": seed, "size": {"layers": 2}, "expect": None}
    config = {"experiment": "made_up", "modules": [], "run": run}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "config.gin").write_text(gin)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _place(total, number, name, before):
    where = {"stage": number, "stage_name": name}
    return {**where, "step": total - before, "total_step": total}


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value
