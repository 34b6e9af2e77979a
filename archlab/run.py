"""A run: stages in order, from settings to a trained, recorded model in a directory.

`train` takes a run from wherever its directory stands to the end, so that starting it and resuming
it are one command.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path

import jax

from archlab import account, agreement, directory, footprint, processes
from archlab import start as starts
from archlab.data import sources
from archlab.data.pipeline import Rows
from archlab.data.prefetch import Prefetch
from archlab.data.recipes import Preparation, Recipe, prepare
from archlab.evaluation.validation import validate
from archlab.ledger import Ledger
from archlab.plain import kept
from archlab.program import Program
from archlab.progress import Progress
from archlab.record import Record, read
from archlab.refusal import Refusal
from archlab.settings import Run
from archlab.show import examples
from archlab.train import loop
from archlab.train.checkpoint import Checkpoints
from archlab.train.meter import Meter
from archlab.train.position import Position
from archlab.train.state import State


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
    run = run.in_order()
    config = kept(experiment, run, modules)
    devices = run.mesh.build()
    programs = [Program(run, number, devices) for number in range(len(run.stages))]
    for program in programs:
        program.check()
    processes.same("settings", config)
    with contextlib.ExitStack() as closing:

        def claim() -> list[str]:
            closing.enter_context(directory.claim(out))
            return directory.compare(out, config)

        changed = processes.first(claim)
        position = _position(out / "checkpoints", resume_from)
        done = position.total_step
        processes.same("checkpoints", done)
        shown = [(stage.name, stage.total_steps) for stage in run.stages]
        progress = closing.enter_context(Progress(shown, done=done, is_shown=processes.is_first()))
        end = processes.first(lambda: None if resume_from else _ended(out, done, shown))
        if end:
            progress.say(f"already finished: {account.verdict(out, end)}")
            return end
        if run.data.folder:
            sources.there(run.data.folder)  # else it would be missed after compiling alone
        optimizer = run.optimizer if programs[0].keeps_moments else None
        start = starts.found(run.start, out, devices, bool(done), optimizer)
        if start:
            programs[0] = dataclasses.replace(programs[0], start=start.model)
            programs[0].check()
        progress.wait("encoding the text and compiling")
        program = programs[position.stage]
        is_due = position.step < program.stage.total_steps
        recipes = _encoded(run, modules, closing, progress, program if is_due else None)
        agreement.check(programs, recipes)
        if start and not done:
            for line in agreement.differences(start, programs[0], recipes):
                progress.say(f"note: {line}")
        rows = [_rows(each, recipes[each.stage.mixture], closing) for each in programs]
        made = directory.made_with([f"{one.platform} {one.device_kind}" for one in jax.devices()])
        origin = {"start": start.as_dict()} if start else {}
        manifest = made | account.text(recipes) | origin
        moved = processes.first(lambda: directory.settle(out, config, gin_text, manifest))
        checkpoints = closing.enter_context(Checkpoints(out / "checkpoints", run.keep))
        if done:
            state = checkpoints.restore(done, program.shapes)
            checkpoints.go_back(done)
            progress.say(
                f"resumed {out} at checkpoint {done}: step {position.step} of "
                f"{program.stage.total_steps} of stage {program.stage.name}"
            )
        else:
            state = program.first(*(start.weights, start.moments) if start else ())
            processes.first(lambda: examples.write(out, account.examples(programs, rows)))
            if start:
                progress.say(f"begins with the weights of {run.start} ({start.digest[:12]})")
                _tell(program, progress)
        for line in changed:
            progress.say(f"changed {line}")
        for line in moved:
            progress.say(f"note: {line}, since it began; numbers may differ in their last bits")
        record = _record(run, out)
        closing.callback(record.close)
        facts = account.facts(programs, experiment, recipes, rows, done)
        record.write("start", **facts, **origin, made_with=made)
        progress.begin()
        clock, stop = loop.Clock(), processes.Agreed(stop, devices)
        for program in programs[position.stage :]:
            if program.number > position.stage:
                position = Position(program.steps_before, program.number, 0, position.meter)
                state = program.after(state)
                _tell(program, progress)
            position.meter.ledger.parameters = program.parameters
            own = rows[program.number]
            state = _take(program, state, position, clock, own, checkpoints, record, progress, stop)
        end = account.end(programs, rows, position.meter)
        record.write("end", **end)
        progress.say(account.verdict(out, end))
        return end


def _ended(out: Path, done: int, stages: list[tuple[str, int]]) -> dict | None:
    """The "end" record of a run that has taken all its steps; None if there are steps to take."""
    if done < sum(steps for _, steps in stages) or not (out / "metrics.jsonl").exists():
        return None
    lines = read(out / "metrics.jsonl")
    starts, ends = ([one for one in lines if one["kind"] == kind] for kind in ("start", "end"))
    return ends[-1] if ends and ends[-1]["time"] >= starts[-1]["time"] else None


def _position(folder: Path, wanted: int | None) -> Position:
    checkpoints = Checkpoints(folder)  # which only reads: nothing has been checked yet
    try:
        there = checkpoints.steps()
        if there or wanted is not None:
            return checkpoints.position(there[-1] if wanted is None else wanted)
    finally:
        checkpoints.close()
    return Position(0, 0, 0, Meter(Ledger()))


def _encoded(
    run: Run,
    modules: tuple[str, ...],
    closing: contextlib.ExitStack,
    progress: Progress,
    meanwhile: Program | None,
) -> dict[str, Recipe]:
    """Encodes the text, or finds it, while this process compiles.

    Only the first process encodes. The others find what it wrote, or, where they do not share its
    disk, encode the same.
    """
    recipes: dict[str, Recipe] = {}

    def begun() -> Preparation:
        preparation = prepare([stage.mixture for stage in run.stages], run.data, modules)
        closing.callback(preparation.close)
        return preparation

    def finish(preparation: Preparation) -> None:
        recipes.update(preparation.wait(lambda report: progress.say(str(report))))

    preparation = begun() if processes.is_first() else None
    if meanwhile:
        meanwhile.learn  # noqa: B018 - made to be there
    processes.first(lambda: finish(preparation))
    if not processes.is_first():
        finish(begun())
    processes.same("text", {name: recipe.digest for name, recipe in recipes.items()})
    return recipes


def _record(run: Run, out: Path) -> Record:
    """The record; processes but the first write into nothing."""
    if not processes.is_first():
        return Record(Path(os.devnull))
    return Record(out / "metrics.jsonl", out / "tensorboard" if run.tensorboard else None)


def _rows(program: Program, recipe: Recipe, closing: contextlib.ExitStack) -> dict[str, Rows]:
    """The rows of a stage, by split; there may be none to validate on."""
    found = {
        split: closing.enter_context(contextlib.closing(program.rows(recipe, split)))
        for split in sources.SPLITS
        if split == "train" or recipe.has(split)
    }
    if processes.many() > 1 and not all(rows.is_repeatable for rows in found.values()):
        raise Refusal(
            f"{recipe.mixture} draws without a seed, so each of {processes.many()} processes would "
            "read other rows; seed its steps, or train it in one process",
            "Stage.mixture",
            program.number,
        )
    processes.same(f"rates of {recipe.mixture}", {name: one.rates for name, one in found.items()})
    return found


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
        record.write("train", **place(number), **fields, memory=footprint.read())
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


def _tell(program: Program, progress: Progress) -> None:
    """Says what became of the weights, where not all of them stayed."""
    outcome = program.outcome
    for line in outcome.lines() if outcome and program.stage.surgery else []:
        progress.say(line)
