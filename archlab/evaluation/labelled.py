"""Labelled files: what people score models on, read from disk as it is published."""

import csv
import dataclasses
import gzip
import xml.etree.ElementTree
import zlib
from collections.abc import Iterator
from pathlib import Path

from archlab import form
from archlab.spelling import beside


@dataclasses.dataclass(frozen=True)
class Choice:
    """Several ways for a text to go on, of which one is right.

    Args:
      context: what stands before.
      choices: the ways, each with the space before it.
      label: number of the right one.
    """

    context: str
    choices: tuple[str, ...]
    label: int


def lines(path: Path) -> Iterator[dict]:
    """Reads a file of JSON objects, one a line.

    Args:
      path: of the file; gzipped if its name ends in .gz.

    Yields:
      The objects.

    Raises:
      ValueError: it is not there, or a line is no JSON object.
    """
    for _, found in form.objects(path, _content(path)):
        yield found


def field(found: dict, name: str, path: Path) -> str:
    """Takes a text out of an object.

    Args:
      found: from `lines`.
      name: of its field.
      path: of the file, for the message.

    Returns:
      The text.

    Raises:
      ValueError: there is no such field, or it is no text.
    """
    if not isinstance(found.get(name), str):
        raise ValueError(f"{path}: an object has no text {name!r}; it has {', '.join(found)}")
    return found[name]


def table(path: Path) -> tuple[list[str], list[str]]:
    """Reads texts and their labels.

    Args:
      path: a .tsv of two columns, or JSON lines with "text" and "label".

    Returns:
      The texts, and the labels as they are written.

    Raises:
      ValueError: it is not there, or a line has not both.
    """
    if path.name.lower().removesuffix(".gz").endswith(".jsonl"):
        pairs = [(field(one, "text", path), str(one.get("label", ""))) for one in lines(path)]
    else:
        rows = csv.reader(_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
        pairs = [tuple(row) for row in rows if row]
    for number, pair in enumerate(pairs, 1):
        if len(pair) != 2 or not pair[1]:
            raise ValueError(f"{path}:{number}: {len(pair)} columns; a text and its label are two")
    if not pairs:
        raise ValueError(f"{path} holds no line")
    texts, labels = zip(*pairs, strict=True)
    return list(texts), list(labels)


def choices(path: Path) -> list[Choice]:
    """Reads questions with several answers.

    Args:
      path: COPA's .xml or .jsonl, or PIQA's .jsonl with its -labels.lst beside it; or JSON lines
        with "context", "choices" and "label".

    Returns:
      The questions.

    Raises:
      ValueError: it is none of those, or a label stands for no choice.
    """
    found = list(_copa(path)) if path.suffix.lower() == ".xml" else list(lines(path))
    if not found:
        raise ValueError(f"{path} holds no question")
    if "goal" in found[0]:
        for one, label in zip(found, _text(labels(path)).split(), strict=True):
            one["label"] = int(label)
    made = [_choice(one, path) for one in found]
    for number, one in enumerate(made, 1):
        if not isinstance(one.label, int) or not 0 <= one.label < len(one.choices):
            raise ValueError(
                f"{path}: question {number} has label {one.label!r}; it is one of 0 to "
                f"{len(one.choices) - 1}"
            )
    return made


def labels(path: Path) -> Path:
    """Says where the labels of PIQA's questions would be.

    Args:
      path: of the questions.

    Returns:
      The path of a file beside it, which may not be there.
    """
    return path.with_name(f"{path.stem}-labels.lst")


def _choice(one: dict, path: Path) -> Choice:
    label = one.get("label")
    if "goal" in one:
        return Choice(one["goal"], (f" {one['sol1']}", f" {one['sol2']}"), label)
    if "premise" in one and "choice1" in one:
        # As a sentence that goes on; Gordon et al. 2012 ask for a cause or an effect.
        link = {"cause": "because", "effect": "so"}[one["question"]]
        ways = tuple(f" {_lower(one[name])}" for name in ("choice1", "choice2"))
        return Choice(f"{one['premise'].rstrip(' .')} {link}", ways, label)
    if "context" in one and isinstance(one.get("choices"), list):
        return Choice(one["context"], tuple(one["choices"]), label)
    raise ValueError(f"{path}: an object with {', '.join(one)} is no question that is known here")


def _copa(path: Path) -> Iterator[dict]:
    try:
        root = xml.etree.ElementTree.fromstring(_text(path))
    except xml.etree.ElementTree.ParseError as error:
        raise ValueError(f"{path} is no XML: {error}") from None
    for item in root.iter("item"):
        yield {
            "premise": item.findtext("p"),
            "choice1": item.findtext("a1"),
            "choice2": item.findtext("a2"),
            "question": item.get("asks-for"),
            "label": int(item.get("most-plausible-alternative", "0")) - 1,
        }


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _text(path: Path) -> str:
    try:
        return _content(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(
            f"{path} is not there; --data names the folder that it is in{beside(path)}"
        )
    content = path.read_bytes()
    try:
        return gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
