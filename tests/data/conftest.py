"""One folder of text, encoded once, for all tests of whoever reads it."""

import os
import random
from pathlib import Path

import pytest

from archlab.data.recipes import Data, prepare

LETTERS = "abcdefghijklmnopqrstuvwxyz äé犬"
MIXTURE = """
import seqio

seqio.MixtureRegistry.add("both", [("folder_prefix_lm", 1), ("folder_span_corruption", 3)])
"""


@pytest.fixture(autouse=True, scope="session")
def disk_is_not_waited_for():
    """Thousands of small files are written, and none of them need outlive a loss of power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


def written(folder: Path, documents: int = 60, seed: int = 0) -> Path:
    """Writes documents of random letters: no stretch of them comes twice."""
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(documents):
        text = "".join(draw.choices(LETTERS, k=draw.randrange(20, 160)))
        (folder / f"{number:03}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Where the text is, and the user's module that mixes it."""
    home = tmp_path_factory.mktemp("corpus")
    (home / "mixtures.py").write_text(MIXTURE)
    return Data(folder=str(written(home / "text"))), (str(home / "mixtures.py"),)


@pytest.fixture(scope="session")
def recipes(corpus):
    """Each objective's recipe, and that of a mixture."""
    data, modules = corpus
    names = ["causal_lm", "prefix_lm", "span_corruption", "masked_lm"]
    preparation = prepare([*[f"folder_{name}" for name in names], "both"], data, modules)
    found = preparation.wait()
    return {name.removeprefix("folder_"): recipe for name, recipe in found.items()}
