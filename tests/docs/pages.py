"""What a page of the documentation holds: blocks, headings, links."""

import dataclasses
import functools
import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

HOME = Path(__file__).parent.parent.parent
PAGES = [
    *(HOME / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted((HOME / "docs").rglob("*.md")),
]
RUN = ("sh", "python", "gin")  # what a block is run or read as
SHOWN = ("text", "json")  # and what is only looked at
MARKS = ("pod", "long", "yours")  # needs machines; minutes or more; files that only a reader has


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
      line: that it begins on.
      language: the first word behind the fence.
      marks: the others: who can run it, or the file that it is.
      text: between the fences.
    """

    line: int
    language: str
    marks: tuple[str, ...]
    text: str

    @property
    def file(self) -> str:
        """The file that it is, "" if none."""
        return next((mark for mark in self.marks if "." in mark), "")

    @property
    def is_run(self) -> bool:
        """Whether tests can do what it says."""
        return not set(self.marks) & set(MARKS)


@functools.cache
def tokens(path: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a page."""
    fences = [one for one in tokens(path) if one.type == "fence"]
    found = []
    for one in fences:
        language, *marks = one.info.split() or [""]
        found.append(Block(one.map[0] + 1, language, tuple(marks), one.content))
    return found


def anchors(path: Path) -> set[str]:
    """What a link into a page may name, as GitHub and the site have it."""
    found: list[str] = []
    for one, inside in zip(tokens(path), tokens(path)[1:], strict=False):
        if one.type != "heading_open":
            continue
        said = "".join(part.content for part in inside.children)
        slug = re.sub(r"[^\w\- ]", "", said.strip().lower()).replace(" ", "-")
        again = found.count(slug)
        found.append(f"{slug}_{again}" if again else slug)
    return set(found)


def links(path: Path) -> list[str]:
    """Where a page's links and pictures lead."""
    return [
        str(part.attrs.get("href", part.attrs.get("src")))
        for one in tokens(path)
        for part in one.children or ()
        if part.type in ("link_open", "image")
    ]
