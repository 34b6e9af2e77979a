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
from pathlib import Path
from typing import IO

from archlab.data import order, sources, store
from archlab.data.store import Store
from archlab.data.vocabulary import Vocabulary
from archlab.modules import marks
from archlab.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Data:
    """Where the text is.

    Args:
      folder: of the user's own .txt and .jsonl files, for the tasks `folder_…`.
      vocabulary: path of a SentencePiece model for the tasks `folder_…` and `c4_…`; "" is bytes.
      tfds: where TensorFlow Datasets keeps its files; its own default unless given.
    """

    folder: str | None = None
    vocabulary: str = ""
    tfds: str | None = None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A mixture whose text is encoded.

    Args:
      mixture: its name.
      content: what `archlab.data.build` wrote.
    """

    mixture: str
    content: dict

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of all its tasks."""
        return Vocabulary.from_spec(self.content["vocabulary"])

    @property
    def objectives(self) -> list[str]:
        """Names of its tasks; `Batch.objective_B` numbers them."""
        return [task["name"] for task in self.content["tasks"]]

    def stores(self, split: str) -> list[Store | None]:
        """The encoded text of each task.

        Args:
          split: "train" or "validation".

        Returns:
          Stores, with None where a task has no such split.
        """
        paths = [task["stores"].get(split) for task in self.content["tasks"]]
        return [Store(Path(path)) if path else None for path in paths]

    def has(self, split: str) -> bool:
        """Whether every task has such a split.

        Args:
          split: "train" or "validation".

        Returns:
          True if there are rows of it.
        """
        return all(self.stores(split))

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
        facts = [self.content["vocabulary"]["size"]]
        for number, task in enumerate(self.content["tasks"]):
            found = (self.stores(split)[number] for split in sources.SPLITS)
            texts = [one.manifest["sha256"] if one else None for one in found]
            facts.append([task["name"], task["rate"], task["objective"], texts])
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


class Preparation:
    """Text that is being encoded.

    Args:
      paths: where the recipe of each mixture will be.
      process: that writes them; None if they are there.
      leash: the process's standard input; when it closes, whatever ended us, the process ends too.
    """

    def __init__(
        self,
        paths: dict[str, Path],
        process: subprocess.Popen | None,
        leash: IO[str] | None = None,
    ):
        self._paths, self._process, self._leash = paths, process, leash

    def wait(self) -> dict[str, Recipe]:
        """Waits until it is done.

        Returns:
          The recipe of each mixture.

        Raises:
          ValueError: what the user can put right.
          RuntimeError: the process broke; with the end of what it said.
        """
        if self._process is not None:
            said, errors = self._process.communicate()
            self.close()
            if self._process.returncode == 2:
                what, _, about = said.strip().splitlines()[-1].partition("\t")
                raise Refusal(what, about)
            if self._process.returncode:
                raise RuntimeError(f"encoding the text broke:\n{errors[-2000:]}")
        return {
            name: Recipe(name, json.loads(path.read_text())) for name, path in self._paths.items()
        }

    def close(self) -> None:
        """Stops the process if it is still at work."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        if self._leash is not None:
            with contextlib.suppress(BrokenPipeError):
                self._leash.close()


def prepare(mixtures: list[str], data: Data, modules: tuple[str, ...] = ()) -> Preparation:
    """Begins to encode what mixtures need, unless that was done before.

    Args:
      mixtures: names of SeqIO tasks or mixtures.
      data: where the text is.
      modules: the user's own Python, which registers more.

    Returns:
      At once; `wait` on it.
    """
    code = _code(modules, data)
    paths = {
        name: store.root() / "recipes" / f"{order.hashed(name, code):016x}.json"
        for name in dict.fromkeys(mixtures)
    }
    if all(_is_fresh(path, data) for path in paths.values()):
        return Preparation(paths, None)
    request = {
        **dataclasses.asdict(data),
        "modules": list(modules),
        "code": code,
        "recipes": {name: str(path) for name, path in paths.items()},
    }
    # The process needs no accelerator, and TensorFlow's greetings help nobody.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "archlab.data.build"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **quiet},
    )
    leash, process.stdin = process.stdin, None  # or `communicate` would close it
    with contextlib.suppress(BrokenPipeError):  # of a process that ended at once, and says why
        leash.write(json.dumps(request) + "\n")
        leash.flush()
    return Preparation(paths, process, leash)


def _code(modules: tuple[str, ...], data: Data) -> str:
    """Names everything but the text that decides what a store holds."""
    digest = hashlib.sha256(json.dumps([dataclasses.asdict(data), *marks(modules)]).encode())
    files = [path for path in sorted(Path(__file__).parent.glob("*.py"))]
    if data.vocabulary and Path(data.vocabulary).is_file():
        files.append(Path(data.vocabulary))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_fresh(path: Path, data: Data) -> bool:
    if not path.exists():
        return False
    content = json.loads(path.read_text())
    for name, mark in content["fingerprints"].items():
        if sources.SOURCES[name](data.folder).fingerprint() != mark:
            return False
    stores = [one for task in content["tasks"] for one in task["stores"].values() if one]
    return all(os.path.exists(one) for one in stores)
