"""Settings as plain numbers, words and names, which JSON can hold, and back."""

import dataclasses
import typing
from typing import Any

from ml_collections import FrozenConfigDict

from archlab.modules import marks
from archlab.settings import Run


def resolved(run: Run) -> FrozenConfigDict:
    """Writes a run as plain settings, which `config.json` keeps.

    Example:
      resolved(run).stages["0"].schedule.peak

    Args:
      run: to write.

    Returns:
      Every setting, given or default, typed and frozen; stages are numbered.
    """
    tree = dataclasses.asdict(run)
    if not isinstance(run.stages, str):  # a ConfigDict holds no dicts in lists
        tree["stages"] = {str(number): stage for number, stage in enumerate(tree["stages"])}
    return FrozenConfigDict(tree)


def kept(experiment: str, run: Run, modules: tuple[str, ...]) -> dict:
    """Says what a run is, as its directory keeps it and compares it later.

    Args:
      experiment: what it is called.
      run: its settings, its stages in order.
      modules: the user's own Python.

    Returns:
      JSON-able.
    """
    return {"experiment": experiment, "modules": marks(modules), "run": resolved(run).to_dict()}


def from_settings(settings: dict) -> Run:
    """Builds a run from plain settings.

    Args:
      settings: from `resolved`, perhaps by way of JSON.

    Returns:
      The run.
    """
    return _built(Run, settings)


def _built(kind: type, value: Any) -> Any:
    """Puts dataclasses where a type asks for them."""
    parts = typing.get_args(kind)
    if type(None) in parts and value is not None:
        return _built(parts[0], value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _built(hints[name], inner) for name, inner in value.items()})
    if isinstance(value, dict):  # of things of one kind, numbered
        inner = typing.get_args(parts[0])[0]
        return tuple(_built(inner, value[number]) for number in sorted(value, key=int))
    return value
