"""The build process: mixtures to token stores and recipes, beside the process that trains.

`python -m archlab.data.build` reads the request of `recipes.prepare` from a line of its standard
input, and ends when that closes, for then whoever asked is gone. What the user can put right is one
line on standard output, with what it is about behind a tab, and exit status 2.
"""

import json
import os
import sys
import threading
from pathlib import Path

from archlab import modules
from archlab.data import sources, store, tasks
from archlab.data.order import hashed
from archlab.data.vocabulary import Vocabulary
from archlab.refusal import blame

WRONG = 2


def build(request: dict) -> None:
    """Writes the recipe of each mixture, and the stores that it needs.

    Args:
      request: "folder", "vocabulary", "tfds", "modules", "code" (digest of what encodes) and
        "recipes", the path of each mixture's.

    Raises:
      ValueError: a mixture, a module or a text that cannot be used.
    """
    with blame("Data.vocabulary"):
        data = Vocabulary(request["vocabulary"])
    tasks.register_all(request["folder"], data, request["tfds"])
    for module in request["modules"]:
        modules.load(module, tasks.known)
    for name, path in request["recipes"].items():
        with blame(name):
            recipe = cook(name, request)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        half = Path(path).with_suffix(f".{os.getpid()}.tmp")
        half.write_text(json.dumps(recipe, indent=2) + "\n")
        half.replace(path)


def cook(mixture: str, request: dict) -> dict:
    """Encodes what a mixture needs, and says where it is.

    Args:
      mixture: name of a SeqIO task or mixture.
      request: see `build`.

    Returns:
      The recipe, JSON-able: "vocabulary", "tasks" and "fingerprints".

    Raises:
      ValueError: there is no text, or tasks of two vocabularies.
    """
    parts, cooked, fingerprints = tasks.resolve(mixture), [], {}
    specs = [part.corrupt.vocabulary.spec() for part in parts]
    if any(spec != specs[0] for spec in specs):
        raise ValueError(f"the tasks of {mixture} have different vocabularies: {specs}")
    for part in parts:
        base = part.task.name.removesuffix(f"_{part.corrupt.objective}")
        own = sources.SOURCES[base](request["folder"]) if base in sources.SOURCES else None
        mark = request["code"] if own is None else own.fingerprint()
        if own is not None:
            fingerprints[base] = mark
        cooked.append(
            {
                "name": part.task.name,
                "rate": part.rate,
                "objective": part.corrupt.objective,
                "stores": {
                    split: _stored(part, base, split, mark, request)
                    for split in sources.SPLITS
                    if split in part.task.splits
                },
            }
        )
    return {"vocabulary": specs[0], "tasks": cooked, "fingerprints": fingerprints}


def _stored(part: tasks.Part, base: str, split: str, mark: str, request: dict) -> str | None:
    vocabulary = part.corrupt.vocabulary
    key = hashed(base, split, mark, request["code"], json.dumps(vocabulary.spec()))
    path = store.root() / "stores" / f"{base}-{split}-{key:016x}"

    def facts() -> dict:
        return {"source": base, "split": split, "counts": dict(tasks.COUNTS.get(base, {}))}

    if not path.exists():
        try:
            store.write(path, part.ids(split), vocabulary.size, vocabulary.end, facts)
        except store.Empty:
            if split == "train":
                raise ValueError(f"{part.task.name} has no text to train on") from None
            return None
    return str(path)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def main(line: str) -> int:
    """Reads the request and builds.

    Args:
      line: of JSON; see `build`.

    Returns:
      The exit status.
    """
    request = json.loads(line)
    sys.path.insert(0, "")
    try:
        build(request)
    except ValueError as error:
        print(" ".join(str(error).split()), getattr(error, "about", ""), sep="\t")
        return WRONG
    return 0


if __name__ == "__main__":
    asked = sys.stdin.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(main(asked))
