"""Probes: what can be read off frozen layers, and how much of it the probe has learnt itself."""

import dataclasses
import hashlib
import warnings
from pathlib import Path

import numpy as np

from archlab.evaluation import estimate, labelled
from archlab.evaluation.lines import Line
from archlab.evaluation.representations import POOLINGS, pooled
from archlab.evaluation.subject import Subject

HELD = 5  # one text in so many chooses the layer and the pooling
ROUNDS = 1000


@dataclasses.dataclass(frozen=True)
class Probe:
    """How well labels are read off frozen layers, with and without a hidden layer.

    Layer and pooling are those that do best on a fifth of the training texts. Selectivity is the
    accuracy less that of the same probe on a control task, whose labels follow from the first word
    of a text at random, so that only a probe that learns by heart does well.

    Args:
      train: file below the suite's folder; texts and labels, see `labelled.table`.
      file: the same of the texts that are asked for.
      items: the most texts of each, drawn.
      hidden: width of the hidden layer of the second probe.
      seed: of the draws.
      name: what it is called.

    Source: Alain & Bengio 2017 (linear probes); Hewitt & Liang 2019, section 2 (control tasks and
      selectivity).
    """

    train: str
    file: str
    items: int = 1000
    hidden: int = 64
    seed: int = 0
    name: str = "probe"

    def measure(self, subject: Subject, data: Path) -> list[Line]:
        """Args: subject: asked, data: folder of the files. Returns: accuracy, selectivity."""
        (texts, labels), (asked, right) = (
            self._drawn(*labelled.table(data / file), data / file)
            for file in (self.train, self.file)
        )
        strange = sorted(set(right) - set(labels))
        if strange:
            raise ValueError(
                f"{data / self.file} has label {strange[0]!r}, of which none is learnt"
            )
        if len(set(labels)) < 2:
            raise ValueError(f"{data / self.train} has one label, {labels[0]!r}; two can be told")
        known, new = pooled(subject, texts), pooled(subject, asked)
        control, wanted = ([_control(text, labels) for text in one] for one in (texts, asked))
        majority = max(sorted(set(labels)), key=labels.count)
        chance = float(np.mean([one == majority for one in right]))
        lines = []
        for what, width in (("linear", 0), ("hidden layer", self.hidden)):
            layer, pooling = self._chosen(known, labels, width)
            given = known[:, layer, pooling], new[:, layer, pooling]
            is_right = self._said(*given, labels, width) == np.asarray(right)
            is_learnt = self._said(*given, control, width) == np.asarray(wanted)
            notes = (f"layer {layer + 1}", POOLINGS[pooling])
            found = estimate.mean(is_right)
            lines.append(Line(self.name, f"accuracy, {what}", found, chance, "frozen", notes))
            gap = estimate.mean(1.0 * is_right - is_learnt)
            lines.append(Line(self.name, f"selectivity, {what}", gap, 0.0, "frozen", notes))
        return lines

    def _drawn(self, texts: list[str], labels: list[str], path: Path) -> tuple[list, list]:
        order = np.random.default_rng(self.seed).permutation(len(texts))[: self.items]
        if len(order) < 2 * HELD:
            raise ValueError(f"{path} has {len(order)} texts; a probe takes {2 * HELD} at least")
        return [texts[one] for one in order], [labels[one] for one in order]

    def _chosen(self, known: np.ndarray, labels: list[str], width: int) -> tuple[int, int]:
        """The layer and the pooling that do best on texts that were held out."""
        is_held = np.arange(len(labels)) % HELD == 0
        learnt = [one for one, held in zip(labels, is_held, strict=True) if not held]
        wanted = np.asarray(labels)[is_held]

        def score(place: tuple[int, int]) -> float:
            own = known[:, *place]
            return float(np.mean(self._said(own[~is_held], own[is_held], learnt, width) == wanted))

        return max(np.ndindex(*known.shape[1:3]), key=score)

    def _said(
        self, known_SD: np.ndarray, new_SD: np.ndarray, labels: list[str], width: int
    ) -> np.ndarray:
        """What a probe that is trained on some says of others."""
        from sklearn import exceptions, linear_model, neural_network, pipeline, preprocessing

        if len(set(labels)) == 1:
            return np.asarray(labels[:1] * len(new_SD))
        if width:
            # It stops by a tenth that it holds back, where that has room for every label.
            is_enough = len(labels) >= 10 * len(set(labels)) and min(map(labels.count, labels)) > 1
            how = {"early_stopping": is_enough, "random_state": self.seed}
            probe = neural_network.MLPClassifier((width,), max_iter=ROUNDS // 10, **how)
        else:
            probe = linear_model.LogisticRegression(max_iter=ROUNDS)
        whole = pipeline.make_pipeline(preprocessing.StandardScaler(), probe)
        with warnings.catch_warnings():
            # One that has not come to its end is a worse probe, and is chosen for that or not.
            warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
            return whole.fit(known_SD, labels).predict(new_SD)


def _control(text: str, labels: list[str]) -> str:
    """A label that follows from the first word of a text, as often as it is one."""
    word = (text.split() or [""])[0]
    share = int.from_bytes(hashlib.sha256(word.encode("utf-8", "replace")).digest()[:4], "big")
    return sorted(labels)[share * len(labels) >> 32]
