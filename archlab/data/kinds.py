"""Kinds: what files of one's own are, which of their fields hold text, and how they are split."""

import dataclasses
import glob
import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from archlab import form
from archlab.data import records, sources

PREPARED = "prepared"  # by TensorFlow Datasets; besides the kinds of `records`
SAMPLED = 100  # records, of all files together, that fields are told by
SAVED = "dataset_dict.json"  # of several splits, by Hugging Face's `save_to_disk`
SPLIT = re.compile(r"(?<![a-z])(train|validation|valid|val|dev|test)(?![a-z])", re.IGNORECASE)
READ = (
    ".txt, .jsonl, .json of one object a line, all of them gzipped or not, .tfrecord, .parquet, "
    ".arrow, a folder of those, one that save_to_disk of Hugging Face wrote, or one that "
    "TensorFlow Datasets prepared"
)
REMEDIES = {
    r"\.[ct]sv(\.gz)?": "write a JSON object for each of its rows",
    r"\.(zip|tar|tgz|tar\.gz|rar|7z)": "unpack it",
    r"\.(zst|bz2|xz|lz4)": "unpack it, or pack it with gzip",
    r"\.(pdf|docx?|odt|epub|html?|md|rst)": "write its text into a .txt file",
    r"\.(parquet|arrow)\.gz": "unpack it",
}


@dataclasses.dataclass(frozen=True)
class Find:
    """What was found.

    Args:
      kind: of `records.KINDS`, or `PREPARED`.
      splits: paths by "train" and, where the data has it, "validation"; of what is prepared, its
        own names of them.
      files: how many there are; 0 where that is nobody's business.
      fields: that hold text, with the beginning of one; none of whole files.
      notes: what is left out, in words.
      name: of what is prepared, with its version.
      folder: that it is in.
    """

    kind: str
    splits: dict[str, tuple[str, ...]]
    files: int = 0
    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    name: str = ""
    folder: str = ""


def look(paths: Sequence[str]) -> Find:
    """Looks at files.

    Args:
      paths: of files, patterns of them, or folders.

    Returns:
      What they are.

    Raises:
      ValueError: they are nothing that is read here, or of several kinds, or hold no text.
    """
    here = [sources.absolute(path) for path in paths]
    for folder in here:
        if (folder / SAVED).is_file():
            return _saved(here)
        if folder.is_dir() and not (folder / sources.STATE).is_file():
            if prepared := _prepared_in(folder):
                return _prepared(here, prepared)
    files = sources.found([_known(path) for path in paths])
    many = Counter(records.kind(path.name) for path in files)
    if len(many) > 1:
        said = " and ".join(f"{count} of {kind or 'no kind'}" for kind, count in many.items())
        raise ValueError(f"{', '.join(paths)}: {said}; name files of one kind")
    (kind,) = many
    splits, notes = _split(files, here)
    if kind == records.TEXT and len(files) == 1:
        notes = ("a file is one text, so none is held out",)
    return Find(kind, splits, len(files), _fields(kind, splits["train"]), notes)


def _known(path: str) -> str:
    """A path, unless it is a file of no kind that is read here."""
    here = sources.absolute(path)
    if not here.is_file() or records.kind(here.name):
        return path
    name = here.name.lower()
    meant = next((what for end, what in REMEDIES.items() if re.search(f"{end}$", name)), "")
    raise ValueError(f"{path} is not read: {f'{meant}; ' if meant else ''}what is read is {READ}")


def _saved(here: list[Path]) -> Find:
    """A data set of several splits, as Hugging Face saves it."""
    folder = here[0]
    if len(here) > 1:
        raise ValueError(f"{folder} is a whole data set; name it alone")
    names = form.read(folder / SAVED, {"splits": [str]})["splits"]
    if not names:
        raise ValueError(f"{folder / SAVED} names no splits, and a data set has one or more")
    if "train" not in names:
        raise ValueError(
            f"{folder} has no split 'train', but {', '.join(names)}; name one of its folders, as "
            f"{folder / names[0]}"
        )
    wanted = [name for name in sources.SPLITS if name in names]
    splits: dict[str, tuple[str, ...]] = {name: (str(folder / name),) for name in wanted}
    files = sources.found([path for paths in splits.values() for path in paths])
    others = [name for name in names if name not in wanted]
    return Find(
        records.ROWS,
        splits,
        len(files),
        _fields(records.ROWS, splits["train"]),
        _left_out(others),
    )


def _left_out(names: Sequence[str]) -> tuple[str, ...]:
    return (f"left out: {', '.join(names)}",) if names else ()


def _split(files: list[Path], here: list[Path]) -> tuple[dict[str, tuple[str, ...]], tuple]:
    """Which files are for what, as far as all of their names say so; and what is left out."""
    _, names = sources.rooted(files)
    told: dict[str, list[Path]] = {}
    for path, name in zip(files, names, strict=True):
        said = SPLIT.findall(name.rpartition(".")[0])
        word = said[-1].lower() if said else ""
        word = "validation" if word in ("valid", "val", "dev") else word
        told.setdefault(word, []).append(path)
    if "" in told or "train" not in told or len(told) == 1:
        return {"train": tuple(_condensed(files, here))}, ()
    splits = {one: tuple(_condensed(told[one])) for one in sources.SPLITS if one in told}
    return splits, _left_out([path.name for path in told.get("test", ())])


def _condensed(files: list[Path], here: Sequence[Path] = ()) -> list[str]:
    """The shortest way to name just these files: as the user did, as a folder, as a pattern."""
    few = [str(path) for path in here]
    if here and (len(here) < 4 or len(here) < len(files)):
        return few
    names = [str(path) for path in files]
    start = os.path.commonprefix(names)
    end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]
    folder = start.rpartition(os.sep)[0]
    for short in (folder, f"{glob.escape(start)}*{glob.escape(end)}"):
        if len(files) > 1 and folder and (os.path.isdir(short) or "*" in short):
            if sources.found([short]) == files:
                return [short]
    return names


def _fields(kind: str, paths: Sequence[str]) -> dict[str, str]:
    """Fields that hold text in most of the files' first records, and how one of them begins."""
    if kind == records.TEXT:
        return {}
    files = sources.found(paths)
    files = files[:: math.ceil(len(files) / SAMPLED)]
    each = math.ceil(SAMPLED / len(files))
    seen = (itertools.islice(records.READERS[kind](path, ()), each) for path in files)
    many: Counter[str] = Counter()
    first: dict[str, str] = {}
    others, read = set(), 0
    for one in itertools.chain.from_iterable(seen):
        read += 1
        for name, value in one.items():
            text = _text(value)
            others |= {name}
            if text.strip():
                many[name] += 1
                first.setdefault(name, text)
    found = {name: first[name] for name in first if many[name] * 2 > read}
    if not found:
        where = f"{files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''}"
        if not read:
            raise ValueError(f"{where} is empty: it holds no {kind}")
        has = f"; they have {', '.join(sorted(map(str, others)))}" if others else ""
        form = ', each an object like {"text": "…"}' if kind == records.LINES and not has else ""
        raise ValueError(f"no field holds text in most of the first {kind} of {where}{has}{form}")
    return found


def _text(value: object) -> str:
    """A value if it is text, else nothing."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:  # a picture, say
            return ""
    return value if isinstance(value, str) else ""


def _prepared_in(folder: Path) -> list[Path]:
    """Versions of data sets that TensorFlow Datasets prepared, in a folder and below it."""
    found = [
        path.parent
        for way in ("", "*/", "*/*/", "*/*/*/")
        for path in sorted(folder.glob(f"{way}{sources.INFO}"))
    ]
    return [one for one in found if not any(one.glob("*.arrow"))]  # which are Hugging Face's


def _prepared(here: list[Path], versions: list[Path]) -> Find:
    """A data set as TensorFlow Datasets prepared it."""
    if len(here) > 1 or len(versions) > 1:
        which = ", ".join(map(str, versions))
        raise ValueError(f"{len(here)} folders hold {which}; name one version of one data set")
    import tensorflow as tf
    import tensorflow_datasets as datasets
    from google.protobuf.json_format import ParseError

    try:
        builder = datasets.builder_from_directory(versions[0])
    except (
        *(ValueError, OSError, KeyError),
        *(ParseError, datasets.core.DatasetNotFoundError),
    ) as error:
        raise ValueError(f"{versions[0]} is no data set of TensorFlow Datasets: {error}") from None
    *words, version = builder.info.full_name.split("/")
    if "train" not in builder.info.splits:
        raise ValueError(f"{words[0]} has no split 'train', but {', '.join(builder.info.splits)}")
    specs = builder.info.features.get_tensor_spec()
    texts = [
        name
        for name, spec in (specs.items() if isinstance(specs, dict) else ())
        if getattr(spec, "dtype", None) == tf.string and spec.shape.rank == 0
    ]
    if not texts:
        raise ValueError(f"{words[0]} has no field of text; it has {', '.join(specs)}")
    one: dict = next(iter(builder.as_dataset("train").take(1).as_numpy_iterator()), {})
    wanted = [name for name in sources.SPLITS if name in builder.info.splits]
    return Find(
        PREPARED,
        {name: (name,) for name in wanted},
        0,
        {name: _text(one.get(name)) for name in texts},
        _left_out([name for name in builder.info.splits if name not in wanted]),
        f"{'/'.join(words)}:{version}",
        str(versions[0].parents[len(words)]),
    )
