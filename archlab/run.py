"""A run: stages in order, from settings to a trained, recorded model in a directory.

`train` takes a run from wherever its directory stands to the end, so that starting it and resuming
it are one command.
"""

import collections
import contextlib
import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path

import jax

from archlab import directory, stages
from archlab.data.prefetch import Prefetch
from archlab.data.recipes import Recipe, prepare
from archlab.evaluation.validation import validate
from archlab.ledger import Ledger, visited
from archlab.model.transformer import parameters
from archlab.modules import marks
from archlab.program import Program
from archlab.progress import Progress
from archlab.record import Record, read
from archlab.refusal import Refusal
from archlab.settings import Run, resolved
from archlab.train import loop, step
from archlab.train.checkpoint import Checkpoints
from archlab.train.meter import Meter, restored
from archlab.train.step import State


@dataclasses.dataclass
class Position:
    """Where a run stands.

    Args:
      stage: number of the stage, from 0.
      step: steps taken in it.
      meter: what the run has learnt and cost.
      loss: the last validation loss, nats per loss token; NaN before the first.
    """

    stage: int
    step: int
    meter: Meter
    loss: float = math.nan


def train(
    run: Run,
    out: Path,
    experiment: str,
    gin_text: str = "",
    modules: tuple[str, ...] = (),
    resume_from: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict:
    """Takes a run to its end, from wherever its directory stands.

    Args:
      run: the settings.
      out: the run directory; made if it is not there.
      experiment: what the run is called.
      gin_text: the experiment as one gin file, kept beside the results.
      modules: the user's own Python, which registers tasks and mixtures.
      resume_from: the checkpoint to go back to; the latest unless given.
      stop: asked after each step whether to save and stop.

    Returns:
      The "end" record: the ledger, the last validation loss, the expected band and whether it
      was met.

    Raises:
      ValueError: settings that do not fit each other, the data, the devices or the directory.
      Stopped: as `stop` said; the same call goes on from there.
    """
    if isinstance(run.stages, str):
        run = dataclasses.replace(run, stages=stages.named(run.stages))
    config = {"experiment": experiment, "modules": marks(modules), "run": resolved(run).to_dict()}
    devices = run.mesh.build()
    programs = [Program(run, number, devices) for number in range(len(run.stages))]
    for program in programs:
        program.check()
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, directory.claim(out))
        changed = directory.settle(out, config, gin_text)
        checkpoints = Checkpoints(out / "checkpoints", run.keep)
        closing.callback(checkpoints.close)
        position, done = _position(run, checkpoints, resume_from)
        shown = [(stage.name, stage.total_steps) for stage in run.stages]
        progress = closing.enter_context(Progress(shown, done=done))
        for line in changed:
            progress.say(f"changed {line}")
        if resume_from is None and (end := _ended(out, done, shown)):
            progress.say(f"already finished: {_verdict(out, end)}")
            return end
        progress.wait("encoding the text and compiling")
        preparation = prepare([stage.mixture for stage in run.stages], run.data, modules)
        closing.callback(preparation.close)
        program = programs[position.stage]
        if done:
            progress.say(
                f"resumed {out} at checkpoint {done}: step {position.step} of "
                f"{program.stage.total_steps} of stage {program.stage.name}"
            )
        if position.step < program.stage.total_steps:
            program.learn  # noqa: B018 - compiled while another process prepares the text
        recipes = preparation.wait()
        _check_text(run, out, recipes)
        for each in programs:
            each.rows(recipes[each.stage.mixture], "train")
        record = Record(out / "metrics.jsonl", out / "tensorboard" if run.tensorboard else None)
        closing.callback(record.close)
        record.write("start", **_facts(run, experiment, recipes, done))
        if done:
            state = checkpoints.restore(done, program.shapes)
            checkpoints.drop_after(done)
        else:
            state = program.first()
        progress.begin()
        for program in programs[position.stage :]:
            if program.number > position.stage:
                position.stage, position.step = program.number, 0
                state = step.anew(state, run.optimizer, program.stage.moments == "keep")
            recipe = recipes[program.stage.mixture]
            state = _take(program, state, position, recipe, checkpoints, record, progress, stop)
        end = _end(programs, recipes, position)
        record.write("end", **end)
        progress.say(_verdict(out, end))
        return end


def _ended(out: Path, done: int, stages: list[tuple[str, int]]) -> dict | None:
    """The "end" record of a run that has taken all its steps; None if there are steps to take."""
    if done < sum(steps for _, steps in stages) or not (out / "metrics.jsonl").exists():
        return None
    lines = read(out / "metrics.jsonl")
    starts, ends = ([one for one in lines if one["kind"] == kind] for kind in ("start", "end"))
    return ends[-1] if ends and ends[-1]["time"] >= starts[-1]["time"] else None


def _position(run: Run, checkpoints: Checkpoints, wanted: int | None) -> tuple[Position, int]:
    there = checkpoints.steps()
    if not there and wanted is None:
        stored = sum(parameters(run.size, run.architecture).values())
        return Position(0, 0, Meter(Ledger(parameters=stored))), 0
    done = there[-1] if wanted is None else wanted
    kept = checkpoints.position(done)
    return Position(kept["stage"], kept["step"], restored(kept["meter"]), kept["loss"]), done


def _take(
    program: Program,
    state: State,
    position: Position,
    recipe: Recipe,
    checkpoints: Checkpoints,
    record: Record,
    progress: Progress,
    stop: Callable[[], bool],
) -> State:
    stage, meter, run = program.stage, position.meter, program.run
    left = stage.total_steps - position.step
    if not left:
        return state
    rows = program.rows(recipe, "train")
    held_out = program.rows(recipe, "validation") if recipe.has("validation") else None
    for warning in rows.warnings:
        progress.say(f"note: {warning}")

    def place(number: int) -> dict:
        total = program.steps_before + number
        where = {"stage": program.number, "stage_name": stage.name}
        return {**where, "step": number, "total_step": total}

    def write(number: int) -> None:
        fields = meter.read()
        record.write("train", **place(number), **fields)
        speed, waiting = fields["tokens_per_second"], fields["waiting"]
        progress.step(program.number, number, fields["loss_by_objective"], speed, waiting)

    def evaluate(number: int, state: State) -> None:
        if held_out is None:
            return
        many, at_once = run.evaluate_rows, stage.rows
        means = validate(program.score, state.weights, held_out, program.put, many, at_once)
        position.loss = means["loss"]
        record.write("evaluate", **place(number), tokens=meter.ledger.tokens, **means)
        progress.say(f"{stage.name} step {number}: validation loss {position.loss:.4f}")

    def save(number: int, state: State) -> None:
        kept = {"stage": program.number, "step": number, "loss": position.loss}
        checkpoints.save(program.steps_before + number, state, kept | {"meter": meter.as_dict()})

    with Prefetch(rows, position.step * stage.rows, stage.rows, left) as prepared:
        work = loop.Work(
            steps=stage.total_steps,
            step=program.learn,
            batches=prepared,
            waited=lambda: prepared.waited,
            put=program.put,
            names=rows.objectives,
            flops=run.flops(stage),
            tokens=stage.rows * stage.row_tokens,
        )
        every = loop.Every(run.record_every, run.save_every, run.evaluate_every)
        return loop.train(state, position.step, work, meter, every, write, evaluate, save, stop)


def _check_text(run: Run, out: Path, recipes: dict[str, Recipe]) -> None:
    for name, recipe in recipes.items():
        if recipe.vocabulary.size > run.size.vocab:
            raise Refusal(
                f"Size.vocab={run.size.vocab} is too small for {name}, whose vocabulary has "
                f"{recipe.vocabulary.size} ids; Size.vocab={recipe.vocabulary.size} would do",
                "Size.vocab",
            )
    data = {name: recipe.digest for name, recipe in recipes.items()}
    texts = {name: digest for one in recipes.values() for name, digest in one.texts.items()}
    path = out / "manifest.json"
    if path.exists():
        directory.check_data(out, data)
        return
    vocabulary = next(iter(recipes.values())).vocabulary.spec()
    names = [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    directory.write(path, directory.manifest(names, data, vocabulary) | {"texts": texts})


def _facts(run: Run, experiment: str, recipes: dict[str, Recipe], done: int) -> dict:
    facts = []
    for stage in run.stages:
        architecture = run.architecture_in(stage)
        facts.append(
            {
                "name": stage.name,
                "steps": stage.total_steps,
                "tokens": stage.total_tokens,
                "tokens_per_step": stage.rows * stage.row_tokens,
                "architecture": architecture.name,
                "objectives": recipes[stage.mixture].objectives,
                "flops_per_step": dataclasses.asdict(run.flops(stage)),
                "visited_parameters": _visited(run, stage),
            }
        )
    stored = sum(parameters(run.size, run.architecture).values())
    return {
        "experiment": experiment,
        "parameters": stored,
        "stages": facts,
        "resumed_from": done or None,
    }


def _visited(run: Run, stage: stages.Stage) -> float:
    return visited(run.size, run.architecture_in(stage), stage.inputs, stage.targets)


def _end(programs: list[Program], recipes: dict[str, Recipe], position: Position) -> dict:
    run, epochs = programs[0].run, collections.Counter()
    for program in programs:
        rows = program.rows(recipes[program.stage.mixture], "train")
        epochs.update(rows.epochs(program.stage.total_steps * program.stage.rows))
    tokens = [stage.total_tokens for stage in run.stages]
    seen = [_visited(run, stage) * many for stage, many in zip(run.stages, tokens, strict=True)]
    ledger = {
        **position.meter.ledger.as_dict(),
        "visited_parameters": sum(seen) / sum(tokens),
        "epochs": dict(epochs),
    }
    low, high = run.expect or (math.nan, math.nan)
    return {
        "seconds": position.meter.ledger.seconds,
        "ledger": ledger,
        "loss": position.loss,
        "expect": run.expect,
        "met": low <= position.loss <= high if run.expect else None,
    }


def _verdict(out: Path, end: dict) -> str:
    said = f"trained {out} in {end['seconds']:.0f} s; last validation loss {end['loss']:.4f}"
    if end["expect"] is None:
        return said
    low, high = end["expect"]
    return f"{said}, expected {low} to {high}: {'met' if end['met'] else 'NOT met'}"
