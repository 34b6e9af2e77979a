"""Finetuning: a run's model learns labels of texts, from several seeds.

Each seed is a run like any other, which starts from the weights (`Run.start`) and has one stage. A
model that says words says the label after the text; an encoder has a head (`data/labelling`).
"""

import dataclasses
import hashlib
import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from archlab import run as runs
from archlab import trained
from archlab.data import labelling
from archlab.data.labelling import Labelled
from archlab.data.row import ENCODER, PAIR, Row
from archlab.evaluation import classes, labelled, lines
from archlab.evaluation import runs as subjects
from archlab.evaluation.lines import Line
from archlab.mesh import Mesh
from archlab.settings import Run
from archlab.stages import Schedule, Stage
from archlab.trained import Trained

LABELS = "labels"  # folder of what is learnt from, beside the seeds
WARMUP = 0.1  # share of the steps, as Devlin et al. 2019 (BERT), appendix A.3


@dataclasses.dataclass(frozen=True)
class Finetuning:
    """How labels are learnt.

    Args:
      start: the run directory whose latest weights are begun with.
      train: file of texts and labels to learn from; see `evaluation.labelled.table`.
      test: file of those that are asked for.
      epochs: how often the texts are read, about; rows hold as many as fit.
      rows: of a step.
      rate: the highest learning rate, reached after a tenth of the steps; then it falls to 0.
      dropout: see `Stage`.
      seeds: how many runs there are, from seed 0 on.

    Raises:
      ValueError: a number out of its range.

    Source: Raffel et al. 2020, section 3.1.2, for the rate and the dropout, and 2.4 for labels as
      words; Devlin et al. 2019, appendix A.3, for the number of epochs and for its fall.
    """

    start: Path
    train: Path
    test: Path
    epochs: float = 3.0
    rows: int = 16
    rate: float = 1e-3
    dropout: float = 0.1
    seeds: int = 3

    def __post_init__(self):
        for name in ("epochs", "rows", "seeds", "rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)}; it is a number above 0")

    def texts(self) -> tuple[Labelled, Labelled]:
        """Reads what is learnt from and what is asked for.

        Returns:
          Texts with labels, of each file.

        Raises:
          ValueError: a file is not there or not as it should be, there is one label only, or one
            is asked for that none can learn.
        """
        train, test = (Labelled(*labelled.table(path)) for path in (self.train, self.test))
        known = labelling.names(train)
        if len(known) < 2:
            raise ValueError(f"{self.train} has one label, {known[0]!r}; two or more can be told")
        strange = [one for one in labelling.names(test) if one not in known]
        if strange:
            raise ValueError(
                f"{self.test} has label {strange[0]!r}, and {self.train} teaches "
                f"{', '.join(map(repr, known))}"
            )
        return train, test

    def settings(self, read: Trained, out: Path, train: Labelled) -> Run:
        """Writes the run of seed 0.

        Args:
          read: that it starts from.
          out: the folder of all seeds.
          train: what is learnt from.

        Returns:
          Its settings; other seeds differ in the seed.
        """
        row = subjects.of(read, "").row
        if row.kind == PAIR:
            row = self._fitted(read, row, train)
        is_encoder = row.kind == ENCODER
        steps = max(1, math.ceil(self.epochs * self._rows(read, row, train) / self.rows))
        stage = Stage(
            labelling.HEAD if is_encoder else labelling.SAID,
            steps=steps,
            rows=self.rows,
            inputs=row.inputs,
            targets=row.targets,
            schedule=Schedule("cosine", self.rate, math.ceil(WARMUP * steps)),
            dropout=self.dropout,
        )
        folder, words = str((out / LABELS).resolve()), read.vocabulary.path
        return dataclasses.replace(
            read.run,
            architecture=read.model.architecture,
            size=read.model.size,
            stages=(stage,),
            mesh=Mesh(),
            data=dataclasses.replace(read.run.data, folder=folder, vocabulary=words, road=""),
            start=str(self.start),
            seed=0,
            save_every=max(steps, 1),
            evaluate_every=0,
            keep=1,
            expect=None,
        )

    def _lengths(self, read: Trained, train: Labelled) -> tuple[int, int, int]:
        """Tokens of all texts and of all labels, and of the longest label."""
        texts = read.vocabulary.encode_all(train.texts)
        labels = read.vocabulary.encode_all(train.labels)
        ends = len(train.texts)
        longest = 1 + max(map(len, labels))
        return sum(map(len, texts)) + ends, sum(map(len, labels)) + ends, longest

    def _fitted(self, read: Trained, row: Row, train: Labelled) -> Row:
        """A pair's row with as much room for labels as its inputs have labels, half again."""
        given, learnt, longest = self._lengths(read, train)
        room = math.ceil(1.5 * row.inputs * learnt / given)
        return dataclasses.replace(row, targets=max(longest, min(row.targets, room)))

    def _rows(self, read: Trained, row: Row, train: Labelled) -> float:
        """About how many rows the texts fill."""
        given, learnt, _ = self._lengths(read, train)
        if row.kind == PAIR:
            return max(given / row.inputs, learnt / row.targets)
        return (given + learnt * (row.kind != ENCODER)) / row.total

    def taken(
        self,
        out: Path,
        stop: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda text: None,
    ) -> dict[str, Line]:
        """Trains every seed, and asks each; what was done goes unasked.

        Args:
          out: the folder of all seeds; each is a run directory in it.
          stop: asked after each step whether to save and stop.
          say: told which seed is next.

        Returns:
          The accuracy of each seed, by its name.

        Raises:
          ValueError: see `texts`, and `run.train`.
          Stopped: as `stop` said; the same call goes on from there.
        """
        train, test = self.texts()
        read, found = trained.load(self.start), {}
        labelling.write(out / LABELS, train, test)
        base = self.settings(read, out, train)
        for seed in range(self.seeds):
            folder = out / f"seed_{seed}"
            say(f"{folder}: seed {seed + 1} of {self.seeds}")
            name = f"{out.name}_seed_{seed}"
            runs.train(dataclasses.replace(base, seed=seed), folder, name, stop=stop)
            found[folder.name] = self._asked(folder, train, test)
        return found

    def _asked(self, folder: Path, train: Labelled, test: Labelled) -> Line:
        """The accuracy of one seed, kept beside it."""
        subject = subjects.read(folder, folder.name)
        known = labelling.names(train)
        usual = max(known, key=[*train.labels].count)
        said = [[*test.texts], [*test.labels], known, usual]
        measure = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        marks = {"weights": subject.digest, "measure": measure, "formats": []}
        if before := lines.found(folder, marks):
            return before[0]
        line = classes.accuracy(subject, f"labels of {self.test.name}", known, test, usual)
        lines.add(folder, [line], {**marks, "step": subject.step, "seed": subject.seed})
        return line


def summary(values: Sequence[float]) -> str:
    """Says what several seeds gave.

    Example:
      >>> summary([0.5, 0.75, 0.625])
      'median 0.625, standard deviation 0.125, of 3 seeds'

    Args:
      values: of each seed, one or more.

    Returns:
      Their median and, of two or more, their standard deviation.
    """
    said = f"median {statistics.median(values):.3f}"
    if len(values) == 1:
        return f"{said}, of 1 seed"
    return f"{said}, standard deviation {statistics.stdev(values):.3f}, of {len(values)} seeds"
