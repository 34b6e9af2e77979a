"""The figures of the pages that say why, drawn from the code they are about: `make figures`.

Each is dark on white, so that it can be read on any page, and says with shapes, hatches or words
what it says with colours.
"""

import ast
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from archlab import config, ledger
from archlab.architecture import Architecture
from archlab.batch import Stream
from archlab.data.order import Chunks
from archlab.model import visibility
from archlab.report.ink import COLOURS, LOOK

HOME = Path(__file__).resolve().parent.parent.parent
IMAGES = HOME / "docs" / "images"
BLUE, RED = COLOURS[:2]
GREY = "#767676"
PARTS = ("body", "head", "attention")
SIDES = (512, 128)  # inputs and targets
BASE = ("Size.embed=768", "Size.mlp=2048", "Size.heads=12", "Size.kv=64", "Size.vocab=32128")
# What carries loss in a row: all of a causal LM's, the targets, what is masked.
ROWS = {
    "causal_decoder": sum(SIDES),
    "prefix_decoder": SIDES[1],
    "encoder_decoder": SIDES[1],
    "encoder": round(0.15 * sum(SIDES)),
}


def house() -> Figure:
    """Draws every room on its floor, and a line down to each that it knows.

    Returns:
      A figure.
    """
    floors = layers()
    folders = sorted({_folder(room) for room in floors}, key=lambda name: _mean(name, floors))
    where, taken = {}, {}
    for room, floor in floors.items():
        place = (folders.index(_folder(room)), floor)
        taken.setdefault(place, []).append(room)
    for (column, floor), rooms in taken.items():
        for number, room in enumerate(rooms):
            where[room] = (column + 0.8 * (number + 0.5) / len(rooms) - 0.4, floor)
    lines = [(where[room], where[other]) for room in floors for other in imported(room, floors)]
    figure = Figure(figsize=(9, 5.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.add_collection(LineCollection(lines, colors=BLUE, linewidths=0.4, alpha=0.25))
    axes.plot(*zip(*where.values(), strict=True), "s", color="black", markersize=2.5)
    axes.set_xticks(range(len(folders)), folders, rotation=30, ha="right")
    axes.set_yticks(range(0, max(floors.values()) + 1, 2))
    axes.set_ylabel("layer")
    return figure


def intervals() -> Figure:
    """Draws who sees whom in one packed row, as each architecture has it.

    Returns:
      A figure.
    """
    place = [*range(9), *range(6), 0]  # two segments, nine and six long, and padding
    edges = ([0] * 9 + [9] * 6 + [0], [4] * 9 + [12] * 6 + [0], [9] * 9 + [15] * 6 + [0])
    stream = Stream(*(np.array([one], np.int32) for one in ([1] * 16, place, *edges)))
    panels = {
        "causal": visibility.interval(stream, "causal"),
        "prefix": visibility.interval(stream, "prefix"),
        "full": visibility.interval(stream, "full"),
        "causal, window 2": visibility.interval(stream, "causal", window=2),
    }
    figure = Figure(figsize=(9, 2.9), layout="constrained", facecolor="white")
    for axes, (name, pair) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        first, last = (np.asarray(one)[0] for one in pair)
        keys = np.arange(len(first))
        is_seen = (first[:, None] <= keys) & (keys < last[:, None])
        axes.imshow(is_seen, cmap=matplotlib.colors.ListedColormap(["white", BLUE]), vmin=0)
        for asks, (low, high) in enumerate(zip(first, last, strict=True)):
            if high:
                axes.plot([low - 0.4, high - 0.6], [asks, asks], color="white", linewidth=1.2)
        for side in (axes.axvline, axes.axhline):
            side(8.5, color=GREY, linewidth=0.8)
            side(14.5, color=GREY, linewidth=0.8)
        axes.set(title=name, xticks=[0, 4, 9, 12, 15], yticks=[0, 4, 9, 12, 15], xlabel="is seen")
    figure.axes[0].set_ylabel("sees")
    return figure


def one_integer() -> Figure:
    """Draws which text makes up each row, asked in one go, and again from where a run stopped.

    Returns:
      A figure.
    """
    tokens, taken, stopped, rows = 960, 48, 26, 44
    asked = Chunks(("figure", 0), tokens, (taken,), (1.0,))
    again = Chunks(("figure", 0), tokens, (taken,), (1.0,))
    begins = asked.starts(0, np.arange(rows))
    figure = Figure(figsize=(9, 3.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    for number, begin in enumerate(begins):
        _stretch(axes, number - 0.15, begin, taken, tokens, color=BLUE, linewidth=4)
    for number, begin in zip(
        range(stopped, rows), again.starts(0, np.arange(stopped, rows)), strict=True
    ):
        _stretch(axes, number + 0.3, begin, taken, tokens, color=RED, linewidth=2)
    axes.axvline(stopped - 0.5, color=GREY, linestyle="--", linewidth=1)
    axes.annotate("stopped, and asked again\nby another process (thin)", (stopped, tokens * 1.04))
    for epoch in range(rows // asked.chunks + 1):
        axes.axvline(epoch * asked.chunks - 0.5, color=GREY, linewidth=0.6)
        axes.annotate(f"epoch {epoch}", (epoch * asked.chunks, tokens * 1.04), color=GREY)
    axes.set(xlabel="number of the row", ylabel="token of the text", xlim=(-1, rows))
    axes.set_ylim(0, tokens * 1.2)
    return figure


def ledgers() -> Figure:
    """Draws what a step costs by part, of four architectures of one size on the same rows.

    Returns:
      A figure.
    """
    size = config.read("smoke_encoder", ["Size.layers=12", *BASE]).run.size
    figure = Figure(figsize=(9, 2.6), layout="constrained", facecolor="white")
    axes, names = figure.add_subplot(), list(ROWS)
    left = np.zeros(len(names))
    for part, colour, hatch in zip(PARTS, COLOURS, ("", "//", "\\\\"), strict=False):
        flops = [getattr(costs(name, size), part) / sum(SIDES) / 1e6 for name in names]
        look = {"color": colour, "hatch": hatch, "edgecolor": "white", "label": part}
        axes.barh(names, flops, left=left, **look)
        left += flops
    axes.invert_yaxis()
    axes.set_xlabel(f"million FLOPs for each token of a row of {SIDES[0]} + {SIDES[1]}")
    figure.legend(loc="outside upper right", ncols=len(PARTS), frameon=False)
    return figure


def costs(name: str, size: object) -> ledger.Flops:
    """Counts a training step of one row.

    Args:
      name: of the architecture.
      size: of the model.

    Returns:
      FLOPs by part.
    """
    return ledger.training(size, Architecture(name), *SIDES, scored=ROWS[name])


FIGURES: dict[str, Callable[[], Figure]] = {
    one.__name__: one for one in (house, intervals, one_integer, ledgers)
}


def layers() -> dict[str, int]:
    """Reads the table of layers in docs/house.md.

    Returns:
      The layer of each room, by its path.
    """
    text = (HOME / "docs" / "house.md").read_text()
    table = text.split("## Layers")[1].split("```")[1].partition("\n")[2]
    found, layer = {}, 0
    for line in table.splitlines():
        if line[:1].isdigit():
            layer, line = int(line.split()[0]), line.partition(" ")[2]
        found |= dict.fromkeys(line.split(), layer)
    return found


def imported(room: str, rooms: dict[str, int]) -> set[str]:
    """Reads which other rooms a room imports.

    Args:
      room: its path, as "model/stack".
      rooms: all of them.

    Returns:
      Paths.
    """
    found = set()
    for node in ast.walk(ast.parse((HOME / "archlab" / f"{room}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("archlab"):
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            found |= {name.removeprefix("archlab.").replace(".", "/") for name in names}
    return found & set(rooms) - {room}


def draw(name: str, path: Path) -> None:
    """Draws a figure into a file, the same from the same code.

    Args:
      name: of the figure.
      path: of an .svg file.
    """
    with matplotlib.rc_context(LOOK | {"svg.hashsalt": name}):
        FIGURES[name]().savefig(path, metadata={"Date": None, "Creator": None})


def _folder(room: str) -> str:
    return room.rpartition("/")[0] or "archlab"


def _mean(folder: str, floors: dict[str, int]) -> float:
    return float(np.mean([floor for room, floor in floors.items() if _folder(room) == folder]))


def _stretch(axes, at: float, begin: int, taken: int, tokens: int, **look) -> None:
    """A stretch of the text, which goes on at its beginning where it passes the end."""
    begin = begin % tokens
    axes.plot([at, at], [begin, min(begin + taken, tokens)], solid_capstyle="butt", **look)
    if begin + taken > tokens:
        axes.plot([at, at], [0, begin + taken - tokens], solid_capstyle="butt", **look)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for figure in FIGURES:
        draw(figure, IMAGES / f"{figure}.svg")
        print(IMAGES / f"{figure}.svg")
