"""A model as a run, and a run as a model.

A run that is made of a model has one stage and has taken no step of it: its only checkpoint is
number 0, with weights and no moments. Whatever reads trained runs reads it.
"""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from archlab import directory
from archlab.bridge import words
from archlab.bridge.model import Model
from archlab.ledger import Ledger
from archlab.model.transformer import parameters
from archlab.plain import kept
from archlab.settings import Run
from archlab.stages import Stage
from archlab.train.checkpoint import Checkpoints
from archlab.train.meter import Meter
from archlab.train.position import Position
from archlab.train.state import State
from archlab.trained import Trained

STAGE = "imported"  # the stage, and the mixture that it does not read
VOCABULARY = "vocabulary"  # the folder of its files, within the run's


def make(model: Model, out: Path, name: str, told: dict | None = None) -> None:
    """Makes a run directory of a model.

    Args:
      model: any.
      out: the directory; it is not there, or is empty.
      name: what the run is called.
      told: what else its manifest says, JSON-able.

    Raises:
      ValueError: the directory holds a run, or something else.
    """
    is_pair = model.architecture.kind == "encoder_decoder"
    stage = Stage(STAGE, steps=1, rows=1, inputs=int(is_pair), targets=model.length or 1)
    run = Run(model.architecture, model.size, (stage,), precision="float32")
    with directory.claim(out):
        if (out / "manifest.json").exists():
            raise ValueError(f"{out} holds a run; name another directory with --out")
        spec = words.keep(model.vocabulary, out / VOCABULARY)
        if (out / VOCABULARY).is_dir():
            spec["path"] = f"{VOCABULARY}/{spec['path']}"
        count = sum(parameters(model.size, model.architecture).values())
        with Checkpoints(out / "checkpoints", keep=1) as checkpoints:
            state = State(model.weights, None, np.zeros((), np.int32))
            checkpoints.save(state, Position(0, 0, 0, Meter(Ledger(parameters=count))))
        config = kept(name, run, ())
        devices = [f"{one.platform} {one.device_kind}" for one in jax.devices()]
        text = {"data": {}, "vocabulary": spec, "texts": {}, **(told or {})}
        directory.settle(out, config, _gin(run, name), directory.made_with(devices) | text)


def _gin(run: Run, name: str) -> str:
    """The run as an experiment."""
    lines = [f"# experiment: {name}", ""]
    things = {"architecture": run.architecture, "size": run.size, "stages": run.stages[0]}
    for field, thing in things.items():
        root = f"@{type(thing).__name__}()"
        lines.append(f"Run.{field} = {f'[{root}]' if field == 'stages' else root}")
        for one in dataclasses.fields(thing):
            value = getattr(thing, one.name)
            if value != one.default:
                lines.append(f"{type(thing).__name__}.{one.name} = {value!r}")
    return "\n".join([*lines, f"Run.precision = {run.precision!r}", ""])


def of(read: Trained) -> Model:
    """Takes the model out of a run.

    Args:
      read: the run.

    Returns:
      The model of the stage that the checkpoint belongs to.
    """
    length = read.stage.row_tokens
    is_known = length > 1 and read.model.architecture.kind != "encoder_decoder"
    return Model(
        read.model.size,
        read.model.architecture,
        read.weights,
        read.vocabulary,
        length if is_known else 0,
    )
