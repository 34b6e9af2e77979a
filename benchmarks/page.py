"""The page that `make bench-data` writes: what was measured, and whether it is what was wanted."""

import argparse
import dataclasses
import importlib.metadata
import os
import platform
import statistics
import textwrap

from benchmarks.peers import Peer
from benchmarks.race import Turn, middle
from benchmarks.table import table

OURS = "archlab"
SOURCES = {"from text": False, "cached": True}  # and whether SeqIO reads its cache
THREADS = {"as it likes": False, "one thread": True}  # and whether tf.data is held to one
WANTED = {"span_corruption": 50, "causal_lm": 100, "prefix_lm": 100}  # times as fast
WANTED_ELSE = 30
LIBRARIES = ("numpy", "jax", "grain", "seqio", "t5", "tensorflow", "tensorflow-text")


@dataclasses.dataclass(frozen=True)
class Contest:
    """What one peer and archlab did.

    Args:
      peer: who.
      turns: of each lane, by round.
      refused: why archlab does not make these rows, if it has the objective.
    """

    peer: Peer
    turns: dict[str, list[Turn]]
    refused: str = ""

    def best(self, source: str) -> list[Turn]:
        """The turns of SeqIO's faster lane, by processor time.

        Args:
          source: "from text" or "cached".

        Returns:
          Its turns.
        """
        lanes = [turns for name, turns in self.turns.items() if name.startswith(source)]
        return max(lanes, key=lambda turns: statistics.median(turn.rate for turn in turns))

    def ratios(self, source: str) -> list[float]:
        """How many times as many tokens archlab makes of a second, round by round.

        Args:
          source: "from text" or "cached".

        Returns:
          A number for each round; none if archlab did not run.
        """
        own = self.turns.get(OURS, [])
        return [one.rate / other.rate for one, other in zip(own, self.best(source), strict=False)]


def rates(turns: list[Turn]) -> str:
    """Says how fast a lane was.

    Args:
      turns: of it.

    Returns:
      Millions of natural tokens a second of one core.
    """
    return middle([turn.rate / 1e6 for turn in turns])


def filled(turns: list[Turn]) -> str:
    """Says how full the rows of a lane were.

    Args:
      turns: of it.

    Returns:
      The share of positions that are no padding.
    """
    return f"{sum(turn.filled for turn in turns) / sum(turn.positions for turn in turns):.3f}"


def verdict(contest: Contest) -> tuple[int, str]:
    """Says what was wanted, and whether it is so.

    Args:
      contest: with a peer.

    Returns:
      How many times as fast archlab is to be, and "yes", "no", or "–" if it did not run.
    """
    wanted = WANTED.get(contest.peer.objective, WANTED_ELSE)
    ratios = [contest.ratios(source) for source in SOURCES]
    if not all(ratios):
        return wanted, "–"
    return wanted, "yes" if min(map(statistics.median, ratios)) >= wanted else "no"


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
    head += ["wanted", "met", "full: SeqIO", "full: archlab"]
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
      alone: the turns of archlab's other rows, by objective and kind.
      reached: from `benchmarks.reach`.

    Returns:
      Markdown.
    """
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    vocabulary = "a SentencePiece model" if how.vocabulary else "bytes"
    source = "a folder of text" if how.folder else "the Python standard library"
    parts = [
        "# Batches, beside SeqIO and t5\n",
        "Written by `make bench-data`. Ratios are of one run and are what to compare; the other "
        "numbers are this machine's. Numbers are medians of "
        f"{how.rounds} rounds, with the least and the greatest.\n",
        f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}, {versions}.\n",
        f"Text: {source}, {text['documents']:,} documents, {text['tokens']:,} tokens; vocabulary: "
        f"{vocabulary}.\n",
        METHOD,
        "## Speed\n",
        "Millions of natural tokens a second of one core; × is archlab's over SeqIO's, round by "
        "round; met where both medians are.\n",
        speeds(contests),
    ]
    missing = sorted({one.peer.objective for one in contests if OURS not in one.turns})
    refused = [f"- {one.peer.objective}: {one.refused}\n" for one in contests if one.refused]
    if missing:
        parts.append(f"archlab did not make rows of {', '.join(missing)}.\n" + "".join(refused))
    parts += ["## Every lane\n", lanes(contests)]
    if alone:
        parts += [
            "## archlab alone\n",
            "Millions of natural tokens a second of one core.\n",
            table(
                ["objective", "rows", "M tokens/s of a core", "full"],
                [[*one, rates(turns), filled(turns)] for one, turns in alone.items()],
            ),
        ]
    return "\n".join([*parts, _reached(reached)])


METHOD = "\n".join(
    textwrap.fill(text, 120) + "\n"
    for text in (
        "Both sides read the same documents, archlab from its token store, SeqIO from TFRecords "
        "of text, or of ids as `seqio_cache_tasks` would write them, shuffled, endlessly, nothing "
        "kept in memory, with a seed. They take turns in one process. A turn ends when the "
        "batches are there and no thread works any more, so what tf.data makes ahead in one turn "
        "and hands over in the next evens out. Its time is the processor time of all threads.",
        "*Natural tokens* are those of the text that arrive in NumPy arrays: no padding, ends, "
        "sentinels, masks; once, where an objective shows them twice. What SeqIO drops on the way "
        "(documents beyond 65,536 tokens, targets too long for the row) counts for nobody. *Full* "
        "is the share of positions that are no padding, of both sides of an encoder-decoder.",
        "SeqIO runs as it likes, and with one thread and without autotuning; the faster of the "
        "two, by processor time, stands in the first table. Starting it is not measured.",
    )
)


def _reached(reached: dict) -> str:
    megabytes = {name: reached["memory"][name] / 1e6 for name in ("warm", "end")}
    grown = megabytes["end"] / megabytes["warm"] - 1
    lines = [
        [name.removeprefix("folder_"), f"{one['near'] * 1e3:.1f}", f"{one['far'] * 1e3:.1f}"]
        for name, one in reached["seek"].items()
    ]
    return (
        "## Memory\n\n"
        f"{reached['memory']['rows']:,} rows of the objectives below, their numbers spread over "
        f"ten million, in a process without TensorFlow: the most that it held was "
        f"{megabytes['warm']:,.0f} MB after a fifth of them, and {megabytes['end']:,.0f} MB at the "
        f"end ({grown:+.1%}).\n\n"
        "## Seeking\n\n"
        "Milliseconds until the first 64 rows of a stage that nothing was read of before.\n\n"
        + table(["objective", "from row 0", "from row 1,000,000,000"], lines)
    )


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
