"""A task's rows as a picture: what is read, what is predicted, what is learnt, who sees whom."""

import numpy as np
from rich.text import Text

from archlab.architecture import Architecture
from archlab.batch import Batch, Stream
from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, prepare
from archlab.data.vocabulary import Vocabulary
from archlab.model import visibility

VISIBLE = {"\n": "↵", "\t": "⇥", " ": "␣", "\r": "␍"}
SPECIAL, LEARNT, FAINT = "bold magenta", "green", "dim"
START, PADDING = "▸", "░"  # neither is likely in a text
CELLS = 16  # of a picture of who sees whom, at most, across and down

Cell = tuple[str, str]  # what it shows, and its style


def show(
    task: str,
    architecture: str = "prefix_decoder",
    inputs: int = 64,
    targets: int = 32,
    count: int = 1,
    data: Data | None = None,
    modules: tuple[str, ...] = (),
    width: int = 100,
) -> Text:
    """Draws the first rows that a model would train on.

    Args:
      task: name of a SeqIO task or mixture.
      architecture: whose rows they are; see `Architecture.name`.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      count: of rows, 1 or more.
      data: where the text is; what every machine has, unless given.
      modules: the user's own Python, which registers tasks.
      width: of the picture, in characters.

    Returns:
      The picture; its colours are left out where there is no terminal.

    Raises:
      ValueError: no such task or architecture, or lengths that do not fit the objective.
    """
    chosen = Architecture(architecture)
    if count < 1 or targets < 1 or inputs < 0:
        raise ValueError(
            f"count={count}, inputs={inputs}, targets={targets}; "
            "a picture has at least 1 row, a row learns at least 1 token"
        )
    data = data or Data()
    if task.startswith("folder_") and data.folder is None:
        raise ValueError(f"{task} reads your own text; say where: --set Data.folder=DIR")
    preparation = prepare([task], data, modules)
    try:
        recipe = preparation.wait()[task]
    finally:
        preparation.close()
    rows = Rows(recipe, inputs, targets, chosen.kind, seed=0, stage=0)
    batch = rows.batch(0, count)
    parts = [
        picture(batch, row, recipe.vocabulary, chosen, rows.objectives, width)
        for row in range(count)
    ]
    return Text("\n").join(parts).append("".join(f"note: {one}\n" for one in rows.warnings))


def picture(
    batch: Batch,
    row: int,
    vocabulary: Vocabulary,
    architecture: Architecture,
    objectives: list[str],
    width: int = 100,
) -> Text:
    """Draws one row of a batch.

    Example, a decoder that reads the inputs `ab` and learns the targets `cd`, then the end:
      reads     ▸ a b c d
      predicts  a b c d <end>
      learns        ^ ^ ^

    Args:
      batch: NumPy arrays.
      row: of the batch.
      vocabulary: of its tokens.
      architecture: who sees whom.
      objectives: names, by number of `batch.objective_B`.
      width: in characters.

    Returns:
      The picture.
    """
    last = batch.encoder if batch.decoder is None else batch.decoder
    end_L, weight_L = np.asarray(last.end_BL[row]), np.asarray(batch.weight_BL[row])
    segments = len({(int(a), int(b)) for a, b in zip(last.start_BL[row], end_L, strict=True) if b})
    name = objectives[int(batch.objective_B[row])]
    drawn = Text()
    drawn.append(f"row {row}: {name}, {architecture.name}, {segments} segments, ", "bold")
    drawn.append(f"{int((weight_L > 0).sum())} of {len(end_L)} positions learn, ", "bold")
    drawn.append(f"{int((end_L == 0).sum())} are padding\n", "bold")
    if batch.encoder is not None and batch.decoder is not None:
        table = {"encoder": _tokens(vocabulary, batch.encoder.tokens_BL, batch.encoder, row)}
        drawn.append(columns(table, width))
    target_L = _tokens(vocabulary, batch.target_BL, last, row)
    is_learnt = [bool(weight > 0) for weight in weight_L]
    table = {
        "reads": _tokens(vocabulary, last.tokens_BL, last, row),
        "predicts": [
            (text, style or LEARNT) if learnt else (text, FAINT)
            for (text, style), learnt in zip(target_L, is_learnt, strict=True)
        ],
        "learns": [_mark(float(weight)) for weight in weight_L],
    }
    drawn.append(columns(table, width))
    drawn.append(_sights(batch, row, architecture))
    return drawn


def symbol(vocabulary: Vocabulary, token: int) -> Cell:
    """Writes one token so that it can be seen.

    Args:
      vocabulary: of the token.
      token: its id.

    Returns:
      What it shows, spaces and line ends made visible, and its style.
    """
    first_sentinel = vocabulary.size - vocabulary.sentinels
    known = (vocabulary.end, vocabulary.unknown, vocabulary.mask, *vocabulary.modes.values())
    if token == vocabulary.pad:
        return START, FAINT
    text = vocabulary.decode([token])
    if token >= first_sentinel or token in known:
        return text, SPECIAL
    return "".join(VISIBLE.get(letter, letter) for letter in text), ""


def columns(table: dict[str, list[Cell]], width: int) -> Text:
    """Sets rows of cells under one another, and breaks them where the page ends.

    Args:
      table: rows of equally many cells, by their label.
      width: of the page, in characters.

    Returns:
      Lines, each ending in a line end.
    """
    margin = max(map(len, table)) + 4
    rows = list(table.values())
    widths = [max(len(text) for text, _ in cells) for cells in zip(*rows, strict=True)]
    drawn, first = Text(), 0
    while first < len(widths):
        after, used = first, margin
        while after < len(widths) and (after == first or used + widths[after] < width):
            used += widths[after] + 1
            after += 1
        for label, row in table.items():
            drawn.append(f"  {label:{margin - 2}}")
            for (text, style), wide in zip(row[first:after], widths[first:after], strict=True):
                drawn.append(f"{text:{wide}}", style)
                drawn.append(" ")
            drawn.rstrip()
            drawn.append("\n")
        first = after
    return drawn


def sight(start_L: np.ndarray, end_L: np.ndarray, memory: int) -> list[str]:
    """Draws who sees whom: who asks is a line, who is asked a column.

    Example, a causal segment of three positions, then padding:
      ■ · · ·
      ■ ■ · ·
      ■ ■ ■ ·
      · · · ·

    Args:
      start_L: first position that each one sees.
      end_L: one past the last.
      memory: positions that are asked.

    Returns:
      Lines; of a long row, each cell is several positions: ■ all see all, ▒ some, · none.
    """
    asked_M = np.arange(memory)
    is_seen_LM = (start_L[:, None] <= asked_M) & (asked_M < end_L[:, None])
    step = -(-max(is_seen_LM.shape) // CELLS)
    lines = []
    for down in range(0, len(start_L), step):
        blocks = [
            is_seen_LM[down : down + step, across : across + step]
            for across in range(0, memory, step)
        ]
        lines.append(" ".join("■" if b.all() else "▒" if b.any() else "·" for b in blocks))
    return lines


def _tokens(vocabulary: Vocabulary, tokens_BL: np.ndarray, stream: Stream, row: int) -> list[Cell]:
    ends_L = np.asarray(stream.end_BL[row])
    return [
        symbol(vocabulary, int(token)) if end else (PADDING, FAINT)
        for token, end in zip(tokens_BL[row], ends_L, strict=True)
    ]


def _mark(weight: float) -> Cell:
    if weight == 0:
        return "", ""
    return ("^" if weight == 1 else f"{weight:.2g}"), LEARNT


def _sights(batch: Batch, row: int, architecture: Architecture) -> Text:
    pictures = {}
    if batch.encoder is not None:
        pictures["encoder sees encoder"] = _own(batch.encoder, "full", row)
    if batch.decoder is not None:
        pictures["decoder sees decoder"] = _own(batch.decoder, architecture.visibility, row)
    if batch.memory_start_BL is not None:
        pictures["decoder sees encoder"] = sight(
            np.asarray(batch.memory_start_BL[row]),
            np.asarray(batch.memory_end_BL[row]),
            batch.encoder.tokens_BL.shape[1],
        )
    drawn = Text()
    for name, lines in pictures.items():
        drawn.append(f"  {name}\n", "bold")
        drawn.append("".join(f"    {line}\n" for line in lines))
    return drawn


def _own(stream: Stream, name: str, row: int) -> list[str]:
    start_BL, end_BL = visibility.interval(stream, name)
    return sight(np.asarray(start_BL[row]), np.asarray(end_BL[row]), start_BL.shape[1])
