"""A suite: measures in order, taken of a run once.

Each line that was measured is kept beside the run, with a digest of the weights and one of the
measure, so that what was measured once is found again.
"""

import dataclasses
import hashlib
import json
import typing
from collections.abc import Callable
from pathlib import Path

from archlab.data.sources import SOURCES
from archlab.evaluation import labelled, lines
from archlab.evaluation.incontext import Copy, Regression, Relabel
from archlab.evaluation.lines import Line
from archlab.evaluation.measures import Choices, Code, Continuation, Infill, LastWord, Pairs
from archlab.evaluation.probing import Probe
from archlab.evaluation.subject import Subject
from archlab.evaluation.task import Task
from archlab.refusal import Refusal
from archlab.spelling import beside

Measure = (
    Continuation
    | Infill
    | LastWord
    | Code
    | Pairs
    | Choices
    | Copy
    | Regression
    | Relabel
    | Probe
    | Task
)
MEASURES = typing.get_args(Measure)


@dataclasses.dataclass(frozen=True)
class Suite:
    """What is measured of a run.

    Args:
      measures: in order.
      data: the folder that their files are in; "" is the present one.

    Raises:
      ValueError: two measures have one name.
    """

    measures: tuple[Measure, ...]
    data: str = ""

    def __post_init__(self):
        names = [one.name for one in self.measures]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Refusal(
                f"two measures are called {twice[0]!r}; give them names", "Suite.measures"
            )

    def check(self) -> None:
        """Finds what is not there, before anything is measured.

        Raises:
          ValueError: a file is not there.
        """
        for one in self.measures:
            for path in files(one, Path(self.data)):
                if not path.is_file():
                    raise ValueError(
                        f"{path} is not there; --data names the folder that it is in{beside(path)}"
                    )

    def taken(
        self, subject: Subject, folder: Path, begin: Callable[[str], None] = lambda name: None
    ) -> list[Line]:
        """Measures a run, or finds what was measured.

        Args:
          subject: the run's.
          folder: the run directory.
          begin: told the name of each measure before it is taken.

        Returns:
          The lines of all measures.

        Raises:
          ValueError: a file is not there, or is not what it should be.
        """
        found = []
        for one in self.measures:
            begin(one.name)
            marks = {
                "weights": subject.digest,
                "formats": [form.said for form in subject.formats],
                "measure": digest(one, Path(self.data)),
            }
            # What a task reads, and with what code, cannot be seen from here.
            own = [] if isinstance(one, Task) else lines.found(folder, marks)
            if not own:
                own = one.measure(subject, Path(self.data))
                lines.add(folder, own, {**marks, "step": subject.step, "seed": subject.seed})
            found += own
        return found


def digest(measure: Measure, data: Path) -> str:
    """Names a measure, with what it reads and the code of this folder.

    Args:
      measure: any.
      data: the folder that its file is in.

    Returns:
      A digest.
    """
    settings = [type(measure).__name__, dataclasses.asdict(measure)]
    named = hashlib.sha256(json.dumps(settings).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        named.update(path.read_bytes())
    for path in files(measure, data):
        named.update(path.read_bytes())
    if hasattr(measure, "source"):
        source = SOURCES.get(measure.source)  # another is refused when it is read
        named.update(source(measure.folder or None).fingerprint().encode() if source else b"")
    return named.hexdigest()


def files(measure: Measure, data: Path) -> list[Path]:
    """Lists what a measure reads.

    Args:
      measure: any.
      data: the folder that its files are in.

    Returns:
      Their paths.
    """
    names = [getattr(measure, field, "") for field in ("train", "file")]
    found = [data / name for name in names if name]
    labels = [labelled.labels(path) for path in found]
    return found + [path for path in labels if path.is_file()]
