"""The course of a sweep: its runs, one after another, each in a process of its own.

Why a process each: what brings one down, be it memory or a broken machine, leaves the others. Text
that is encoded and programs that are compiled are kept on disk, so that only the first pays.
"""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from archlab.launch.call import Call
from archlab.sweep import standing
from archlab.sweep.grid import Cell

LOOK = 0.2  # seconds between two looks at a process


@dataclasses.dataclass
class Course:
    """The runs of a sweep.

    Args:
      experiment: its name or file.
      out: the folder of all runs.
      cells: of the grid.
      told: words of the command line that every run is given.
    """

    experiment: str
    out: Path
    cells: list[Cell]
    told: tuple[str, ...] = ()
    _process: subprocess.Popen | None = None

    def command(self, cell: Cell) -> tuple[str, ...]:
        """Writes what trains a cell.

        Args:
          cell: of the sweep.

        Returns:
          Words of the command line.
        """
        own = [f"--set={one}" for one in cell.overrides]
        program = (sys.executable, "-m", "archlab", "train", self.experiment)
        return (*program, f"--out={self.out / cell.name}", *self.told, *own)

    def take(self, stop: Callable[[], bool], say: Callable[[str], None]) -> dict[str, int]:
        """Trains what is not finished.

        Args:
          stop: asked whether to stop; the run that trains is then told, once, and saves.
          say: told what is next, and what failed.

        Returns:
          Exit statuses of the cells that failed, by name.
        """
        failed = {}
        for number, cell in enumerate(self.cells, 1):
            at = f"{number} of {len(self.cells)}: {cell.name}"
            if standing.of(self.out / cell.name) == standing.FINISHED:
                say(f"{at} is finished")
                continue
            if stop():
                break
            say(at)
            status = self._trained(cell, stop)
            if stop():
                break
            if status:
                failed[cell.name] = status
                how = f"with status {status}" if status > 0 else f"by signal {-status}"
                say(f"{cell.name} ended {how}; the others go on")
        return failed

    def end(self) -> None:
        """Tells the run that trains once more, so that it ends there and then."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _trained(self, cell: Cell, stop: Callable[[], bool]) -> int:
        # Ctrl-C is heard here, and handed on once: a second signal would not let it save.
        self._process = Call(self.command(cell), cell.name).begin(own_session=True)
        is_told = False
        try:
            while self._process.poll() is None:
                if stop() and not is_told:
                    is_told = True
                    self._process.terminate()
                time.sleep(LOOK)
        finally:
            self.end()
        return self._process.wait()
