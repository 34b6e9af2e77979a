"""Texts of rows, and what objectives make of them, for tests of whoever hides something."""

import numpy as np
from hypothesis import strategies as st

from archlab.data.chance import Chance
from archlab.data.examples import Examples, Text
from archlab.data.objectives.objective import Objective
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
SEEDS = st.integers(0, 2**40)
# Any id of the text, and those of padding, end and unknown: none of them may mean more here.
IDS = st.integers(0, V.text - 1)


def of(rows: list[list[list[int]]]) -> Text:
    """Makes a text of rows of pieces."""
    pieces = [piece for row in rows for piece in row]
    row_S = [number for number, row in enumerate(rows) for _ in row]
    return Text(
        np.asarray([token for piece in pieces for token in piece], np.int32),
        np.asarray([len(piece) for piece in pieces], np.int64),
        np.asarray(row_S, np.int64),
        len(rows),
    )


def plain(tokens, rows: int = 1) -> Text:
    """Makes a text of rows that all hold the same piece."""
    return of([[list(tokens)]] * rows)


def pieces(text: Text) -> list[list[list[int]]]:
    """The pieces of each row, as `of` takes them."""
    found, begin = [[] for _ in range(text.rows)], 0
    for length, row in zip(text.length_S.tolist(), text.row_S.tolist(), strict=True):
        found[row].append(text.tokens_T[begin : begin + length].tolist())
        begin += length
    return found


@st.composite
def texts(draw, length, most_rows: int = 4):
    """Rows of `length` tokens, each cut where documents end."""
    rows = []
    for _ in range(draw(st.integers(1, most_rows))):
        tokens = draw(st.lists(IDS, min_size=length, max_size=length))
        cuts = sorted(draw(st.sets(st.integers(1, max(1, length - 1)), max_size=4)) - {length})
        edges = [0, *cuts, length]
        row = [tokens[low:high] for low, high in zip(edges, edges[1:], strict=False)]
        if draw(st.booleans()):
            row = [[*piece[:-1], V.end] for piece in row]
        rows.append(row)
    return of(rows)


@st.composite
def ragged(draw, room: int, most_rows: int = 4):
    """Rows of up to `room` tokens, each of whole pieces of any lengths."""
    rows = []
    for _ in range(draw(st.integers(1, most_rows))):
        row, left = [], room
        for _ in range(draw(st.integers(1, 5))):
            if left:
                row.append(draw(st.lists(IDS, min_size=1, max_size=left)))
                left -= len(row[-1])
        rows.append(row)
    return of(rows)


def random(length: int, rows: int = 1, seed: int = 0, ends: int = 3) -> Text:
    """Rows of random ids, each with so many ends of documents, or fewer."""
    draw = np.random.default_rng([seed, length, rows])
    found = []
    for _ in range(rows):
        tokens = draw.integers(0, V.text, length)
        edges = np.unique([*draw.integers(1, length + 1, ends), length])
        tokens[edges - 1] = V.end
        found.append([piece.tolist() for piece in np.split(tokens, edges)[:-1]])
    return of(found)


def chance(rows: int, seed: int = 0, first: int = 0) -> Chance:
    """The chance of consecutive rows."""
    return Chance((seed, "test"), first, rows)


def made(objective: Objective, text: Text, row: Row, seed: int = 0, vocabulary=V) -> Examples:
    """What an objective makes of a text."""
    return objective.examples(text, chance(text.rows, seed), row, vocabulary)


def by_row(examples: Examples, rows: int) -> list[list[tuple[list[int], list[int]]]]:
    """Inputs and targets of each row's examples."""
    found = [[] for _ in range(rows)]
    for row, (inputs, targets) in zip(examples.row_S, examples.listed(), strict=True):
        found[row].append((inputs.tolist(), targets.tolist()))
    return found


def weights(examples: Examples) -> list[list[float]]:
    """What each example's targets count."""
    edges = np.cumsum(examples.learnt_S)
    flat = np.ones(edges[-1]) if examples.weights_L is None else examples.weights_L
    return [part.tolist() for part in np.split(flat, edges[:-1])]
