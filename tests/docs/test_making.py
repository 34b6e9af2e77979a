"""What the site takes from the code: all of it is there, and the figures are those of the code."""

import dataclasses
import re
import xml.etree.ElementTree

import pytest
import typer

from archlab import config, ledger
from archlab.commands import line as program
from docs.making import examples, figures, reference
from tests.docs.pages import HOME


def verbs(command, above="archlab"):
    """Every verb, with its flags."""
    for name, one in command.commands.items():
        if isinstance(one, typer.core.TyperGroup):
            yield from verbs(one, f"{above} {name}")
        else:
            yield f"{above} {name}", [flag for part in one.params for flag in part.opts]


def sections(text):
    """What stands below each heading of the second and third kind."""
    parts = re.split(r"^#{2,3} (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_command_line_has_every_verb_and_flag():
    found = sections(reference.commands())
    wanted = dict(verbs(typer.main.get_command(program.app)))
    assert len(wanted) > 15
    for verb, flags in wanted.items():
        said = found[f"`{verb}`"]
        missing = [flag for flag in flags if flag.startswith("--") and f"`{flag}" not in said]
        assert not missing, verb
        assert f"```sh\n{verb}" in said, f"{verb} has no example"
    assert "\x08" not in reference.commands()


def test_settings_has_every_field_of_every_class_with_its_meaning():
    found = sections(reference.settings())
    assert list(found) == list(config.KINDS)
    for name, kind in config.KINDS.items():
        rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", found[name], re.MULTILINE)
        assert [row[0] for row in rows] == [
            one.name for one in dataclasses.fields(kind) if one.init
        ]
        assert all(meaning.strip() for *_, meaning in rows)
    assert "| `layers` | `int` | to be said | blocks in each stack. |" in found["Size"]
    assert "| `start` | `str or None` | `None` |" in found["Run"]


def test_there_is_a_page_for_every_room():
    rooms = reference.rooms()
    assert rooms["reference/python/archlab.data.order.md"] == "archlab.data.order"
    files = [path for path in (HOME / "archlab").rglob("*.py") if path.name[:2] != "__"]
    assert len(rooms) == len(files)


def test_columns_in_docstrings_are_framed_and_sections_left_alone():
    text = (
        "Sums.\n\nExample, of two:\n  a  1 2\n  b  3\n\nArgs:\n  x: a number,\n    of two lines.\n"
    )
    text += "  y: one.\n\nEnd."
    assert examples.framed(text) == (
        "Sums.\n\nExample, of two:\n\n```text\na  1 2\nb  3\n```\n\nArgs:\n  x: a number,\n"
        "    of two lines.\n  y: one.\n\nEnd."
    )
    assert "```pycon\n>>> f(1)" in examples.framed("Says.\n\nExample:\n  >>> f(1)\n  2")


def words(path):
    """What is written in a figure, and how many strokes and fills it has."""
    root = xml.etree.ElementTree.parse(path).getroot()
    every = [one.tag.partition("}")[2] for one in root.iter()]
    text = [one.text for one in root.iter() if one.tag.endswith("}text")]
    return text, every.count("path")


@pytest.mark.parametrize("name", [name for name in figures.FIGURES if name != "house"])
def test_a_figure_is_what_the_code_draws(name, tmp_path):
    figures.draw(name, tmp_path / "drawn.svg")
    drawn, kept = words(tmp_path / "drawn.svg"), words(figures.IMAGES / f"{name}.svg")
    assert drawn == kept, "make figures"


def test_the_house_has_every_room_and_no_line_goes_up():
    floors = figures.layers()
    rooms = {name.removeprefix("archlab.").replace(".", "/") for name in reference.rooms().values()}
    assert set(floors) == rooms
    edges = [(room, other) for room in floors for other in figures.imported(room, floors)]
    assert len(edges) > len(rooms)
    assert all(floors[room] > floors[other] for room, other in edges)
    assert (figures.IMAGES / "house.svg").stat().st_size > 0


def test_the_figure_of_ledgers_says_what_the_page_says():
    """The head is a fifth of a causal decoder's step; an encoder-decoder costs more than a prefix
    decoder."""
    size = config.read("smoke_encoder", ["Size.layers=12", *figures.BASE]).run.size
    causal, prefix, pair = (
        figures.costs(f"{name}_decoder", size) for name in ("causal", "prefix", "encoder")
    )
    assert isinstance(causal, ledger.Flops)
    assert round(causal.head / causal.total, 1) == 0.2
    assert pair.total > prefix.total
