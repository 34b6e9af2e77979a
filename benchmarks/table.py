"""Tables in Markdown, and the page whose sections benchmarks write."""

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def table(head: list[str], lines: list[list[str]]) -> str:
    """Writes a table in Markdown.

    Args:
      head: names of the columns.
      lines: what stands under them.

    Returns:
      The table, with a line's end at its end.
    """
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def write(text: str) -> None:
    """Writes sections of the page of performance, each in place of the one that was there.

    Args:
      text: Markdown; each section begins with its title, after `## `.
    """
    page = PAGE.read_text()
    for title in re.findall(r"^## .*", text, re.MULTILINE):
        own = text[text.index(title) :].split("\n## ")[0].rstrip() + "\n"
        before, found, after = page.partition(title + "\n")
        rest = re.search(r"^## ", after, re.MULTILINE)
        after = "\n" + after[rest.start() :] if rest else ""
        page = (before if found else page.rstrip() + "\n\n") + own + after
    PAGE.write_text(page)
