"""Roads: how the tasks of a mixture become rows, each as its own steps allow.

  windows     text is encoded once; what is hidden of it follows from the row number
  examples    SeqIO makes all examples once; which of them fill a row follows from its number
  streaming   SeqIO makes examples as they are asked for

A task whose steps after its cache placeholder are an objective of archlab's, or of T5's that is
recognised, takes the first; one that only appends ends there, the second; any other the third.
"""

import dataclasses
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import seqio

from archlab.data import tasks
from archlab.data.labels import EncodeLabelled
from archlab.data.options import EXAMPLES, ROADS, STREAMING, WINDOWS
from archlab.data.recognition import only_ends, recognized
from archlab.data.row import DECODER, ENCODER, Row
from archlab.data.supervision import EncodePairs
from archlab.data.vocabulary import Vocabulary
from archlab.spelling import nearest, not_one_of

DEEP = 12  # how far into their parts two steps are compared; beyond it they count as different
UNENDED = ("causal_lm", "prefix_lm")  # objectives whose inputs do not end in the end


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

    @functools.cached_property
    def text(self) -> str:
        """Names what it reads: of tasks over one text, the first by letters."""
        own = self.task.preprocessors[-1] if self.task.preprocessors else None
        if self.road == EXAMPLES:
            return self.task.name
        if isinstance(own, tasks.Corrupt):
            return self.task.name.removesuffix(f"_{own.objective}")
        every = (seqio.TaskRegistry.get(name) for name in sorted(seqio.TaskRegistry.names()))
        return next(task.name for task in every if _reads_the_same(task, self.task))


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
        meant = nearest(name, known)
        raise ValueError(f"no task or mixture {name!r} is registered, here or by --module{meant}")
    if road not in ("", *ROADS):
        raise ValueError(f"Data.road={not_one_of(road, ROADS)}")
    found = seqio.get_mixture_or_task(name)
    every = [found] if isinstance(found, seqio.Task) else found.tasks
    return [
        _part(task, 1.0 if task is found else float(found.get_rate(task)), road) for task in every
    ]


def _part(task: seqio.Task, rate: float, wanted: str) -> Part:
    _check(task)
    steps = list(task.preprocessors)
    after = steps[_placeholder(steps) + 1 :]
    is_cut = _placeholder(steps) < len(steps)
    objective, vocabulary = None, None
    if is_cut and wanted in ("", WINDOWS):
        objective = _objective(task, after)
    if is_cut and after and isinstance(after[-1], tasks.Corrupt):
        vocabulary = after[-1].vocabulary
    for step in steps:
        if isinstance(step, EncodePairs | EncodeLabelled):
            vocabulary = step.vocabulary
    can = {WINDOWS: objective is not None, EXAMPLES: is_cut and only_ends(after), STREAMING: True}
    road = wanted or next(road for road in ROADS if can[road])
    if road == WINDOWS and not can[WINDOWS]:
        raise ValueError(
            f"task {task.name!r} has steps of its own after its cache placeholder, which an index "
            "cannot address; Data.road='streaming' reads it as it goes"
        )
    name, parameters = objective if road == WINDOWS else ("", {})
    return Part(task, rate, road, name, parameters, vocabulary or tasks.vocabulary(task))


def _check(task: seqio.Task) -> None:
    """Refuses a task whose examples are no lists of ids of one vocabulary."""
    features = {
        name: task.output_features[name]
        for name in ("inputs", "targets")
        if name in task.output_features
    }
    if "targets" not in features:
        names = ", ".join(task.output_features)
        raise ValueError(f"task {task.name!r} has no feature 'targets'; it has {names}")
    for name, feature in features.items():
        if feature.rank != 1 or not feature.dtype.is_integer:
            raise ValueError(
                f"task {task.name!r} has {name!r} of rank {feature.rank} and type "
                f"{feature.dtype.name}; archlab reads lists of ids, of rank 1 and type int32"
            )
    first, *others = [feature.vocabulary for feature in features.values()]
    if any(other is not first and other != first for other in others):
        raise ValueError(
            f"task {task.name!r} has one vocabulary for its inputs and another for its targets; "
            "archlab's models have one table of ids"
        )


def _objective(task: seqio.Task, after: list[Callable]) -> tuple[str, dict[str, Any]] | None:
    """What is hidden of a task's text, if archlab can hide it by row number."""
    if len(after) == 1 and isinstance(after[0], tasks.Corrupt):
        return after[0].objective, {}
    found = recognized(after)
    if found is None:
        return None
    ended = ("targets",) if found[0] in UNENDED else ("inputs", "targets")
    features = [task.output_features[name] for name in ended if name in task.output_features]
    return found if all(feature.add_eos for feature in features) else None


def _placeholder(steps: list[Callable]) -> int:
    """Where a task's cache placeholder is; after all steps if there is none."""
    are = [isinstance(step, seqio.CacheDatasetPlaceholder) for step in steps]
    return are.index(True) if True in are else len(steps)


def _reads_the_same(one: seqio.Task, other: seqio.Task) -> bool:
    """Whether what two tasks do before their cache placeholders gives the same ids."""
    try:
        return one is other or _is_same(_before(one), _before(other), DEEP)
    except (TypeError, ValueError):  # of a task that SeqIO refuses, or parts that do not compare
        return False


def _before(task: seqio.Task) -> list:
    """What decides a task's ids before its cache placeholder."""
    steps = list(task.preprocessors)
    return [task.source, *steps[: _placeholder(steps)], task.output_features.get("targets")]


def _is_same(one: Any, other: Any, deep: int) -> bool:
    """Whether two things are made of the same parts; where in doubt they are not."""
    if one is other:
        return True
    if type(one) is not type(other) or deep == 0:
        return False
    if isinstance(one, functools.partial):
        parts = [(half.func, half.args, half.keywords) for half in (one, other)]
    elif isinstance(one, dict):
        if one.keys() != other.keys():
            return False
        parts = [[half[name] for name in one] for half in (one, other)]
    elif isinstance(one, types.FunctionType):
        parts = [
            (half.__module__, half.__code__, half.__defaults__, half.__kwdefaults__)
            + tuple(half.__closure__ or ())
            for half in (one, other)
        ]
    elif isinstance(one, types.MethodType):
        parts = [(half.__func__, half.__self__) for half in (one, other)]
    elif isinstance(one, types.CellType):
        parts = [[half.cell_contents] for half in (one, other)]
    elif isinstance(one, list | tuple):
        parts = [one, other]
    elif type(one).__eq__ is object.__eq__ and hasattr(one, "__dict__"):
        parts = [[vars(one)], [vars(other)]]
    else:
        return type(one).__eq__(one, other) is True
    return len(parts[0]) == len(parts[1]) and all(
        _is_same(own, others, deep - 1) for own, others in zip(*parts, strict=True)
    )


def lengths(task: seqio.Task, row: Row) -> dict[str, int]:
    """Says how long a task's examples may be.

    Args:
      task: whose examples are packed into rows.
      row: to fill.

    Returns:
      Tokens of its features at most, as SeqIO hands them to a task's steps. In one stream, a task
      without inputs has all of the row for its targets.
    """
    is_alone = row.kind == DECODER and "inputs" not in task.output_features
    if row.kind == ENCODER or is_alone:
        most = {"inputs": row.total, "targets": row.total}
    else:
        most = {"inputs": row.inputs, "targets": row.targets}
    return {name: many for name, many in most.items() if name in task.output_features}


def stream(name: str, split: str, row: Row, seed: int, epochs: int | None = None) -> Iterator[dict]:
    """Makes examples of a task.

    Args:
      name: of the task.
      split: of the task; all but "train" are read in order.
      row: to fill.
      seed: of the shuffling and of the steps' own draws.
      epochs: how often the text is read; None makes examples for as long as they are asked for.

    Yields:
      Examples, by feature.
    """
    task = seqio.TaskRegistry.get(name)
    wanted = (*task.output_features, f"{tasks.IDS}_weights")
    can_shuffle = task.shuffle_buffer_size is not None or task.source.performs_internal_shuffling
    dataset = task.get_dataset(
        lengths(task, row),
        split=split,
        shuffle=split == "train" and can_shuffle,
        seed=seed,
        num_epochs=epochs,
    )
    for example in dataset.as_numpy_iterator():
        yield {feature: ids for feature, ids in example.items() if feature in wanted}
