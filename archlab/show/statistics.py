"""What many rows hold: lengths, text, loss, padding, of each task and of all together."""

import dataclasses
import math

import jax
import numpy as np

from archlab.batch import Batch, Stream
from archlab.data.vocabulary import Vocabulary

TOTAL = "all"
NONE = "–"


@dataclasses.dataclass(frozen=True)
class Stack:
    """What one stack reads.

    Args:
      text: share of its positions that hold text; the rest is padding.
      lengths: of its segments, in positions: the shortest, the median, the longest.
    """

    text: float
    lengths: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What the rows of a task hold, on average.

    A number is nan where there is nothing to average. A natural token is one that stands for text:
    no padding, end, mask, mode or sentinel.

    Args:
      name: of the task.
      rows: that were counted.
      segments: in a row.
      stacks: what each stack reads, by name.
      text: share of all positions that hold text.
      learnt: positions of a row whose prediction counts in the loss.
      share: of all positions, of every stack, that are learnt.
      natural: natural tokens of a row that are learnt.
      sentinels: in a row, given or to be predicted.
      source: natural tokens of a row, given or to be predicted. It is what the row took from its
        source, unless its objective has a model repeat in one stack what another was given.
      weight: of a learnt position in the loss.
    """

    name: str
    rows: int
    segments: float
    stacks: dict[str, Stack]
    text: float
    learnt: float
    share: float
    natural: float
    sentinels: float
    source: float
    weight: float


def statistics(batch: Batch, vocabulary: Vocabulary, objectives: list[str]) -> list[Statistics]:
    """Counts what rows hold.

    Args:
      batch: the rows, as NumPy arrays.
      vocabulary: of their tokens.
      objectives: names, by number of `batch.objective_B`.

    Returns:
      One for each task, and after several tasks one for all rows, whose name is `TOTAL`.
    """
    found = []
    for task, name in enumerate(objectives):
        rows = np.flatnonzero(batch.objective_B == task)
        found.append(
            _count(name, jax.tree.map(lambda array, rows=rows: array[rows], batch), vocabulary)
        )
    return found if len(found) == 1 else [*found, _count(TOTAL, batch, vocabulary)]


def table(found: list[Statistics]) -> dict[str, list[str]]:
    """Writes statistics for people.

    Args:
      found: one or more, of the same stacks.

    Returns:
      By what it is, the value of each.
    """
    lines = {
        "rows": [f"{one.rows:,}" for one in found],
        "segments a row": [_number(one.segments) for one in found],
    }
    stacks = list(found[0].stacks)
    for stack in stacks:
        lengths = [" · ".join(map(_whole, one.stacks[stack].lengths)) for one in found]
        lines[f"{stack} segment, min · median · max"] = lengths
    lines["positions with text"] = [_share(one.text) for one in found]
    for stack in stacks if len(stacks) > 1 else []:
        lines[f"{stack} positions with text"] = [_share(one.stacks[stack].text) for one in found]
    return lines | {
        "loss tokens a row": [_number(one.learnt) for one in found],
        "loss tokens, share of positions": [_share(one.share) for one in found],
        "mean weight of a loss token": [_weight(one.weight) for one in found],
        "natural tokens learnt a row": [_number(one.natural) for one in found],
        "sentinels a row": [_number(one.sentinels) for one in found],
        "source tokens a row": [_number(one.source) for one in found],
    }


def _count(name: str, batch: Batch, vocabulary: Vocabulary) -> Statistics:
    streams = {"encoder": batch.encoder, "decoder": batch.decoder}
    streams = {stack: stream for stack, stream in streams.items() if stream is not None}
    last = list(streams.values())[-1]
    has_text_BL, is_learnt_BL = last.end_BL > 0, batch.weight_BL > 0
    # A lone stack is to predict all of its text, learnt or not; another's inputs stand beside it.
    whole = [np.where(has_text_BL, batch.target_BL, vocabulary.pad)]
    if len(streams) > 1:
        whole.append(np.where(batch.encoder.end_BL > 0, batch.encoder.tokens_BL, vocabulary.pad))
    rows, learnt = len(batch.objective_B), int(is_learnt_BL.sum())
    positions = sum(stream.end_BL.size for stream in streams.values())
    text = sum(int((stream.end_BL > 0).sum()) for stream in streams.values())
    low, high = vocabulary.sentinel(vocabulary.sentinels - 1), vocabulary.sentinel(0)
    return Statistics(
        name,
        rows,
        segments=_ratio(len(_lengths(last)), rows),
        stacks={stack: _stack(stream) for stack, stream in streams.items()},
        text=_ratio(text, positions),
        learnt=_ratio(learnt, rows),
        share=_ratio(learnt, positions),
        natural=_ratio((_is_natural(batch.target_BL, vocabulary) & is_learnt_BL).sum(), rows),
        sentinels=_ratio(sum(((ids_BL >= low) & (ids_BL <= high)).sum() for ids_BL in whole), rows),
        source=_ratio(sum(_is_natural(ids_BL, vocabulary).sum() for ids_BL in whole), rows),
        weight=_ratio(batch.weight_BL.sum(dtype=np.float64), learnt),
    )


def _stack(stream: Stream) -> Stack:
    lengths = _lengths(stream)
    edges = (lengths.min(), np.median(lengths), lengths.max()) if len(lengths) else [math.nan] * 3
    return Stack(_ratio((stream.end_BL > 0).sum(), stream.end_BL.size), tuple(map(float, edges)))


def _lengths(stream: Stream) -> np.ndarray:
    is_first_BL = (stream.end_BL > 0) & (stream.start_BL == np.arange(stream.end_BL.shape[1]))
    return (stream.end_BL - stream.start_BL)[is_first_BL]


def _is_natural(ids_BL, vocabulary: Vocabulary) -> np.ndarray:
    is_mark_BL = (ids_BL == vocabulary.pad) | (ids_BL == vocabulary.end)
    return (ids_BL < vocabulary.text) & ~is_mark_BL


def _ratio(part: float, whole: int) -> float:
    return float(part) / whole if whole else math.nan


def _number(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:,.1f}"


def _whole(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:,.10g}"


def _weight(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.3g}"


def _share(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.1%}"
