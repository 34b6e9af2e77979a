"""The page that `make bench-data` writes: what was measured, and whether it is what was wanted."""

import argparse
import importlib.metadata
import os
import platform
import statistics
import textwrap

from benchmarks.contest import OURS, SOURCES, Contest, filled, fuller, rates, verdict
from benchmarks.race import Turn, middle
from benchmarks.table import table

LIBRARIES = ("numpy", "jax", "grain", "seqio", "t5", "tensorflow", "tensorflow-text")


def said(contest: Contest) -> str:
    """Says in a line what a contest came to.

    Args:
      contest: with a peer.

    Returns:
      The line.
    """
    peer = contest.peer
    times = [f"{source} {rates(contest.best(source))}" for source in SOURCES]
    if OURS in contest.turns:
        times = [
            f"{one}, × {middle(contest.ratios(source))}"
            for one, source in zip(times, SOURCES, strict=True)
        ]
        times = [f"archlab {rates(contest.turns[OURS])}", *times]
    return f"{peer.objective}, {peer.kind}, {peer.means}: {'; '.join(times)}"


def speeds(contests: list[Contest]) -> str:
    """Writes the table that the page is for.

    Args:
      contests: of every peer.

    Returns:
      Markdown.
    """
    head = ["objective", "rows", "SeqIO + t5", "archlab", *SOURCES]
    head += [f"× {source}" for source in SOURCES]
    head += ["wanted", "met", "full: SeqIO", "full: archlab", "its fuller side"]
    lines = []
    for contest in contests:
        peer, own = contest.peer, contest.turns.get(OURS)
        wanted, met = verdict(contest)
        lines.append(
            [
                peer.objective,
                f"{peer.kind}, {peer.inputs} + {peer.targets}",
                peer.means,
                rates(own) if own else "–",
                *(rates(contest.best(source)) for source in SOURCES),
                *(middle(contest.ratios(source)) if own else "–" for source in SOURCES),
                str(wanted),
                met,
                filled(contest.best("from text")),
                filled(own) if own else "–",
                fuller(own) if own else "–",
            ]
        )
    return table(head, lines)


def lanes(contests: list[Contest]) -> str:
    """Writes what every lane did.

    Args:
      contests: of every peer.

    Returns:
      Markdown.
    """
    lines = []
    for contest in contests:
        for name, turns in contest.turns.items():
            wall = middle([turn.tokens / turn.wall / 1e6 for turn in turns])
            cores = statistics.median(turn.cpu / turn.wall for turn in turns)
            who = name if name == OURS else f"SeqIO, {name}"
            rows = f"{contest.peer.objective}, {contest.peer.kind}, {contest.peer.means}"
            lines.append([rows, who, rates(turns), wall, f"{cores:.2f}", filled(turns)])
    head = ["rows", "who", "M tokens/s of a core", "M tokens/s of wall clock", "cores", "full"]
    return table(head, lines)


def page(
    text: dict,
    how: argparse.Namespace,
    contests: list[Contest],
    alone: dict[tuple[str, str], list[Turn]],
    reached: dict,
) -> str:
    """Writes the page.

    Args:
      text: the manifest of what both sides read.
      how: the command's settings.
      contests: of every peer.
      alone: the turns of archlab's other rows, by objective, and kind and lengths.
      reached: from `benchmarks.reach`.

    Returns:
      Markdown.
    """
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    vocabulary = "a SentencePiece model" if how.vocabulary else "bytes"
    source = "a folder of text" if how.folder else "the Python standard library"
    parts = [
        "# Batches, beside SeqIO and t5\n",
        prose(
            "Written by `make bench-data`. Ratios are of one run and are what to compare; the "
            f"other numbers are this machine's. Each is the median of {how.rounds} rounds, with "
            "the least and the greatest."
        ),
        prose(
            f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python "
            f"{platform.python_version()}, {versions}."
        ),
        prose(
            f"Text: {source}, {text['documents']:,} documents, {text['tokens']:,} tokens; "
            f"vocabulary: {vocabulary}."
        ),
        *map(prose, METHOD),
        "## Speed\n",
        prose(
            "Millions of natural tokens a second of one core; × is archlab's over SeqIO's, round "
            "by round; met where both medians are."
        ),
        speeds(contests),
    ]
    missing = sorted({one.peer.objective for one in contests if OURS not in one.turns})
    if missing:
        parts.append(prose(f"archlab did not make rows of {', '.join(missing)}."))
        refused = {one.refused: f"- {one.peer.objective}: {one.refused}\n" for one in contests}
        parts.append("".join(line for reason, line in refused.items() if reason))
    parts += [
        "## Every lane\n",
        prose(
            "Wall clock is of a machine that others use too. Cores: how many were at work, on "
            "average."
        ),
        lanes(contests),
    ]
    if alone:
        head = ["objective", "rows", "M tokens/s of a core", "full", "fuller side"]
        lines = [[*one, rates(turns), filled(turns), fuller(turns)] for one, turns in alone.items()]
        parts += [
            "## archlab alone\n",
            prose(
                "Millions of natural tokens a second of one core. Encoder-decoders have as many "
                "targets as the objective makes of their inputs."
            ),
            table(head, lines),
        ]
    return "\n".join([*parts, *_reached(reached)])


METHOD = (
    "Both sides read the same documents, archlab from its token store, SeqIO from TFRecords of "
    "text, or of ids as `seqio_cache_tasks` would write them, shuffled, endlessly, nothing kept in "
    "memory, with a seed. They take turns in one process. A turn ends when the batches are there "
    "and no thread works any more, so what tf.data makes ahead in one turn and hands over in the "
    "next evens out. Its time is the processor time of all threads.",
    "*Natural tokens* are those of the text that arrive in NumPy arrays: no padding, ends, "
    "sentinels, masks; once, where an objective shows them twice. What SeqIO drops on the way "
    "(documents beyond 65,536 tokens, targets too long for the row) counts for nobody. *Full* is "
    "the share of positions that are no padding, of both sides of an encoder-decoder. Where the "
    "fuller side has none, nothing more fits in: the other is as full as the objective's ratio of "
    "inputs to targets allows at these lengths, however its examples are packed.",
    "SeqIO runs as it likes, and with one thread and without autotuning; the faster of the two, by "
    "processor time, stands in the first table. Starting it is not measured.",
)


def prose(text: str) -> str:
    """Breaks a paragraph into lines.

    Args:
      text: of the paragraph.

    Returns:
      The lines.
    """
    return textwrap.fill(text, 120, break_on_hyphens=False) + "\n"


def _reached(reached: dict) -> list[str]:
    """The parts about memory and seeking, from `benchmarks.reach`."""
    warm, end = (reached["memory"][name] / 1e6 for name in ("warm", "end"))
    lines = [
        [name.removeprefix("folder_"), f"{one['near'] * 1e3:.1f}", f"{one['far'] * 1e3:.1f}"]
        for name, one in reached["seek"].items()
    ]
    return [
        "## Memory\n",
        prose(
            f"{reached['memory']['rows']:,} rows of the objectives below, their numbers spread "
            "over ten million, in a process without TensorFlow: the most that it held was "
            f"{warm:,.0f} MB after a fifth of them, and {end:,.0f} MB at the end "
            f"({end / warm - 1:+.1%})."
        ),
        "## Seeking\n",
        "Milliseconds until the first 64 rows of a stage that nothing was read of before.\n",
        table(["objective", "from row 0", "from row 1,000,000,000"], lines),
    ]


def processor() -> str:
    """Names the machine's processor, as well as it says."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
    except OSError:
        names = []
    return next(iter(names), platform.machine())
