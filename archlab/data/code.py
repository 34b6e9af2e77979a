"""Code: a name for everything but the text that decides what is encoded, and how."""

import hashlib
import json
from pathlib import Path

from archlab import modules as user
from archlab.data import tokenizers

ALL = ("**/*.py",)  # of archlab.data: any of it may decide what a recipe says
ENCODING = (
    *("sources.py", "corpora.py", "documents.py", "cut.py", "tasks.py", "writer.py"),
    *("records.py", "files.py", "features.py", "pairs.py"),
    *("supervision.py", "labelling.py", "labels.py"),
    *("vocabulary.py", "tokenizers.py", "pieces.py", "huggingface.py"),
)


def digest(modules: tuple[str, ...], facts: list, rooms: tuple[str, ...]) -> str:
    """Names code and facts; when one of them changes, text is encoded anew.

    Args:
      modules: the user's own Python.
      facts: that decide it too; of one that is a path of a file, what is in it.
      rooms: files of archlab.data, as patterns.

    Returns:
      A digest.
    """
    named = hashlib.sha256(json.dumps([*facts, *user.marks(modules)]).encode())
    files = [path for room in rooms for path in sorted(Path(__file__).parent.glob(room))]
    for module in modules:
        files += user.files(module)
    for fact in facts:
        if isinstance(fact, str) and Path(fact).suffix in tokenizers.KINDS and Path(fact).is_file():
            files += tokenizers.files(fact)
    for path in files:
        named.update(path.read_bytes())
    return named.hexdigest()
