"""What mkdocs asks for as it builds the site: pages that are no files of docs/, and their links.

README, CONTRIBUTING and CHANGELOG stand at the top, where people look for them, and are pages all
the same. What code says of itself is written when the site is built, and kept nowhere else: the
command line, the settings, a page for each room. Notebooks are run, and shown with what they say.
"""

import re
import sys
from pathlib import Path

import nbformat
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

HOME = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(HOME))

from docs.making import reference  # noqa: E402 - after the path

TOP = {"README": "index", "CONTRIBUTING": "contributing", "CHANGELOG": "changelog"}
_TO_TOP = re.compile(rf"\]\(((?:\.\./)*)({'|'.join(TOP)})\.md")
_MARK = re.compile(r"^( *```\w+) .*$", re.MULTILINE)  # which says who can run a block


def on_files(files, config):
    """Adds pages.

    Args:
      files: of docs/.
      config: of the site; its navigation is given the rooms.

    Returns:
      All files.
    """
    made = {f"{to}.md": (HOME / f"{name}.md").read_text() for name, to in TOP.items()}
    made = {name: text.replace("](docs/", "](") for name, text in made.items()}
    made |= reference.pages()
    rooms = reference.rooms()
    for page, name in rooms.items():
        made[page] = f"# {name}\n\n::: {name}\n"
    for path in sorted((HOME / "docs" / "notebooks").glob("*.ipynb")):
        made |= _shown(path)
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    _enter(config["nav"], rooms)
    return files


def on_page_markdown(markdown, page, **_):
    """Turns what GitHub understands into what mkdocs does.

    Args:
      markdown: of a page.
      page: which.

    Returns:
      The same, with links to pages that stand elsewhere here, and without marks on blocks.
    """
    above = "" if page.file.src_uri.partition(".")[0] in TOP.values() else "../"
    markdown = _TO_TOP.sub(lambda to: f"]({to[1].removeprefix(above)}{TOP[to[2]]}.md", markdown)
    return _MARK.sub(r"\1", markdown.replace(".ipynb)", ".md)"))


def _shown(path: Path) -> dict[str, str | bytes]:
    """Runs a notebook; gives its page, and the pictures on it."""
    notebook = nbformat.read(path, as_version=4)
    quiet = ["--IPKernelApp.log_level=40"]  # it warns of eavesdroppers on this machine
    runs = ExecutePreprocessor(timeout=600, extra_arguments=quiet)
    runs.preprocess(notebook, {"metadata": {"path": str(HOME)}})
    text, resources = MarkdownExporter().from_notebook_node(
        notebook, {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    )
    pictures = {f"notebooks/{name}": data for name, data in resources["outputs"].items()}
    return {f"notebooks/{path.stem}.md": text, **pictures}


def _enter(nav: list, rooms: dict[str, str]) -> None:
    """Puts a page for each room, by folder, where the navigation leaves place for them."""
    (place,) = (
        entry
        for section in nav
        for entries in section.values()
        if isinstance(entries, list)
        for entry in entries
        if entry.get("Python") == []
    )
    folders: dict[str, list] = {}
    for page, name in rooms.items():
        folder, _, room = name.rpartition(".")
        folders.setdefault(folder, []).append({room: page})
    place["Python"] = [{folder: entries} for folder, entries in folders.items()]
