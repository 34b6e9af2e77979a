"""A run: stages in order, from settings to a trained, recorded model in a directory.

`train` takes a run from wherever its directory stands to the end, so that starting it and resuming
it are one command.
"""

import collections
import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Callable
from pathlib import Path

import jax

from archlab import directory, stages
from archlab.data.pipeline import Rows
from archlab.data.prefetch import Prefetch
from archlab.data.recipes import Recipe, prepare
from archlab.data.sources import SPLITS
from archlab.data.vocabulary import same
from archlab.evaluation.validation import validate
from archlab.ledger import Ledger
from archlab.model.transformer import parameters
from archlab.modules import marks
from archlab.program import Program
from archlab.progress import Progress
from archlab.record import Record, read
from archlab.refusal import Refusal
from archlab.settings import Run, resolved
from archlab.train import loop, step
from archlab.train.checkpoint import Checkpoints
from archlab.train.meter import Meter
from archlab.train.position import Position
from archlab.train.step import State


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
      was met, None where nothing was measured or expected.

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
        changed = directory.compare(out, config)
        position = _position(run, out / "checkpoints", resume_from)
        done = position.total_step
        shown = [(stage.name, stage.total_steps) for stage in run.stages]
        progress = closing.enter_context(Progress(shown, done=done))
        if resume_from is None and (end := _ended(out, done, shown)):
            progress.say(f"already finished: {_verdict(out, end)}")
            return end
        progress.wait("encoding the text and compiling")
        preparation = prepare([stage.mixture for stage in run.stages], run.data, modules)
        closing.callback(preparation.close)
        program = programs[position.stage]
        if position.step < program.stage.total_steps:
            program.learn  # noqa: B018 - compiled while another process prepares the text
        recipes = preparation.wait(lambda report: progress.say(str(report)))
        _check_vocabulary(run, recipes)
        rows = [_rows(each, recipes[each.stage.mixture], closing) for each in programs]
        made = directory.made_with([f"{one.platform} {one.device_kind}" for one in jax.devices()])
        moved = directory.settle(out, config, gin_text, made | _text(recipes))
        checkpoints = Checkpoints(out / "checkpoints", run.keep)
        closing.callback(checkpoints.close)
        if done:
            state = checkpoints.restore(done, program.shapes)
            checkpoints.go_back(done)
            progress.say(
                f"resumed {out} at checkpoint {done}: step {position.step} of "
                f"{program.stage.total_steps} of stage {program.stage.name}"
            )
        else:
            state = program.first()
        for line in changed:
            progress.say(f"changed {line}")
        for line in moved:
            progress.say(f"note: {line}, since it began; numbers may differ in their last bits")
        record = Record(out / "metrics.jsonl", out / "tensorboard" if run.tensorboard else None)
        closing.callback(record.close)
        record.write("start", **_facts(run, experiment, recipes, rows, done), made_with=made)
        progress.begin()
        clock = loop.Clock()
        for program in programs[position.stage :]:
            if program.number > position.stage:
                position = Position(program.steps_before, program.number, 0, position.meter)
                state = step.anew(state, run.optimizer, program.stage.moments == "keep")
            own = rows[program.number]
            state = _take(program, state, position, clock, own, checkpoints, record, progress, stop)
        end = _end(programs, rows, position.meter)
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


def _position(run: Run, folder: Path, wanted: int | None) -> Position:
    checkpoints = Checkpoints(folder)  # which only reads: nothing has been checked yet
    try:
        there = checkpoints.steps()
        if there or wanted is not None:
            return checkpoints.position(there[-1] if wanted is None else wanted)
    finally:
        checkpoints.close()
    stored = sum(parameters(run.size, run.architecture).values())
    return Position(0, 0, 0, Meter(Ledger(parameters=stored)))


def _rows(program: Program, recipe: Recipe, closing: contextlib.ExitStack) -> dict[str, Rows]:
    """The rows of a stage, by split; there may be none to validate on."""
    return {
        split: closing.enter_context(contextlib.closing(program.rows(recipe, split)))
        for split in SPLITS
        if split == "train" or recipe.has(split)
    }


def _take(
    program: Program,
    state: State,
    position: Position,
    clock: loop.Clock,
    own: dict[str, Rows],
    checkpoints: Checkpoints,
    record: Record,
    progress: Progress,
    stop: Callable[[], bool],
) -> State:
    stage, run, meter = program.stage, program.run, position.meter
    left = stage.total_steps - position.step
    if not left:
        return state
    rows, held_out = own["train"], own.get("validation")
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
        many, at_once = run.evaluate_rows, stage.rows // stage.accumulate
        means = validate(program.score, state.weights, held_out, program.put, many, at_once)
        meter.validated = means["loss"]
        record.write("evaluate", **place(number), tokens=meter.ledger.tokens, **means)
        progress.say(f"{stage.name} step {number}: validation loss {meter.validated:.4f}")

    def save(number: int, state: State) -> None:
        total_step = program.steps_before + number
        checkpoints.save(state, Position(total_step, program.number, number, meter))

    with Prefetch(rows, position.step * stage.rows, stage.rows, left) as prepared:
        work = loop.Work(
            steps=stage.total_steps,
            step=program.learn,
            batches=prepared,
            waited=lambda: prepared.waited,
            put=program.put,
            names=rows.objectives,
            flops=functools.partial(run.flops, stage),
            tokens=stage.rows * stage.row_tokens,
        )
        every = loop.Every(run.record_every, run.save_every, run.evaluate_every)
        arguments = (work, meter, clock, every, write, evaluate, save, stop)
        return loop.train(state, position.step, *arguments)


def _check_vocabulary(run: Run, recipes: dict[str, Recipe]) -> None:
    first = next(iter(recipes))
    for name, recipe in recipes.items():
        if not same(recipe.content["vocabulary"], recipes[first].content["vocabulary"]):
            raise Refusal(
                f"{name} and {first} have different vocabularies, and a run has one table of them: "
                f"{recipe.content['vocabulary']} and {recipes[first].content['vocabulary']}",
                name,
            )
        if recipe.vocabulary.size > run.size.vocab:
            raise Refusal(
                f"Size.vocab={run.size.vocab} is too small for {name}, whose vocabulary has "
                f"{recipe.vocabulary.size} ids; Size.vocab={recipe.vocabulary.size} would do",
                "Size.vocab",
            )


def _text(recipes: dict[str, Recipe]) -> dict:
    vocabulary = next(iter(recipes.values())).vocabulary.spec()
    digests = {name: recipe.digest for name, recipe in recipes.items()}
    texts = {name: digest for one in recipes.values() for name, digest in one.texts.items()}
    return {"data": digests, "vocabulary": vocabulary, "texts": texts}


def _facts(run: Run, experiment: str, recipes: dict, rows: list, done: int) -> dict:
    facts = []
    for stage, own in zip(run.stages, rows, strict=True):
        scored = own["train"].scored
        architecture = run.architecture_in(stage)
        facts.append(
            {
                "name": stage.name,
                "steps": stage.total_steps,
                "tokens": stage.total_tokens,
                "tokens_per_step": stage.rows * stage.row_tokens,
                "architecture": architecture.name,
                "objectives": recipes[stage.mixture].objectives,
                "roads": recipes[stage.mixture].roads,
                "flops_per_step": dataclasses.asdict(run.flops(stage, scored * stage.rows)),
                "visited_parameters": run.visited(stage, scored),
            }
        )
    stored = sum(parameters(run.size, run.architecture).values())
    return {
        "experiment": experiment,
        "parameters": stored,
        "stages": facts,
        "resumed_from": done or None,
    }


def _end(programs: list[Program], rows: list[dict[str, Rows]], meter: Meter) -> dict:
    run, epochs = programs[0].run, collections.Counter()
    for program, own in zip(programs, rows, strict=True):
        epochs.update(own["train"].epochs(program.stage.total_steps * program.stage.rows))
    tokens = [stage.total_tokens for stage in run.stages]
    seen = [
        run.visited(stage, own["train"].scored) * many
        for stage, own, many in zip(run.stages, rows, tokens, strict=True)
    ]
    ledger = {
        **meter.ledger.as_dict(),
        "visited_parameters": sum(seen) / sum(tokens),
        "epochs": dict(epochs),
    }
    loss = meter.validated
    low, high = run.expect or (math.nan, math.nan)
    return {
        "seconds": meter.ledger.seconds,
        "ledger": ledger,
        "loss": loss,
        "expect": run.expect,
        "met": None if run.expect is None or math.isnan(loss) else low <= loss <= high,
    }


def _verdict(out: Path, end: dict) -> str:
    is_measured = not math.isnan(end["loss"])
    loss = f"{end['loss']:.4f}" if is_measured else "not measured"
    said = f"trained {out} in {end['seconds']:.0f} s; last validation loss {loss}"
    if end["expect"] is not None:
        said += f", expected {end['expect'][0]} to {end['expect'][1]}"
    return said if end["met"] is None else f"{said}: {'met' if end['met'] else 'NOT met'}"
