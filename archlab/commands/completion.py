"""What may stand next on a command line: names for the shell that asks at every Tab.

They are read off files. Importing the classes of an experiment would import JAX, which takes longer
than typing the name.
"""

import ast
import itertools
from collections.abc import Iterable
from pathlib import Path

# Where the classes are that `--set` may name; a test holds them to be those of `config.KINDS`.
HOMES = {
    "settings": ("Run",),
    "stages": ("Stage", "Schedule"),
    "surgery/choices": ("Surgery",),
    "size": ("Size",),
    "architecture": ("Architecture",),
    "train/optimizer": ("Optimizer",),
    "mesh": ("Mesh",),
    "data/options": ("Data",),
    "evaluation/suite": ("Suite",),
    "evaluation/measures": ("Continuation", "Infill", "LastWord", "Code", "Pairs", "Choices"),
    "evaluation/incontext": ("Copy", "Regression", "Relabel"),
    "evaluation/probing": ("Probe",),
    "evaluation/task": ("Task",),
    "launch/places": ("Launch",),
    "launch/cloud": ("CloudTPU",),
    "launch/hosts": ("Hosts", "Local"),
    "launch/jobset": ("JobSet",),
    "launch/slurm": ("Slurm",),
    "launch/xpk": ("Xpk",),
}
PARENTS = ("launch/machines",)  # rooms of classes whose fields those have too


def experiments(incomplete: str) -> list[str]:
    """Args: incomplete: as far as it is typed. Returns: experiments that begin so."""
    return _begun(incomplete, _stems("experiments"))


def places(incomplete: str) -> list[str]:
    """Args: incomplete: as far as it is typed. Returns: places that begin so."""
    return _begun(incomplete, _stems("gin/place"))


def suites(incomplete: str) -> list[str]:
    """Args: incomplete: as far as it is typed. Returns: suites that begin so."""
    return _begun(incomplete, _stems("gin/suite"))


def architectures(incomplete: str) -> list[str]:
    """Args: incomplete: as far as it is typed. Returns: architectures that begin so."""
    from archlab.architecture import VISIBILITY

    return _begun(incomplete, VISIBILITY)


def chips(incomplete: str) -> list[str]:
    """Args: incomplete: as far as it is typed. Returns: chips that begin so."""
    from archlab.chips import CHIPS

    return _begun(incomplete, CHIPS)


def tasks(incomplete: str) -> list[str]:
    """Args: incomplete: as far as it is typed. Returns: our tasks that begin so."""
    from archlab.data.objectives.table import MIXTURES, OBJECTIVES
    from archlab.data.sources import CORPORA, SOURCES

    every = [f"{one}_{how}" for one in (*SOURCES, *CORPORA) for how in (*OBJECTIVES, *MIXTURES)]
    return _begun(incomplete, [*every, *(f"{source}_supervised" for source in SOURCES)])


def settings(incomplete: str) -> list[str]:
    """Finds what `--set` may name.

    Example:
      >>> settings("span/Stage.rate"), settings("Size.kv_")
      ([], ['Size.kv_heads='])

    Args:
      incomplete: as far as it is typed; with its scope, if it has one.

    Returns:
      Keys that begin so, each with its "=".
    """
    scope, slash, begun = incomplete.rpartition("/")
    return [f"{scope}{slash}{key}=" for key in _begun(begun, keys())]


def keys() -> list[str]:
    """Reads the settings off the rooms that have them.

    Returns:
      Each as "Class.field".
    """
    package = Path(__file__).parent.parent
    fields: dict[str, list[str]] = {}
    for room in (*PARENTS, *HOMES):
        for kind in ast.parse((package / f"{room}.py").read_text(encoding="utf-8")).body:
            if isinstance(kind, ast.ClassDef):
                inherited = [fields.get(ast.unparse(parent), []) for parent in kind.bases]
                lines = [line.target for line in kind.body if isinstance(line, ast.AnnAssign)]
                own = [one.id for one in lines if isinstance(one, ast.Name)]
                fields[kind.name] = [*itertools.chain(*inherited), *own]
    named = itertools.chain(*HOMES.values())
    return [f"{name}.{field}" for name in named for field in fields[name]]


def _stems(folder: str) -> list[str]:
    from archlab.experiments import home

    return sorted(path.stem for path in (home() / folder).glob("*.gin"))


def _begun(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
