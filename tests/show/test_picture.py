"""The picture of a row, against pictures drawn by hand."""

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from archlab.show import picture
from archlab.show.row import Sight
from archlab.show.sample import Sample
from archlab.show.statistics import statistics
from tests.show import by_hand


def printed(shown, width=100, **settings):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, **settings).print(shown)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def drawn(batch, name, width=100):
    return printed(picture.picture(by_hand.read(batch, name), width), width)


def test_a_decoder():
    assert drawn(by_hand.DECODER, "prefix_decoder") == [
        "row 0: second, 2 segments, 4 of 7 learnt, 1 padding",
        "  reads     ▸ a b c ▸ e   ░",
        "  predicts  a b c d e f   ░",
        "  learns        ^ ^ ^ 0.5",
        "  inputs    ─ ─ ┤",
        "  decoder sees decoder",
        "  ■ ■ ■ · · · ·",
        "  ■ ■ ■ · · · ·",
        "  ■ ■ ■ · · · ·",
        "  ■ ■ ■ ■ · · ·",
        "  · · · · ■ · ·",
        "  · · · · ■ ■ ·",
        "  · · · · · · ·",
    ]
    assert drawn(by_hand.DECODER, "causal_decoder")[6:9] == [
        "  ■ · · · · · ·",
        "  ■ ■ · · · · ·",
        "  ■ ■ ■ · · · ·",
    ]


def test_an_encoder_decoder():
    assert drawn(by_hand.PAIR, "encoder_decoder") == [
        "row 0: first, 1 segment, 3 of 3 learnt, 0 padding",
        "  encoder  x <S0> y <end>",
        "  reads     ▸    <S0> z",
        "  predicts  <S0> z    <end>",
        "  learns    ^    ^    ^",
        "  encoder sees encoder    decoder sees decoder    decoder sees encoder",
        "  ■ ■ ■ ■                 ■ · ·                   ■ ■ ■ ■",
        "  ■ ■ ■ ■                 ■ ■ ·                   ■ ■ ■ ■",
        "  ■ ■ ■ ■                 ■ ■ ■                   ■ ■ ■ ■",
        "  ■ ■ ■ ■",
    ]


def test_an_encoder_shows_spaces_and_line_ends():
    assert drawn(by_hand.ENCODER, "encoder")[1:4] == [
        "  reads     a <mask> ↵ ␣",
        "  predicts  a b      c d",
        "  learns      ^",
    ]


def test_a_long_row_breaks_where_the_page_ends():
    lines = drawn(by_hand.DECODER, "prefix_decoder", width=20)
    table = [line for line in lines if line.startswith(("  reads", "  predicts", "  learns"))]
    assert all(len(line) < 20 for line in table)
    cells = [line.split()[1:] for line in table if line.startswith("  reads")]
    assert len(cells) > 1
    assert sum(cells, []) == ["▸", "a", "b", "c", "▸", "e", "░"]
    assert sum(line.startswith("  inputs") for line in lines) == 1, "not where there are none"


@given(st.lists(st.sampled_from(["a", "犬", "<S0>", "ä", "🐕"]), min_size=1, max_size=30))
def test_what_is_wide_stands_aligned(words):
    row = [(word, "") for word in words]
    text = picture.columns({"above": row, "below": [("x", "")] * len(row)}, width=30)
    above, below = ([], [])
    for line in text.plain.splitlines():
        (above if line.startswith("  above") else below).append(line[9:])
    for upper, lower in zip(above, below, strict=True):
        begins, used = [], 0
        for word in upper.split():
            begins.append(used)
            used += cell_len(word) + 1
        assert [at for at, letter in enumerate(lower) if letter == "x"] == begins
    assert sum((line.split() for line in above), []) == words


def test_colours_are_for_terminals_only():
    shown = picture.picture(by_hand.read(by_hand.PAIR, "encoder_decoder"))
    assert not any("\x1b" in line for line in printed(shown))
    coloured = printed(shown, force_terminal=True, color_system="standard")
    assert any("\x1b[1;35m<S0>" in line for line in coloured)


@pytest.mark.parametrize("long", [16, 17])
def test_what_a_cell_of_several_positions_says_is_told_once(long):
    row = by_hand.read(by_hand.PAIR, "encoder_decoder")
    own = Sight("a sees b", np.zeros(long, int), np.arange(long), long, [])
    lines = printed(picture.picture(dataclasses.replace(row, sights=[own, own])))
    told = [line for line in lines if "■ all see all, ▒ some, · none" in line]
    assert told == lines[-1:] * (long > picture.CELLS)


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=90))
def test_a_block_is_full_mixed_or_empty_as_its_positions_are(pairs):
    start_L, end_L = (np.array(column) for column in zip(*pairs, strict=True))
    lines = picture.sight(Sight("a sees b", start_L, end_L, 90, []))
    step = -(-90 // picture.CELLS)
    assert len(lines) == -(-len(pairs) // step)
    for down, line in enumerate(lines):
        for across, cell in enumerate(line.split(" ")):
            seen = {
                start <= key < end
                for start, end in pairs[down * step : (down + 1) * step]
                for key in range(across * step, min((across + 1) * step, 90))
            }
            assert cell == {(True,): "■", (False,): "·"}.get(tuple(seen), "▒")


@pytest.mark.parametrize("width, tables", [(50, 3), (70, 2), (100, 1)])
def test_a_sample_has_its_rows_its_statistics_and_its_warnings(width, tables):
    names = ["a_rather_long_name_of_a_task", "[red]b"]
    found = statistics(by_hand.DECODER, by_hand.BYTES, names)
    rows = [by_hand.read(by_hand.DECODER, "causal_decoder", names=names)] * 2
    sample = Sample("task", "causal_decoder", 5, 2, rows, found, ["[bold]odd"])
    lines = printed(picture.drawn(sample, width), width)
    assert sum(line.startswith("row 0: [red]b, 2 segments") for line in lines) == 2
    assert max(map(len, lines)) <= width
    assert lines[-1] == "note: [bold]odd"
    headings = [line.split() for line in lines if line.startswith("statistics")]
    assert sum((line[1:] for line in headings), []) == ["of_a_task", "[red]b", "all"]
    assert len(headings) == tables
    assert sum((line.split()[1:] for line in lines if line.startswith("rows")), []) == list("011")
    bare = printed(picture.drawn(dataclasses.replace(sample, statistics=[]), width), width)
    assert not any(line.startswith("statistics") for line in bare)
