"""Where a run of a sweep stands, as its directory tells it."""

from pathlib import Path

from archlab.report import history
from archlab.report.history import History

NEW, BEGUN, FINISHED = "new", "begun", "finished"


def read(folder: Path) -> History | None:
    """Reads what a run has recorded.

    Args:
      folder: the run directory.

    Returns:
      Its history; None where there is none yet, or none that can be read: training then says what
      is odd about it.
    """
    try:
        return history.read(folder, folder.name)
    except ValueError:
        return None


def of(folder: Path) -> str:
    """Says how far a run is.

    Args:
      folder: the run directory.

    Returns:
      "new", "begun" or "finished".
    """
    found = read(folder)
    if found is None:
        return BEGUN if (folder / "config.json").is_file() else NEW
    return BEGUN if found.end is None else FINISHED
