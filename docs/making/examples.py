"""What griffe is told of docstrings here: what stands in columns stays in columns.

`Example:` and tables in docstrings are set in columns, two letters in, which Markdown would run
together. Here they become blocks of code before griffe reads on; what Google's style calls
sections (`Args:`, `Returns:`, `Raises:`) is left to it.
"""

import re

from griffe import Extension, Object

SECTION = re.compile(r"(?:Args|Returns|Raises|Yields):")


class Examples(Extension):
    """Sets blocks in columns.

    Args: none.
    """

    def on_instance(self, *, obj: Object, **_) -> None:
        """Reads an object's docstring again.

        Args:
          obj: any.
        """
        if obj.docstring:
            obj.docstring.value = framed(obj.docstring.value)


def framed(text: str) -> str:
    """Frames what is indented, and belongs to no section.

    Example:
      a line that ends in a colon:
        1 2 3

    Args:
      text: a docstring.

    Returns:
      The same, with those lines between fences.
    """
    found, head, lines = [], "", [*text.splitlines(), "end"]
    held: list[str] = []
    for line in lines:
        if line.startswith("  ") and not SECTION.fullmatch(head):
            held.append(line)
            continue
        if held and not line:
            held.append(line)
            continue
        if held:
            found += _fenced(held)
            held = []
        head = line if line[:1].strip() else head  # an item of a section is none
        found.append(line)
    return "\n".join(found[:-1])


def _fenced(lines: list[str]) -> list[str]:
    text = "\n".join(lines).rstrip("\n")
    least = min(len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip())
    inner = [line[least:] for line in text.splitlines()]
    kind = "pycon" if inner[0].startswith(">>>") else "text"
    return ["", f"```{kind}", *inner, "```", ""]
