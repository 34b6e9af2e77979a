"""The account: what a run says of itself when it starts, and when it ends."""

import collections
import dataclasses
import math
from pathlib import Path

from archlab.data.pipeline import Rows
from archlab.data.recipes import Recipe
from archlab.program import Program
from archlab.show import sample
from archlab.show.examples import Example
from archlab.train.meter import Meter


def text(recipes: dict[str, Recipe]) -> dict:
    """Says what text a run is made of, for its manifest.

    Args:
      recipes: by mixture.

    Returns:
      JSON-able: "data", a digest by mixture, "vocabulary", "texts", a digest by text, and
      "objectives", of each mixture those of its tasks with their parameters.
    """
    vocabulary = next(iter(recipes.values())).vocabulary.spec()
    digests = {name: recipe.digest for name, recipe in recipes.items()}
    texts = {name: digest for one in recipes.values() for name, digest in one.texts.items()}
    objectives = {
        name: [[task["objective"], task["parameters"]] for task in recipe.content["tasks"]]
        for name, recipe in recipes.items()
    }
    return {
        "data": digests,
        "vocabulary": vocabulary,
        "texts": texts,
        "objectives": objectives,
    }


def facts(
    programs: list[Program],
    experiment: str,
    recipes: dict[str, Recipe],
    rows: list[dict[str, Rows]],
    done: int,
) -> dict:
    """Says what a run is, for the "start" line of its record.

    Args:
      programs: of its stages.
      experiment: what the run is called.
      recipes: by mixture.
      rows: of each stage, by split.
      done: steps taken before.

    Returns:
      JSON-able.
    """
    run, stages = programs[0].run, []
    for program, own in zip(programs, rows, strict=True):
        stage, scored, outcome = program.stage, own["train"].scored, program.outcome
        stages.append(
            {
                "name": stage.name,
                "steps": stage.total_steps,
                "tokens": stage.total_tokens,
                "tokens_per_step": stage.rows * stage.row_tokens,
                "architecture": program.architecture.name,
                "parameters": program.parameters,
                "surgery": outcome and outcome.as_dict(),
                "objectives": recipes[stage.mixture].objectives,
                "roads": recipes[stage.mixture].roads,
                "flops_per_step": dataclasses.asdict(run.flops(stage, scored * stage.rows)),
                "visited_parameters": run.visited(stage, scored),
            }
        )
    return {
        "experiment": experiment,
        "parameters": programs[-1].parameters,
        "stages": stages,
        "resumed_from": done or None,
    }


def examples(programs: list[Program], rows: list[dict[str, Rows]]) -> list[Example]:
    """Shows what a run learns from, as its models see it.

    Args:
      programs: of its stages.
      rows: of each stage, by split.

    Returns:
      Of each stage the first row of each objective.
    """
    found = []
    for program, own in zip(programs, rows, strict=True):
        stage = program.stage
        about = (program.number, stage.name, stage.total_steps * stage.rows)
        found += sample.examples(own["train"], program.architecture, *about)
    return found


def end(programs: list[Program], rows: list[dict[str, Rows]], meter: Meter) -> dict:
    """Says what a run has come to, for the "end" line of its record.

    Args:
      programs: of its stages.
      rows: of each stage, by split.
      meter: after the last step.

    Returns:
      JSON-able: the ledger, the last validation loss, the expected band and whether it was met,
      None where nothing was measured or expected.
    """
    run = programs[0].run
    epochs: collections.Counter[str] = collections.Counter()
    for program, own in zip(programs, rows, strict=True):
        epochs.update(own["train"].epochs(program.stage.total_steps * program.stage.rows))
    tokens = [program.stage.total_tokens for program in programs]
    seen = [
        run.visited(program.stage, own["train"].scored) * many
        for program, own, many in zip(programs, rows, tokens, strict=True)
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


def verdict(out: Path, end: dict) -> str:
    """Says the same in a line.

    Args:
      out: the run directory.
      end: from `end`.

    Returns:
      The line.
    """
    is_measured = not math.isnan(end["loss"])
    loss = f"{end['loss']:.4f}" if is_measured else "not measured"
    said = f"trained {out} in {end['seconds']:.0f} s; last validation loss {loss}"
    if end["expect"] is not None:
        said += f", expected {end['expect'][0]} to {end['expect'][1]}"
    return said if end["met"] is None else f"{said}: {'met' if end['met'] else 'NOT met'}"
