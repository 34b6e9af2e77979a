"""Figures take their ink from the page, and styles are told apart."""

import xml.etree.ElementTree as ElementTree

from archlab.report import figures, ink
from tests.runs_written import whole


def test_no_two_styles_are_alike():
    styles = [tuple(map(str, ink.style(number).values())) for number in range(280)]
    assert len(set(styles)) == 280
    assert len({style[:2] for style in styles[:35]}) == 35


def test_a_drawing_takes_its_ink_from_the_page(made):
    drawn = ink.svg(figures.panel(made(whole()), figures.LOSS), "one", 'a "loss" < b')
    root = ElementTree.fromstring(drawn)
    assert root.attrib["aria-label"] == 'a "loss" < b' and root.attrib["role"] == "img"
    assert "viewBox" in root.attrib and not {"width", "height"} & set(root.attrib)
    assert "currentColor" in drawn and ink.INK not in drawn
    assert "#000000" not in drawn and "<style" not in drawn and "font:" not in drawn
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids)) and all(one.startswith("one-") for one in ids)


def test_a_drawing_is_the_same_every_time(made):
    runs = made(whole())
    once, twice = (ink.svg(figures.panel(runs, figures.LOSS), "a", "") for _ in range(2))
    assert once == twice
