"""The report: one page about one run or several, with the same numbers as a table for machines."""

import collections
import csv
import itertools
import math
import statistics
from pathlib import Path

from markupsafe import Markup

from archlab import directory
from archlab.report import fairness, figures, history, ink, names, numbers, series
from archlab.report.history import LEDGERS, History
from archlab.report.numbers import NONE
from archlab.report.series import COURSE, LOSS, SYSTEM, Measure
from archlab.show import template

FILTERS = {
    "short": numbers.engineering,
    "total": history.total,
    "clock": numbers.clock,
    "loss": numbers.loss,
    "share": numbers.share,
}
TEXTS = 24  # that a run said, at most, the latest
COLUMNS = ("run", "kind", "stage", "step", "total_step", "name", "value")
# What runs are given; wall clock is not given, but comes of it.
COSTS = {
    "tokens": "tokens",
    "loss_tokens": "loss tokens",
    "flops": "FLOPs",
    "parameters": "parameters",
}
ALWAYS = ("git", "python", "platform", "devices")  # of a manifest, shown even if not recorded


def report(runs: list[Path], out: Path) -> Path:
    """Writes a page about runs, their numbers as CSV, and their curves as a picture.

    The CSV has a row for each number of each line of the records: the run, the line's kind, stage
    (from 0), step within the stage and total_step (empty where the line has none), the number's
    name, dotted where it is nested ("flops.head"), and its value, in full.

    Args:
      runs: run directories, whether their runs have ended or not.
      out: the folder to write in; made if it is not there.

    Returns:
      The page, out/index.html; out/metrics.csv and out/curves.png stand beside it.

    Raises:
      ValueError: no runs, a directory that is no run's or has recorded nothing yet, or an `out`
        that is a file.
    """
    if not runs:
        raise ValueError("a report is about one run directory or more; none was given")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; --out names a directory")
    named = names.given([Path(run) for run in runs])
    histories = [history.read(folder, name) for folder, name in named.items()]
    out.mkdir(parents=True, exist_ok=True)
    _write_csv(histories, out / "metrics.csv")
    (out / "curves.png").write_bytes(ink.png(figures.curves(histories)))
    page = out / "index.html"
    page.write_text(
        html(histories), encoding="utf-8", errors="replace"
    )  # JSON may hold half a letter
    return page


def html(histories: list[History]) -> str:
    """Writes the page.

    Args:
      histories: the runs.

    Returns:
      HTML that needs no other file.
    """
    count = itertools.count()

    def draw(measure: Measure, unit: str = "tokens") -> Markup:
        figure = figures.panel(histories, measure, unit)
        return ink.svg(figure, f"figure{next(count)}", _alt(histories, measure, unit))

    objectives = list(dict.fromkeys(name for run in histories for name in run.objectives))
    return template.page(Path(__file__).parent, **FILTERS).render(
        runs=histories,
        notes=notes(histories),
        swatch=lambda number: ink.swatch(number, f"swatch{next(count)}"),
        axes=LEDGERS,
        losses={unit: draw(LOSS, unit) for unit in LEDGERS},
        by_objective={
            unit: [draw(series.by_objective(name), unit) for name in objectives] for unit in LEDGERS
        },
        course=[draw(measure) for measure in COURSE],
        system=[draw(one, "seconds") for one in SYSTEM if _is_recorded(histories, one)],
        systems=[system(run) for run in histories],
        are_bands_shared=figures.are_bands_shared(histories, "tokens"),
        texts=TEXTS,
        are_shown={
            name: any(getattr(run, name) for run in histories) for name in ("examples", "said")
        },
        objectives=objectives,
        tasks=list(dict.fromkeys(name for run in histories for name in _epochs(run))),
        differing=differing(histories),
        made=made(histories),
        measures=list(dict.fromkeys(key[:2] for run in histories for key in run.measured)),
        missing=NONE,
        half=series.HALF,
    )


def notes(histories: list[History]) -> list[str]:
    """What a reader should know before comparing the runs.

    Args:
      histories: the runs.

    Returns:
      Sentences.
    """
    said = []
    for run in histories:
        if run.end is None and not run.trains:
            said.append(f"{run.name} has begun, and has not recorded a step yet.")
        elif run.end is None:
            line = run.trains[-1]
            said.append(
                f"{run.name} is unfinished: its numbers are those of step {line['step']:,} of "
                f"{run.stages[line['stage']]['steps']:,} of stage {line['stage_name']}."
            )
        if run.end is not None and run.end.get("met") is False:
            said.append(f"{run.name} did not come out within the band that it was expected in.")
        if any(not math.isfinite(line["loss"]) for line in [*run.trains, *run.evaluates]):
            said.append(f"{run.name} recorded losses that are not finite.")
    # A text is told by its ids, so that those of another vocabulary say nothing about it.
    for key, why in (("vocabulary", "vocabularies"), ("texts", "texts")):
        kept = [run.manifest[key] for run in histories if key in run.manifest]
        if any(one != kept[0] for one in kept):
            said.append(f"The runs have different {why}; compare their losses with that in mind.")
            break
    if len(histories) > 1 and all(run.end is not None for run in histories):
        costs = {words: [run.spent(unit) for run in histories] for unit, words in COSTS.items()}
        if fairness.apart(costs):
            said.append(f"{fairness.sentence(costs)} What is held equal decides who wins.")
    return said


def system(run: History) -> dict:
    """Sums up what a run made of its machine.

    Args:
      run: its history.

    Returns:
      By name: "devices"; the median of the records' "tokens_per_second"; "flops_per_second" on
      average; the share of the time "waiting" for data; the most "resident" and "device_peak"
      bytes; "starts"; "elapsed" seconds; and "kept", the share of them that the ledger holds. None
      where nothing was recorded.
    """
    lines, ledger = run.trains, run.ledger
    speeds = [line["tokens_per_second"] for line in lines if line.get("tokens_per_second")]
    waits = [line["waiting"] for line in lines if line.get("waiting") is not None]
    found = {
        "devices": _devices(run.manifest),
        "tokens_per_second": statistics.median(speeds) if speeds else None,
        "flops_per_second": history.total(ledger) / ledger["seconds"]
        if ledger["seconds"]
        else None,
        "waiting": statistics.fmean(waits) if waits else None,
        "starts": run.starts,
        "elapsed": run.elapsed,
        "kept": min(1.0, ledger["seconds"] / run.elapsed) if run.elapsed else None,
    }
    for name in ("resident", "device_peak"):
        sizes = [size for line in lines if (size := series.memory(line, name)) is not None]
        found[name] = max(sizes, default=None)
    return found


def differing(histories: list[History]) -> dict[str, list[str]]:
    """Finds the settings that the runs do not share.

    Args:
      histories: the runs.

    Returns:
      The value in each run, by dotted name; empty for one run.
    """
    every = [directory.flat(run.config.get("run", {})) for run in histories]
    names = dict.fromkeys(name for settings in every for name in settings)
    table = {name: [str(settings.get(name, NONE)) for settings in every] for name in names}
    return {name: values for name, values in table.items() if len(set(values)) > 1}


def made(histories: list[History]) -> dict[str, list[str]]:
    """Lists what the runs were made with.

    Args:
      histories: the runs.

    Returns:
      For each thing, its version in each run; one value where the runs agree.
    """
    every = []
    for run in histories:
        kept = dict.fromkeys(ALWAYS) | run.manifest
        versions = kept.pop("versions", None) or {}
        kept["devices"] = _devices(kept)
        kept.pop("data", None)  # digests of what was made of the texts, by each stage's mixture
        plain = directory.flat(kept) | directory.flat(versions)
        every.append({name: str(value) for name, value in plain.items() if value not in (None, "")})
    names = dict.fromkeys([*ALWAYS, *(name for kept in every for name in kept)])
    table = {
        name: [
            kept.get(name, NONE if name.startswith("texts.") else "not recorded") for kept in every
        ]
        for name in names
    }
    return {name: values if len(set(values)) > 1 else values[:1] for name, values in table.items()}


def _devices(manifest: dict) -> str:
    kinds = collections.Counter(map(str, manifest.get("devices") or []))
    return ", ".join(f"{many} × {_once(name)}" for name, many in kinds.items())


def _once(name: str) -> str:
    """A device whose kind is its platform has one word and not two: "cpu cpu"."""
    return " ".join(dict.fromkeys(name.split()))


def _epochs(run: History) -> dict[str, float]:
    return run.ledger.get("epochs") or {}


def _is_recorded(histories: list[History], measure: Measure) -> bool:
    return any(measure.of(line) is not None for run in histories for line in run.trains)


def _alt(histories: list[History], measure: Measure, unit: str) -> str:
    said = []
    for run in histories:
        values = [measure.of(line) for line in run.trains]
        values = [value for value in values if value is not None]
        if values:
            said.append(f"{run.name} from {values[0]:.3g} to {values[-1]:.3g}")
    return f"{measure.title} against {LEDGERS[unit]}: {'; '.join(said) or 'none recorded'}"


def _write_csv(histories: list[History], path: Path) -> None:
    with open(path, "w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run in histories:
            lines = [run.start, *run.trains, *run.evaluates, *([run.end] if run.end else [])]
            for line in lines:
                place = [line.get(name, "") for name in ("kind", "stage", "step", "total_step")]
                for name, value in directory.flat(line).items():
                    if name not in history.PLACE and isinstance(value, int | float):
                        shown = "NaN" if math.isnan(value) else repr(value + 0)
                        writer.writerow([run.name, *place, name, shown])
