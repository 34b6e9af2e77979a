"""Every link within the documentation leads somewhere, on GitHub as on the site."""

import re

import pytest

from tests.docs.pages import HOME, PAGES, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(HOME)))
def test_links_lead_somewhere(page):
    dead = []
    for link in links(page):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.is_file() or not there.is_relative_to(HOME):
            dead.append(link)
        elif anchor and anchor not in anchors(there):
            dead.append(link)
    assert not dead


def test_every_page_is_in_the_navigation():
    text = (HOME / "mkdocs.yml").read_text()
    listed = set(re.findall(r": ([\w/]+\.md)$", text, re.MULTILINE))
    docs = HOME / "docs"
    there = {str(path.relative_to(docs)) for path in docs.rglob("*.md")}
    notebooks = {str(one.relative_to(docs).with_suffix(".md")) for one in docs.rglob("*.ipynb")}
    made = {one for one in listed if one.startswith("reference/")}
    assert listed - made - {"index.md", "contributing.md", "changelog.md"} == there | notebooks
