"""The report: one page about one run or several, with the same numbers as a table for machines."""

import collections
import csv
import itertools
import math
from pathlib import Path

import jinja2
from markupsafe import Markup

from archlab import directory
from archlab.report import figures, history, ink
from archlab.report.figures import AXES, LOSS, REST
from archlab.report.history import History

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
COLUMNS = ("run", "kind", "stage", "step", "total_step", "name", "value")
ALWAYS = ("git", "python", "platform", "devices")  # of a manifest, shown even if not recorded
NONE = "–"
SPACE = "\u00a0"


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
    named = history.names([Path(run) for run in runs])
    histories = [history.read(folder, name) for folder, name in named.items()]
    out.mkdir(parents=True, exist_ok=True)
    _write_csv(histories, out / "metrics.csv")
    (out / "curves.png").write_bytes(ink.png(figures.curves(histories)))
    page = out / "index.html"
    page.write_text(html(histories), encoding="utf-8")
    return page


def html(histories: list[History]) -> str:
    """Writes the page.

    Args:
      histories: the runs.

    Returns:
      HTML that needs no other file.
    """
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    surroundings = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    surroundings.filters |= {"short": engineering, "clock": clock, "loss": _loss, "share": _share}
    surroundings.filters["total"] = history.total
    count = itertools.count()

    def draw(measure: figures.Measure, unit: str = "tokens") -> Markup:
        figure = figures.panel(histories, measure, unit)
        return ink.svg(figure, f"figure{next(count)}", _alt(histories, measure, unit))

    objectives = list(dict.fromkeys(name for run in histories for name in run.objectives))
    return surroundings.get_template("page.html.jinja").render(
        runs=histories,
        notes=notes(histories),
        swatch=lambda number: ink.swatch(number, f"swatch{next(count)}"),
        losses=[draw(LOSS, unit) for unit in AXES],
        by_objective=[draw(figures.by_objective(name)) for name in objectives],
        others=[draw(measure) for measure in REST],
        objectives=objectives,
        tasks=list(dict.fromkeys(name for run in histories for name in _epochs(run))),
        differing=differing(histories),
        made=made(histories),
        measures=list(dict.fromkeys(key[:2] for run in histories for key in run.measured)),
        missing=NONE,
        half=figures.HALF,
    )


def engineering(value: float | None, unit: str = "") -> str:
    """Writes a number for people: three digits and a prefix.

    Example:
      >>> [engineering(value) for value in (12, 999_999, 1_234_567)]
      ['12', '1.00\\xa0M', '1.23\\xa0M']

    Args:
      value: any number; None where there is none.
      unit: put behind it.

    Returns:
      The number; its parts do not break across lines.
    """
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "not finite"
    power = 0
    while abs(float(f"{value:.3g}")) >= 1000 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    is_whole = power == 0 and value == int(value)
    digits = 0 if is_whole else max(0, 2 - math.floor(math.log10(max(abs(value), 1))))
    return f"{value:.{digits}f}{SPACE}{PREFIXES[power]}{unit}".rstrip(SPACE)


def clock(seconds: float | None) -> str:
    """Writes a time for people.

    Example:
      >>> [clock(seconds).replace("\\xa0", " ") for seconds in (4.2, 75, 3600, 200_000)]
      ['4.2 s', '1 min 15 s', '1 h 0 min', '2 d 7 h']

    Args:
      seconds: any; None where there is none.

    Returns:
      Its two greatest units.
    """
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}{SPACE}s"
    whole = round(seconds)
    units = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    size, large, part, small = next(unit for unit in units if whole >= unit[0])
    return SPACE.join([str(whole // size), large, str(whole % size // part), small])


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
    return said


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
        kinds = collections.Counter(map(str, kept["devices"] or []))
        kept["devices"] = ", ".join(f"{many} × {_once(name)}" for name, many in kinds.items())
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


def _once(name: str) -> str:
    """A device whose kind is its platform has one word and not two: "cpu cpu"."""
    return " ".join(dict.fromkeys(name.split()))


def _loss(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.4f}" if math.isfinite(value) else "not finite"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def _epochs(run: History) -> dict[str, float]:
    return run.ledger.get("epochs", {})


def _alt(histories: list[History], measure: figures.Measure, unit: str) -> str:
    said = []
    for run in histories:
        values = [measure.of(line) for line in run.trains]
        values = [value for value in values if value is not None]
        if values:
            said.append(f"{run.name} from {values[0]:.3g} to {values[-1]:.3g}")
    return f"{measure.title} against {AXES[unit]}: {'; '.join(said) or 'none recorded'}"


def _write_csv(histories: list[History], path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
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
