"""Recipes: a mixture whose text is encoded, and the process that encodes it.

The text is encoded by another process, `archlab.data.build`, which alone imports TensorFlow, while
this one compiles. What is encoded once is found again, unless the text or the code has changed.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import IO

from archlab.data import code, reports, shards, sources, store
from archlab.data.chance import hashed
from archlab.data.objectives.objective import Objective
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.options import STREAMING, Data, Work
from archlab.data.places import Place
from archlab.data.reports import Report
from archlab.data.store import Store
from archlab.data.vocabulary import Vocabulary
from archlab.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A mixture whose text is encoded.

    Args:
      mixture: its name.
      content: what `archlab.data.build` wrote.
      broken_shards: how many shards of a store may be left out.
    """

    mixture: str
    content: dict
    broken_shards: int = 0

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of all its tasks."""
        return Vocabulary.from_spec(self.content["vocabulary"])

    @property
    def rates(self) -> list[float]:
        """How often each task comes, in any unit."""
        return [task["rate"] for task in self.content["tasks"]]

    @property
    def roads(self) -> list[str]:
        """How each task becomes rows."""
        return [task["road"] for task in self.content["tasks"]]

    def objective(self, number: int) -> Objective:
        """The objective of a task, with the parameters that it was registered with.

        Args:
          number: of the task.

        Returns:
          The objective.
        """
        task = self.content["tasks"][number]
        return dataclasses.replace(OBJECTIVES[task["objective"]], **task["parameters"])

    @property
    def objectives(self) -> list[str]:
        """Names of its tasks; `Batch.objective_B` numbers them."""
        return [task["name"] for task in self.content["tasks"]]

    def stores(self, split: str) -> list[Store | None]:
        """The encoded text of each task, found to be as it was written.

        Args:
          split: "train" or "validation".

        Returns:
          Stores, with None where a task has no such split.

        Raises:
          ValueError: more shards are broken than may be left out.
        """
        paths = [task["stores"].get(split) for task in self.content["tasks"]]
        return [self._opened[path] if path else None for path in paths]

    @functools.cached_property
    def _opened(self) -> dict[str, Store]:
        found = [path for task in self.content["tasks"] for path in task["stores"].values() if path]
        return {path: store.opened(path, self.broken_shards) for path in dict.fromkeys(found)}

    def has(self, split: str) -> bool:
        """Whether every task has such a split.

        Args:
          split: "train" or "validation".

        Returns:
          True if there are rows of it.
        """
        return all(
            split in task["splits"] if task["road"] == STREAMING else task["stores"].get(split)
            for task in self.content["tasks"]
        )

    @functools.cached_property
    def texts(self) -> dict[str, str]:
        """Digests of the texts that it is made of, whatever is made of them.

        Example:
          {"python_stdlib train": "5f70bf18…", "python_stdlib validation": "86c5e3a1…"}
        """
        found = [one for split in sources.SPLITS for one in self.stores(split) if one]
        said = [one.manifest for one in found]
        return {f"{one['source']} {one['split']}": one["sha256"] for one in said}

    @functools.cached_property
    def digest(self) -> str:
        """Names the text, the tasks and the vocabulary; other digests are other rows."""
        spec = self.content["vocabulary"]
        facts: list = [{fact: value for fact, value in spec.items() if fact != "path"}]
        for number, task in enumerate(self.content["tasks"]):
            found = (self.stores(split)[number] for split in sources.SPLITS)
            texts = [_named(one) if one else None for one in found]
            how = dataclasses.asdict(self.objective(number)) if task["objective"] else None
            facts.append([task["name"], task["rate"], task["road"], task["objective"], how, texts])
        if STREAMING in self.roads:  # no store holds their text: code and files stand for it
            facts += [self.content[fact] for fact in ("encoding", "fingerprints", "files")]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Preparation:
    """Text that is being encoded.

    Args:
      paths: where the recipe of each mixture will be.
      broken_shards: how many shards of a store may be left out.
      process: that writes them; None if they are there.
      request: file that the process reads.
      errors: file that its complaints go to.
      asked: the fields of `Data` and the modules, for what streams.
    """

    def __init__(
        self,
        paths: dict[str, str],
        broken_shards: int = 0,
        process: subprocess.Popen | None = None,
        request: str = "",
        errors: IO[str] | None = None,
        asked: dict | None = None,
    ):
        self._paths, self._broken_shards, self._asked = paths, broken_shards, asked or {}
        self._process, self._request, self._errors = process, request, errors

    def wait(self, tell: Callable[[Report], None] = lambda report: None) -> dict[str, Recipe]:
        """Waits until it is done.

        Args:
          tell: takes what the process reports of how far it is.

        Returns:
          The recipe of each mixture.

        Raises:
          ValueError: what the user can put right.
          RuntimeError: the process broke; with the end of what it said.
        """
        if self._process is not None:
            said = ""
            for line in self._process.stdout:
                if report := reports.read(line):
                    tell(report)
                else:
                    said = line.strip() or said
            status = self._process.wait()
            self._errors.seek(0)
            errors = self._errors.read()
            self.close()
            if status == 2:
                what, _, about = said.partition("\t")
                raise Refusal(what, about)
            if status:
                raise RuntimeError(f"encoding the text broke:\n{errors[-2000:]}")
        return {
            name: Recipe(
                name, {**json.loads(_read(path)), "request": self._asked}, self._broken_shards
            )
            for name, path in self._paths.items()
        }

    def close(self) -> None:
        """Stops the process if it is still at work."""
        if self._process is not None and not self._errors.closed:
            if self._process.poll() is None:
                self._process.kill()
            self._process.communicate()
            self._errors.close()
        if self._request and os.path.exists(self._request):
            os.unlink(self._request)


def prepare(
    mixtures: list[str],
    data: Data,
    modules: tuple[str, ...] = (),
    work: Work = Work(),  # noqa: B008
) -> Preparation:
    """Begins to encode what mixtures need, unless that was done before.

    Args:
      mixtures: names of SeqIO tasks or mixtures.
      data: where the text is.
      modules: the user's own Python, which registers more.
      work: how to go about it.

    Returns:
      At once; `wait` on it.
    """
    facts = dataclasses.asdict(data)
    for fact in ("cache", "broken_shards"):  # they do not decide what is in a store
        del facts[fact]
    mark = code.digest(modules, [*facts.values()], code.ALL)
    root = store.root(data.cache)
    kind = "recipes" if work.encode else "recipes/found"
    paths = {
        name: f"{root}/{kind}/{hashed(name, mark):016x}.json" for name in dict.fromkeys(mixtures)
    }
    asked = {"data": {**dataclasses.asdict(data), "cache": root}, "modules": list(modules)}
    if all(_is_fresh(path, data, work.encode) for path in paths.values()):
        return Preparation(paths, data.broken_shards, asked=asked)
    request = {
        **dataclasses.asdict(work),
        **asked,
        # Of the text, its own state decides, and of the vocabulary, what it is.
        "encoding": code.digest(modules, [data.tfds], code.ENCODING),
        "recipes": paths,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(request, file)
    with contextlib.ExitStack() as undone:
        undone.callback(os.unlink, file.name)
        errors = undone.enter_context(tempfile.TemporaryFile("w+"))
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "archlab.data.build", file.name],
            stdin=subprocess.PIPE,  # when it closes, whatever ended us, the process ends too
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=quiet(),
        )
        undone.pop_all()  # from here on it is the preparation's to close
    return Preparation(paths, data.broken_shards, process, file.name, errors, asked)


def quiet() -> dict[str, str]:
    """Says in what environment a process that reads text runs.

    Returns:
      The variables: it needs no accelerator, and TensorFlow's greetings help nobody.
    """
    own = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **own, "PYTHONHASHSEED": "0"}  # a user's steps may look at a hash


def _is_fresh(path: str, data: Data, encode: bool) -> bool:
    try:
        content = json.loads(_read(path))
    except FileNotFoundError:
        return False
    # A data set may be prepared at any time, and one that is only looked for be removed.
    settled = (None, "") if encode else (None,)
    if any(task["absent"] not in settled for task in content["tasks"]):
        return False
    for name, mark in content["fingerprints"].items():
        if sources.SOURCES[name](data.folder).fingerprint() != mark:
            return False
    for pattern, mark in content["files"].items():
        if sources.marked(pattern) != mark:
            return False
    with contextlib.suppress(ValueError):  # of a vocabulary that is another by now
        Vocabulary.from_spec(content["vocabulary"])
        stores = [one for task in content["tasks"] for one in task["stores"].values() if one]
        return all(shards.MANIFEST in Place(one).files() for one in stores)
    return False


def _read(path: str) -> bytes:
    folder, _, name = path.rpartition("/")
    return Place(folder).read(name)


def _named(one: Store) -> str | list:
    """Names a text; without some of its shards it is another."""
    return [one.manifest["sha256"], *one.left_out] if one.left_out else one.manifest["sha256"]
