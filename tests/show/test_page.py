"""A page shows every token of its rows, needs nothing else, and is steered by no text."""

import dataclasses
import html.parser
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.architecture import VISIBILITY, Architecture
from archlab.show import page
from archlab.show.row import Sight, read
from archlab.show.sample import Sample
from archlab.show.statistics import statistics, table
from tests import drawn
from tests.show import by_hand

VOID = {"meta", "br", "wbr", "path"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</bdi></span></main>",
    "\" onmouseover='alert(1)",
    "&lt;&amp;",
    "{{ 7 * 7 }}",
    "\x00\x07\x1b[2J",
    "\u202egnp.\u2066\u200b",
    "\ufeff\u0301",
]


@dataclasses.dataclass(frozen=True)
class Hostile:
    """A vocabulary whose tokens, from 3 on, stand for hostile text."""

    pad, end, unknown, sentinels = 0, 1, 2, 2
    text = 3 + len(HOSTILE)
    size = text + 4

    def sentinel(self, index):
        return self.size - 1 - index

    def decode(self, ids):
        return "".join(HOSTILE[one - 3] if one < self.text else f"<i>{one}</i>" for one in ids)


class Page(html.parser.HTMLParser):
    """A page's elements and attributes, the cells of its stacks, and its table."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes = [], set(), []
        self.stacks, self.table, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        kind = dict(attributes).get("class") or ""
        if kind == "cells":
            self.stacks.append([])
        elif tag == "span" and kind.startswith("cell") and "legend" not in self.open:
            self.stacks[-1].append((kind.split()[1:], []))
        elif tag == "bdi" and "legend" not in self.open:
            self.stacks[-1][-1][1].append((kind.split(), ""))
        elif tag == "tr":
            self.table.append([])
        elif tag in ("td", "th"):
            self.table[-1].append("")
        if tag not in VOID:
            self.open.append("legend" if kind == "legend" else tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() in (tag, "legend")

    def handle_data(self, data):
        self.words.append(data)
        if self.open[-1:] == ["bdi"] and "legend" not in self.open:
            kind, text = self.stacks[-1][-1][1][-1]
            self.stacks[-1][-1][1][-1] = (kind, text + data)
        if {"td", "th"} & set(self.open):
            self.table[-1][-1] += data


def sampled(name, vocabulary=by_hand.BYTES, names=by_hand.NAMES, seed=0, task="task", warnings=()):
    architecture = Architecture(name)
    batch = drawn.batch(architecture.kind, 3, 13, 9, vocabulary.size, seed)
    rows = [read(batch, number, vocabulary, architecture, names) for number in range(3)]
    found = statistics(batch, vocabulary, names)
    return Sample(task, name, 13, 9, rows, found, list(warnings))


def shows(found, sample):
    """Holds a page's cells to be those of the rows."""
    stacks = [positions for row in sample.rows for positions in row.stacks.values()]
    assert len(found.stacks) == len(stacks)
    for cells, positions in zip(found.stacks, stacks, strict=True):
        assert len(cells) == len(positions)
        for (kinds, tokens), one in zip(cells, positions, strict=True):
            flags = {"first": one.is_first, "input": one.is_input, "split": one.is_last_input}
            assert set(kinds) == {kind for kind, is_so in flags.items() if is_so}
            expected = [([one.reads.kind], one.reads.text)]
            if one.predicts is not None:
                is_learnt = "learnt" if one.weight else "unlearnt"
                expected.append(([one.predicts.kind, is_learnt], one.predicts.text))
            assert tokens == expected


@pytest.mark.parametrize("name", VISIBILITY)
@given(seed=st.integers(0, 1000))
def test_every_token_of_every_row_is_shown(name, seed):
    sample = sampled(name, seed=seed)
    shows(Page(page.html(sample)), sample)


@pytest.mark.parametrize("name", VISIBILITY)
def test_the_page_needs_no_other_file_and_runs_no_script(name):
    text = page.html(sampled(name))
    found = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & found.tags
    names = {attribute for attribute, _ in found.attributes}
    assert not {"src", "srcset", "href", "xlink:href", "action", "data"} & names
    assert not any(attribute.startswith("on") for attribute in names)
    assert not re.search(r"url\(|@import|//", text.replace("<!doctype html>", ""))
    assert "default-src 'none'" in text and "prefers-color-scheme: dark" in text


def test_hostile_text_is_only_text():
    sample = sampled(
        "encoder_decoder",
        Hostile(),
        names=["<script>a</script>", "\"b' onload=x"],
        task="</title><script>t</script>",
        warnings=["<img src=x onerror=w>", "'; }"],
    )
    text = page.html(sample)
    found, honest = Page(text), Page(page.html(sampled("encoder_decoder")))
    shows(found, sample)
    assert found.tags == honest.tags
    assert {name for name, _ in found.attributes} == {name for name, _ in honest.attributes}
    said = "".join(found.words)
    assert all(one in said for one in (sample.task, *sample.warnings, *found.table[0][1:]))
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]", text
    )


def test_the_table_says_the_statistics():
    sample = sampled("encoder_decoder")
    head, *lines = Page(page.html(sample)).table
    assert head[1:] == [one.name for one in sample.statistics]
    assert {label: values for label, *values in lines} == table(sample.statistics)
    bare = Page(page.html(dataclasses.replace(sample, statistics=[])))
    assert not bare.table and len(bare.stacks) == len(sample.rows) * 2


def painted(path, length, memory):
    """Which cells a path of rectangles covers; each of them once."""
    is_seen_LM = np.zeros((length, memory), int)
    for one in path.split("M")[1:]:
        numbers = re.fullmatch(r"(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z ?", one).groups()
        left, top, wide, tall, back = map(int, numbers)
        assert wide == back
        is_seen_LM[top : top + tall, left : left + wide] += 1
    assert is_seen_LM.max(initial=0) <= 1
    return is_seen_LM == 1


@pytest.mark.parametrize("name", VISIBILITY)
@given(seed=st.integers(0, 1000))
def test_a_picture_covers_what_is_seen_and_nothing_else(name, seed):
    for row in sampled(name, seed=seed).rows:
        for sight in row.sights:
            asked_M = np.arange(sight.memory)
            expected_LM = (sight.start_L[:, None] <= asked_M) & (asked_M < sight.end_L[:, None])
            found_LM = painted(page.area(sight), len(sight.start_L), sight.memory)
            assert np.array_equal(found_LM, expected_LM)


def test_a_picture_marks_segments_and_where_their_inputs_end():
    sight = by_hand.read(by_hand.DECODER, "prefix_decoder").sights[0]
    assert page.area(sight) == "M0 0h3v3h-3z M0 3h4v1h-4z M4 4h1v1h-1z M4 5h2v1h-2z"
    assert page.edges(sight) == "M0 0H4V4H0z M4 4H6V6H4z"
    assert page.corners(sight) == "M3 0V3H0", "the second segment has no inputs"
    nobody = Sight("a sees b", np.zeros(2, int), np.zeros(2, int), 3, [])
    assert page.area(nobody) == page.edges(nobody) == page.corners(nobody) == ""


def test_a_page_is_written_where_it_is_told(tmp_path):
    path = tmp_path / "new" / "rows.html"
    sample = sampled("prefix_decoder")
    assert page.write(sample, path) == path
    assert path.read_text(encoding="utf-8") == page.html(sample)
    with pytest.raises(ValueError, match="is a folder; --html names a file"):
        page.write(sample, tmp_path)
