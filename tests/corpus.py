"""A small folder of text, and runs on it, for tests of whoever trains."""

from pathlib import Path

from archlab.architecture import Architecture
from archlab.data.options import Data
from archlab.data.recipes import prepare
from archlab.mesh import Mesh
from archlab.settings import Run
from archlab.size import Size
from archlab.stages import Schedule, Stage
from archlab.train.optimizer import Optimizer

SIZE = Size(layers=2, embed=32, mlp=48, heads=4, kv=8, vocab=384)
WORDS = ("the", "a", "cat", "dog", "runs", "sees", "under", "tree", "and", "then")


def written(folder: Path, documents: int = 60) -> Path:
    """Writes documents of regular sentences, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(documents):
        picks = [WORDS[(number * 7 + place * (number % 5 + 1)) % len(WORDS)] for place in range(90)]
        (folder / f"{number:03}.txt").write_text(" ".join(picks) + ".\n")
    return folder


def encoded(folder: Path) -> Path:
    """Writes them and encodes them here, where it is quick, for processes of their own to find."""
    prepare(["folder_causal_lm", "folder_prefix_lm"], Data(folder=str(written(folder)))).wait()
    return folder


def stage(objective: str, steps: int = 6, **settings) -> Stage:
    """A short stage on the folder."""
    schedule = Schedule("cosine", peak=3e-3, warmup=2)
    lengths = {"inputs": 24, "targets": 8, "rows": 16, "schedule": schedule}
    return Stage(f"folder_{objective}", steps=steps, **{**lengths, **settings})


def run(folder: Path | None, name: str, stages: list[Stage], **settings) -> Run:
    """A small run on the folder."""
    architecture = settings.pop("architecture", Architecture(name))
    defaults = {
        "optimizer": Optimizer(),
        "mesh": Mesh(),
        "data": Data(folder=folder and str(folder)),
        "precision": "float32",
        "record_every": 2,
        "save_every": 4,
        "evaluate_rows": 8,
        "keep": 20,
    }
    return Run(architecture, SIZE, tuple(stages), **{**defaults, **settings})
