"""Labelling: texts with labels in a folder, and the ids that a model learns of them.

An encoder says a label at a mask before the text: the label has an id of its own, a sentinel, and
that id's row of the table of outputs is its part of a linear head on the state of the mask. Why no
layer besides: to pretraining in place sentinels mean nothing, so their rows are as good as drawn,
and whatever trains, splits, saves and scores a table does so with the head too.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from archlab.data.vocabulary import Vocabulary

SAID, HEAD = "folder_label_said", "folder_label_head"  # tasks, of words and in place
FILES = {"train": "train.jsonl", "validation": "validation.jsonl"}  # in `Data.folder`


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Texts with labels.

    Args:
      texts: any.
      labels: of each, as it is written.
    """

    texts: Sequence[str]
    labels: Sequence[str]


def names(labelled: Labelled) -> list[str]:
    """Finds the labels that there are, in the order of their letters.

    Args:
      labelled: texts with labels.

    Returns:
      Each label once.
    """
    return sorted({*labelled.labels})


def write(folder: Path, train: Labelled, validation: Labelled) -> None:
    """Writes texts with labels for the two tasks.

    Example, of a line:
      {"text": "a gorgeous film", "label": "1", "number": 1}

    Args:
      folder: to be named by `Data.folder`; made if it is not there.
      train: that are learnt from, with two labels or more.
      validation: whose labels are all among those.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = names(train)
    for file, one in zip(FILES.values(), (train, validation), strict=True):
        lines = (
            json.dumps({"text": text, "label": label, "number": known.index(label)})
            for text, label in zip(one.texts, one.labels, strict=True)
        )
        content = "".join(f"{line}\n" for line in lines)
        path = folder / file
        # A file that is there as it should be keeps its time, by which stores are found again.
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")


def said(words: Vocabulary, text: str, label: str) -> tuple[list[int], list[int]]:
    """Lays a text and its label out for a model that says words.

    Example, of bytes:
      >>> said(Vocabulary(), "ab", "c")
      ([100, 101, 1], [102, 1])

    Args:
      words: the vocabulary.
      text: any.
      label: any.

    Returns:
      Inputs and targets, both with the end.
    """
    return [*words.encode(text), words.end], [*words.encode(label), words.end]


def headed(words: Vocabulary, text: str, number: int) -> tuple[list[int], list[int], list[float]]:
    """Lays a text and its label out for an encoder.

    Example, of bytes, where 259 is the mask and 383 the first sentinel:
      >>> headed(Vocabulary(), "ab", 0)
      ([259, 100, 101], [383, 100, 101], [1.0, 0.0, 0.0])

    Args:
      words: the vocabulary.
      text: any.
      number: of the label, from 0.

    Returns:
      Inputs, targets in place, and what each target counts: the label's alone.

    Raises:
      ValueError: there are not so many sentinels.
    """
    ids = words.encode(text)
    return [words.mask, *ids], [words.sentinel(number), *ids], [1.0, *[0.0] * len(ids)]
