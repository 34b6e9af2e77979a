"""Scaffold: a module that registers tasks over one's own files, as one would write it by hand."""

import dataclasses
import json
import shlex
from pathlib import Path

from archlab.data.kinds import PREPARED, Find
from archlab.data.pairs import SUPERVISED
from archlab.data.sources import CORPORA, SOURCES, absolute
from archlab.data.vocabulary import Vocabulary
from archlab.spelling import nearest

FORM = '''"""Tasks over text of one's own: {names}.

archlab new-task wrote this, and it is yours to change. Every verb of archlab reads it by --module.
"""

from archlab.data import {rooms}
from archlab.data.vocabulary import Vocabulary

{register}(
    "{name}",
{source}
    {vocabulary},
)
'''
WORKED = "prefix_lm"  # the objective that is shown; all of them share what is encoded


@dataclasses.dataclass(frozen=True)
class Scaffold:
    """A module that is to be written.

    Args:
      name: what its tasks' names begin with.
      found: what they read.
      fields: that hold the text; or what is asked, and what is to be said to it; none of whole
        files.
      vocabulary: path of a tokenizer; "" for bytes.
      held_out: one document in so many, where the data has no split of its own; 0 for none.

    Raises:
      ValueError: a name that cannot be one, fields that are not there, or no such vocabulary.
    """

    name: str
    found: Find
    fields: tuple[str, ...] = ()
    vocabulary: str = ""
    held_out: int = 20

    def __post_init__(self):
        if not (self.name.isidentifier() and self.name.isascii()):
            raise ValueError(f"{self.name!r} is no name for tasks: letters, digits and _ make one")
        if self.name in (*SOURCES, *CORPORA):
            raise ValueError(f"{self.name!r} names tasks of archlab's own; yours need another")
        if self.held_out == 1:
            raise ValueError(
                "--validation 1 leaves nothing to learn from; 2 or more, or 0 for none"
            )
        for field in self.fields:
            if field not in self.found.fields:
                there = nearest(field, self.found.fields) or ", since a file is one text"
                raise ValueError(f"there is no field of text {field!r}{there}")
        if self.vocabulary:
            object.__setattr__(self, "vocabulary", str(absolute(self.vocabulary)))
        self.size  # noqa: B018 - reads the vocabulary

    @property
    def size(self) -> int:
        """Ids of the vocabulary."""
        return Vocabulary(self.vocabulary).size

    @property
    def task(self) -> str:
        """A task that it registers; what is encoded for it serves the others."""
        return f"{self.name}_{SUPERVISED if len(self.fields) > 1 else WORKED}"

    def text(self) -> str:
        """Writes the module.

        Returns:
          Python, as `ruff format` leaves it.
        """
        is_prepared, are_pairs = self.found.kind == PREPARED, len(self.fields) > 1
        rooms = ["corpora" if is_prepared else "files", "supervision" if are_pairs else "tasks"]
        names = [self.task] if are_pairs else [self.task, f"{self.name}_span_corruption and so on"]
        return FORM.format(
            names=", ".join(names),
            rooms=", ".join(rooms),
            register=f"{rooms[1]}.register",
            name=self.name,
            source="\n".join(self._prepared() if is_prepared else self._files()),
            vocabulary=f"Vocabulary({quoted(self.vocabulary) if self.vocabulary else ''})",
        )

    def _named(self) -> list[str]:
        sides = ("inputs", "targets") if len(self.fields) > 1 else ("text",)
        return [
            f"        {side}={quoted(field)},"
            for side, field in zip(sides, self.fields, strict=bool(self.fields))
        ]

    def _files(self) -> list[str]:
        splits, is_split = self.found.splits, "validation" in self.found.splits
        if is_split:
            where = ["        {"]
            for split, paths in splits.items():
                first, *others = _listed(paths, " " * 12)
                where += [f'            "{split}": {first.lstrip()}', *others]
            where.append("        },")
        else:
            where = _listed(splits["train"], " " * 8)
        held_out = [] if is_split else [f"        held_out={self.held_out},"]
        return ["    files.source(", *where, *self._named(), *held_out, "    ),"]

    def _prepared(self) -> list[str]:
        slices = []
        if "validation" not in self.found.splits:
            kept = 100 - (max(1, round(100 / self.held_out)) if self.held_out else 0)
            slices = [f'        splits=("train[:{kept}%]", "train[{kept}%:]"),']
        return [
            "    corpora.tfds(",
            f"        {quoted(self.found.name)},",
            *self._named(),
            f"        data_dir={quoted(self.found.folder)},",
            *slices,
            "    ),",
        ]

    def write(self, path: Path, is_forced: bool = False) -> bool:
        """Writes the module, unless it is there.

        Args:
          path: of the file.
          is_forced: whether it may take the place of another.

        Returns:
          Whether it was written; False where the same is there already.

        Raises:
          ValueError: something else is there, or the name is no module's.
        """
        if path.suffix != ".py":
            raise ValueError(f"{path} is no Python file; its name ends in .py")
        text = self.text().encode()
        if path.is_file() and path.read_bytes() == text:
            return False
        if path.exists() and not is_forced:
            raise ValueError(
                f"{path} is there and says something else; --out names another file, and "
                "--overwrite puts this one in its place"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        return True

    def next(self, path: Path) -> list[str]:
        """Says what can be done with the tasks.

        Args:
          path: of the module.

        Returns:
          Commands, and what they are for.
        """
        module = f"--module {shlex.quote(str(path))}"
        vocab = f" --set Size.vocab={self.size}" if self.vocabulary else ""
        stages = {"span": f"{self.name}_span_corruption", "lm": self.task}
        if len(self.fields) > 1:
            stages["span"] = self.task
        said = " ".join(f"--set {stage}/Stage.mixture={task}" for stage, task in stages.items())
        mixed = f'seqio.MixtureRegistry.add("mixed", [("{self.task}", 3), ("other_task", 1)])'
        return [
            f"archlab show {stages['span']} {module}",
            f"archlab train own_text {module} {said}{vocab} --out runs/{self.name}",
            f"with other tasks, in {path}: import seqio; {mixed}",
        ]


def quoted(text: str) -> str:
    """Writes a text as Python does, in the quotes that `ruff format` prefers.

    Args:
      text: any.

    Returns:
      A literal.
    """
    said = json.dumps(text, ensure_ascii=False)
    # The name of a file that is no UTF-8 has letters that no file of Python may hold.
    said = said.encode("utf-8", "backslashreplace").decode()
    if text.count('"') > text.count("'"):
        return "'" + said[1:-1].replace("'", "\\'").replace('\\"', '"') + "'"
    return said


def _listed(paths: tuple[str, ...], indent: str) -> list[str]:
    """Lines of one path, or of a list of them, with a comma at their end."""
    if len(paths) == 1:
        return [f"{indent}{quoted(paths[0])},"]
    return [f"{indent}[", *(f"{indent}    {quoted(one)}," for one in paths), f"{indent}],"]
