"""Classes: which of several labels a model gives a text, the likeliest as it was trained to say it.

Only labels are compared, so that an answer is always one of them (Raffel et al. 2020, section 2.4,
count any other text as wrong).
"""

from collections.abc import Sequence

import numpy as np

from archlab.data import labelling
from archlab.data.labelling import Labelled
from archlab.data.row import ENCODER
from archlab.evaluation import estimate
from archlab.evaluation.formats import Question
from archlab.evaluation.lines import Line
from archlab.evaluation.measures import ACCURACY
from archlab.evaluation.subject import Subject
from archlab.evaluation.task import scored

SAID, HEAD = "label said", "label head"  # how a model is asked


def chosen(subject: Subject, texts: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Says which label a finetuned model gives each text.

    Args:
      subject: finetuned on the labels. An encoder is asked by its head, others for the words.
      texts: any; cut as in training.
      labels: all that there are, in their order.

    Returns:
      int64, number of the likeliest label of each text; the first of those that are as likely.
    """
    words, many = subject.words, len(labels)
    if subject.row.kind == ENCODER:
        room, asked = subject.row.total, []
        for text in texts:
            for number in range(many):
                given, wanted, counts = labelling.headed(words, text, number)
                ids = tuple(given[:room]), tuple(wanted[:room])
                asked.append(Question(*ids, np.asarray(counts[:room]), is_in_place=True))
        nats_S = subject.scorer.questions(asked)[0]
    else:
        pairs = [labelling.said(words, text, label) for text in texts for label in labels]
        nats_S = scored(subject, *map(list, zip(*pairs, strict=True)))
    return nats_S.reshape(-1, many).argmin(axis=1)


def accuracy(
    subject: Subject, name: str, labels: Sequence[str], asked: Labelled, usual: str
) -> Line:
    """Measures how often a finetuned model gives a text its label.

    Args:
      subject: finetuned on the labels.
      name: what is measured.
      labels: all that there are, in their order.
      asked: texts with their labels.
      usual: the commonest label of those that were learnt from.

    Returns:
      The accuracy; chance is that of the commonest label, always.
    """
    right_S = np.asarray([labels.index(one) for one in asked.labels])
    is_right_S = chosen(subject, asked.texts, labels) == right_S
    chance = float(np.mean(right_S == labels.index(usual)))
    how = HEAD if subject.row.kind == ENCODER else SAID
    note = f"{1 / len(labels):.3f} at random"
    return Line(name, ACCURACY, estimate.mean(is_right_S), chance, how, (note,))
