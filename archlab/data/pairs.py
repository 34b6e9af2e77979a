"""Pairs: what is asked, and what is to be said to it, without TensorFlow.

They come from the files that text comes from, and are held out as it is: where the name of a
document is drawn, a line of a file or a whole module.
"""

import ast
import collections
import dataclasses
import textwrap
from collections.abc import Iterator

from archlab.data import sources
from archlab.data.sources import Document, Source

NAMES = ("inputs", "targets")  # of a line's fields
SUPERVISED = "supervised"  # what is learnt of them, where others say an objective
HOLDS = ("body", "handlers", "orelse", "finalbody", "cases")  # parts of a statement with others in


@dataclasses.dataclass(frozen=True)
class Pair(Document):
    """A document that answers something.

    Args:
      inputs: what it answers.
    """

    inputs: str = ""


@dataclasses.dataclass(frozen=True)
class Pairs(Source):
    """Pairs in files: lines of .jsonl, and functions of .py with what they do.

    Example, of .jsonl and of .py:
      {"inputs": "What is the capital of France?", "targets": "Paris"}

      def area(radius):              inputs    def area(radius):
          \"\"\"Area of a disc.\"\"\"                    return pi * radius**2
          return pi * radius**2      targets   Area of a disc.

    Args:
      fields: of a record, that hold the two.
    """

    fields: tuple[str, ...] = NAMES

    def _read(self, name: str) -> Iterator[tuple[Document, str]]:
        """Every pair of a file, in either split, and what it counts as."""
        if name.endswith(".py"):
            for inputs, targets in described((self.root / name).read_bytes()):
                yield Pair(name, targets, inputs), "kept"
        else:
            yield from super()._read(name)

    def _document(self, name: str, texts: tuple[str, ...]) -> Pair:
        return Pair(name, texts[-1], texts[0])


def pairs(name: str, folder: str | None = None) -> Pairs:
    """Names a source's pairs.

    Args:
      name: of `sources.SOURCES`.
      folder: for `sources.folder`.

    Returns:
      The pairs in its files.

    Raises:
      ValueError: see the source.
    """
    own = sources.SOURCES[name](folder)
    return Pairs(own.name, own.root, own.files)


def described(content: bytes) -> Iterator[tuple[str, str]]:
    """Finds the functions of a module that say what they do.

    Args:
      content: of a .py file.

    Yields:
      A function without its docstring, and the docstring's first paragraph in one line; nothing of
      a file that is no Python.
    """
    try:
        tree, text = ast.parse(content), content.decode("utf-8").split("\n")
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in _functions(tree):
        if len(node.body) < 2:
            continue
        said = (ast.get_docstring(node) or "").partition("\n\n")[0]
        first, second = node.body[:2]
        last = first.end_lineno or first.lineno  # of what was parsed it is always there
        if said.strip() and first.lineno > node.lineno and second.lineno > last:
            kept = [
                *text[node.lineno - 1 : first.lineno - 1],
                *text[last : node.end_lineno],
            ]
            yield textwrap.dedent("\n".join(kept)), " ".join(said.split())


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions in a tree, outer ones first; expressions, which hold none, are passed by."""
    left = collections.deque([tree])
    while left:
        node = left.popleft()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        for part in HOLDS:
            left.extend(getattr(node, part, ()))
