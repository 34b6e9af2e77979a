"""What was measured, for people: a table of all runs, and how far the measuring is."""

import math

from rich import box, console, progress, table

from archlab.evaluation.lines import Line

NONE = "–"


class Progress:
    """A line that says what is measured, how much of it was, and until when.

    Args:
      measures: of all runs together.
    """

    def __init__(self, measures: int):
        columns = [
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[scored]:,} questions"),
            progress.TimeRemainingColumn(),
        ]
        self._shown = progress.Progress(*columns, console=console.Console(stderr=True))
        self._task = self._shown.add_task("", total=measures, scored=0)
        self._begun = self._scored = 0

    def __enter__(self) -> "Progress":
        self._shown.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._shown.__exit__(*error)

    def begin(self, run: str, measure: str) -> None:
        """Says what is measured next.

        Args:
          run: of which.
          measure: its name.
        """
        done, self._begun = self._begun, self._begun + 1
        self._shown.update(self._task, completed=done, description=f"{run}: {measure}")

    def passed(self, many: int) -> None:
        """Counts questions.

        Args:
          many: that were scored since.
        """
        self._scored += many
        self._shown.update(self._task, scored=self._scored)


def shown(found: dict[str, list[Line]], seeds: dict[str, int]) -> table.Table:
    """Lays numbers out, those of one measure together.

    Args:
      found: the lines of each run.
      seeds: of each run's training.

    Returns:
      The table: of each number its interval, what knowing nothing gives, and how the run was asked.
    """
    made = table.Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = ("seed", "value", "95 % interval", "chance", "items")
    for heading in ("measure", "run", *numbers, "asked as"):
        if heading in numbers:
            made.add_column(heading, justify="right", no_wrap=True)
        else:
            made.add_column(heading, overflow="fold")
    measured = [(line, run) for run, lines in found.items() for line in lines]
    order = list(dict.fromkeys((line.measure, line.metric) for line, _ in measured))
    for key in order:
        measure, metric = key
        own = [(line, run) for line, run in measured if (line.measure, line.metric) == key]
        for number, (line, run) in enumerate(own):
            heading = f"{measure}, {metric}" if not number else ""
            cells = (heading, run, str(seeds[run]), *_cells(line))
            made.add_row(*cells, end_section=number == len(own) - 1)
    return made


def _cells(line: Line) -> list[str]:
    found, asked = line.found, ", ".join([line.asked, *line.notes])
    interval = NONE if math.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}"
    chance = NONE if math.isnan(line.chance) else f"{line.chance:.3f}"
    return [f"{found.value:.3f}", interval, chance, f"{found.items:,}", asked]
