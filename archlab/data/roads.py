"""Roads: how the tasks of a mixture become rows, each as its own steps allow.

  windows     text is encoded once; what is hidden of it follows from the row number
  examples    SeqIO makes all examples once; which of them fill a row follows from its number
  streaming   SeqIO makes examples as they are asked for

A task whose steps after its cache placeholder are an objective of archlab's, or of T5's that is
recognised, takes the first; one that only appends ends there, the second; any other the third.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import seqio

from archlab.data import tasks
from archlab.data.options import EXAMPLES, ROADS, STREAMING, WINDOWS
from archlab.data.recognition import ENDS, recognized
from archlab.data.vocabulary import Vocabulary
from archlab.spelling import nearest

DEEP = 6  # how far into a step's own parts its signature looks


@dataclasses.dataclass(frozen=True)
class Part:
    """One task of a mixture.

    Args:
      task: as registered.
      rate: how often it comes, in any unit.
      road: one of `ROADS`.
      objective: a key of `OBJECTIVES`; "" but for "windows".
      parameters: what differs from it.
      vocabulary: of its ids.
    """

    task: seqio.Task
    rate: float
    road: str
    objective: str
    parameters: dict[str, Any]
    vocabulary: Vocabulary

    @property
    def text(self) -> str:
        """Names what it reads; equal for tasks over one text."""
        own = self.task.preprocessors[-1] if self.task.preprocessors else None
        if self.road == WINDOWS and isinstance(own, tasks.Corrupt):
            return self.task.name.removesuffix(f"_{own.objective}")
        if self.road == EXAMPLES:
            return self.task.name
        steps = list(self.task.preprocessors)
        said = [_signature(one, DEEP) for one in (self.task.source, *steps[: _placeholder(steps)])]
        return f"text-{hashlib.sha256(repr(said).encode()).hexdigest()[:12]}"


def resolve(name: str, road: str = "") -> list[Part]:
    """Finds the tasks of a mixture, however deep, with their rates and roads.

    Args:
      name: of a SeqIO task or mixture.
      road: that all tasks are to take; "" lets each take the first it can.

    Returns:
      Its tasks.

    Raises:
      ValueError: no such name, or a task that cannot take the road.
    """
    known = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
    if name not in known:
        raise ValueError(f"no task or mixture {name!r}{nearest(name, known)}")
    if road not in ("", *ROADS):
        raise ValueError(f"Data.road={road!r} is not one of {', '.join(ROADS)}")
    found = seqio.get_mixture_or_task(name)
    every = [found] if isinstance(found, seqio.Task) else found.tasks
    return [
        _part(task, 1.0 if task is found else float(found.get_rate(task)), road) for task in every
    ]


def _part(task: seqio.Task, rate: float, wanted: str) -> Part:
    steps = list(task.preprocessors)
    after = steps[_placeholder(steps) + 1 :]
    if "targets" not in task.output_features:
        names = ", ".join(task.output_features)
        raise ValueError(f"task {task.name!r} has no feature 'targets'; it has {names}")
    is_cut = _placeholder(steps) < len(steps)
    if after and isinstance(after[-1], tasks.Corrupt) and len(after) == 1:
        objective, vocabulary = (after[0].objective, {}), after[0].vocabulary
    else:
        objective = recognized(after) if is_cut else None
        vocabulary = tasks.vocabulary(task)
    can = {
        WINDOWS: objective is not None,
        EXAMPLES: is_cut and all(getattr(step, "__name__", "") in ENDS for step in after),
        STREAMING: True,
    }
    road = wanted or next(road for road in ROADS if can[road])
    if road == WINDOWS and not can[WINDOWS]:
        raise ValueError(
            f"task {task.name!r} has steps of its own after its cache placeholder, which an index "
            "cannot address; Data.road='streaming' reads it as it goes"
        )
    name, parameters = objective if road == WINDOWS else ("", {})
    return Part(task, rate, road, name, parameters, vocabulary)


def _placeholder(steps: list[Callable]) -> int:
    """Where a task's cache placeholder is; after all steps if there is none."""
    are = [isinstance(step, seqio.CacheDatasetPlaceholder) for step in steps]
    return are.index(True) if True in are else len(steps)


def _signature(one: Any, deep: int) -> Any:
    """What can be said of a step or a source that is the same in another process."""
    if isinstance(one, functools.partial):
        return [_signature(part, deep) for part in (one.func, one.args, one.keywords)]
    if isinstance(one, dict):
        return {str(name): _signature(part, deep - 1) for name, part in sorted(one.items())}
    if isinstance(one, list | tuple):
        return [_signature(part, deep - 1) for part in one]
    code = getattr(one, "__code__", None)
    if code is not None:
        cells = [cell.cell_contents for cell in one.__closure__ or ()] if deep > 0 else []
        digest = hashlib.sha256(code.co_code).hexdigest()
        return [one.__module__, one.__qualname__, digest, _signature(cells, deep - 1)]
    if isinstance(one, str | bytes | int | float | bool | None):
        return one
    kept = vars(one) if deep > 0 and hasattr(one, "__dict__") else {}
    parts = {name: part for name, part in kept.items() if not name.startswith("__")}
    return [type(one).__qualname__, _signature(parts, deep - 1)]


def stream(name: str, split: str, lengths: dict[str, int], seed: int) -> Iterator[dict]:
    """Makes examples of a task for as long as they are asked for.

    Args:
      name: of the task.
      split: of the task; all but "train" are read in order.
      lengths: tokens of "inputs" and "targets", as SeqIO hands them to a task's steps.
      seed: of the shuffling and of the steps' own draws.

    Yields:
      Examples, by feature.
    """
    task = seqio.TaskRegistry.get(name)
    wanted = {key: many for key, many in lengths.items() if key in task.output_features}
    dataset = task.get_dataset(
        wanted, split=split, shuffle=split == "train", seed=seed, num_epochs=None
    )
    yield from dataset.as_numpy_iterator()
