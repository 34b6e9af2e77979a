"""The picture of a row, against rows drawn by hand."""

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from archlab import show
from archlab.architecture import Architecture
from archlab.batch import Batch, Stream


@dataclasses.dataclass(frozen=True)
class Letters:
    """A vocabulary of a to z at 10 and on, and two sentinels at the top."""

    pad: int = 0
    end: int = 1
    unknown: int = 2
    mask: int = 3
    modes: dict = dataclasses.field(default_factory=dict)
    size: int = 40
    sentinels: int = 2

    def decode(self, ids):
        special = {1: "<end>", 2: "<unknown>", 3: "<mask>", 38: "<S1>", 39: "<S0>", 9: " ", 8: "\n"}
        return "".join(special.get(one) or chr(ord("a") + one - 10) for one in ids)


def ids(text):
    special = {"0": 0, "$": 1, "?": 3, " ": 9, "/": 8, "A": 39, "B": 38}
    return np.array([[special.get(one, ord(one) - ord("a") + 10) for one in text]], np.int32)


def edges(*values):
    return np.array([values], np.int32)


def stream(text, start, split, end):
    return Stream(ids(text), edges(*range(len(text))), edges(*start), edges(*split), edges(*end))


# The batch of `archlab/batch.py`: inputs a b and targets c d; then targets e f; then padding.
DECODER = Batch(
    encoder=None,
    decoder=stream("0abc0e0", (0, 0, 0, 0, 4, 4, 0), (3, 3, 3, 3, 4, 4, 0), (4, 4, 4, 4, 6, 6, 0)),
    memory_start_BL=None,
    memory_end_BL=None,
    target_BL=ids("abcdef0"),
    weight_BL=np.array([[0, 0, 1, 1, 1, 0.5, 0]], np.float32),
    objective_B=np.array([1], np.int32),
)
PAIR = Batch(
    encoder=stream("xAy$", (0,) * 4, (4,) * 4, (4,) * 4),
    decoder=stream("0Az", (0,) * 3, (0,) * 3, (3,) * 3),
    memory_start_BL=edges(0, 0, 0),
    memory_end_BL=edges(4, 4, 4),
    target_BL=ids("Az$"),
    weight_BL=np.ones((1, 3), np.float32),
    objective_B=np.array([0], np.int32),
)
ENCODER = dataclasses.replace(
    DECODER,
    encoder=stream("a?/ ", (0,) * 4, (4,) * 4, (4,) * 4),
    decoder=None,
    target_BL=ids("abcd"),
    weight_BL=np.array([[0, 1, 0, 0]], np.float32),
)


def drawn(batch, name, width=100):
    picture = show.picture(batch, 0, Letters(), Architecture(name), ["first", "second"], width)
    return picture.plain.splitlines()


def test_a_decoder():
    assert drawn(DECODER, "prefix_decoder") == [
        "row 0: second, prefix_decoder, 2 segments, 4 of 7 positions learn, 1 are padding",
        "  reads     ▸ a b c ▸ e   ░",
        "  predicts  a b c d e f   ░",
        "  learns        ^ ^ ^ 0.5",
        "  decoder sees decoder",
        "    ■ ■ ■ · · · ·",
        "    ■ ■ ■ · · · ·",
        "    ■ ■ ■ · · · ·",
        "    ■ ■ ■ ■ · · ·",
        "    · · · · ■ · ·",
        "    · · · · ■ ■ ·",
        "    · · · · · · ·",
    ]
    assert drawn(DECODER, "causal_decoder")[5:8] == [
        "    ■ · · · · · ·",
        "    ■ ■ · · · · ·",
        "    ■ ■ ■ · · · ·",
    ]


def test_an_encoder_decoder():
    assert drawn(PAIR, "encoder_decoder") == [
        "row 0: first, encoder_decoder, 1 segments, 3 of 3 positions learn, 0 are padding",
        "  encoder  x <S0> y <end>",
        "  reads     ▸    <S0> z",
        "  predicts  <S0> z    <end>",
        "  learns    ^    ^    ^",
        "  encoder sees encoder",
        *["    ■ ■ ■ ■"] * 4,
        "  decoder sees decoder",
        "    ■ · ·",
        "    ■ ■ ·",
        "    ■ ■ ■",
        "  decoder sees encoder",
        *["    ■ ■ ■ ■"] * 3,
    ]


def test_an_encoder_shows_spaces_and_line_ends():
    assert drawn(ENCODER, "encoder")[1:4] == [
        "  reads     a <mask> ↵ ␣",
        "  predicts  a b      c d",
        "  learns      ^",
    ]


def test_a_long_row_breaks_where_the_page_ends():
    lines = drawn(DECODER, "causal_decoder", width=20)
    table = [line for line in lines if line.startswith(("  reads", "  predicts", "  learns"))]
    assert all(len(line) < 20 for line in table)
    cells = [line.split()[1:] for line in table if line.startswith("  reads")]
    assert len(cells) > 1
    assert sum(cells, []) == ["▸", "a", "b", "c", "▸", "e", "░"]


def test_colours_are_for_terminals_only():
    picture = show.picture(PAIR, 0, Letters(), Architecture("encoder_decoder"), ["first"])
    plain, coloured = io.StringIO(), io.StringIO()
    Console(file=plain, highlight=False, soft_wrap=True).print(picture, end="")
    Console(file=coloured, force_terminal=True, color_system="standard").print(picture, end="")
    assert plain.getvalue() == picture.plain
    assert "\x1b[1;35m<S0>" in coloured.getvalue()


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=90))
def test_a_block_is_full_mixed_or_empty_as_its_positions_are(pairs):
    start_L, end_L = (np.array(column) for column in zip(*pairs, strict=True))
    lines = show.sight(start_L, end_L, memory=90)
    step = -(-90 // show.CELLS)
    assert len(lines) == -(-len(pairs) // step)
    for down, line in enumerate(lines):
        for across, cell in enumerate(line.split(" ")):
            seen = {
                start <= key < end
                for start, end in pairs[down * step : (down + 1) * step]
                for key in range(across * step, min((across + 1) * step, 90))
            }
            assert cell == {(True,): "■", (False,): "·"}.get(tuple(seen), "▒")


@pytest.mark.parametrize("wrong", [{"count": 0}, {"targets": 0}, {"inputs": -1}])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="a row learns at least 1 token"):
        show.show("python_stdlib_prefix_lm", **wrong)


def test_a_folder_has_to_be_named():
    with pytest.raises(ValueError, match="--set Data.folder=DIR"):
        show.show("folder_prefix_lm")


def test_an_architecture_that_is_not_there():
    with pytest.raises(ValueError, match="is not one of causal_decoder"):
        show.show("python_stdlib_prefix_lm", architecture="decoder")
