"""Pages of reference, written from the code: the command line, settings, words and experiments.

Nothing here is known twice: commands come from the program that runs them, settings and their
types from the classes that gin binds, what they mean from the docstrings of those, and words and
experiments from their files.
"""

import dataclasses
import inspect
import re
import types
import typing
from pathlib import Path

import griffe
import typer
from typer.cli import get_docs_for_click

from archlab import bindings, config, experiments
from archlab.commands import line as program

HOME = Path(__file__).resolve().parent.parent.parent
# In a verb's help, what stands as it is: typer's mark, and lines up to an empty one.
_AS_IT_IS = re.compile(r"^\x08\n((?:.+\n?)+)", re.MULTILINE)
_LISTED = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n")  # cut short; each has a heading


def pages() -> dict[str, str]:
    """Writes all pages but the rooms'.

    Returns:
      Markdown by path within the site.
    """
    return {
        "reference/commands.md": commands(),
        "reference/gin.md": settings(),
        "reference/words.md": words(),
    }


def rooms() -> dict[str, str]:
    """Lists the rooms of the package.

    Returns:
      The dotted name of each, by its page; rooms before folders.
    """
    paths = sorted((HOME / "archlab").rglob("*.py"), key=lambda path: (len(path.parts), path))
    names = [
        ".".join(path.relative_to(HOME).with_suffix("").parts)
        for path in paths
        if not path.name.startswith("__")
    ]
    return {f"reference/python/{name}.md": name for name in names}


def commands() -> str:
    """Writes what `--help` says of every verb.

    Returns:
      Markdown.
    """
    command = typer.main.get_command(program.app)
    context = typer.Context(command, info_name="archlab")
    text = get_docs_for_click(obj=command, ctx=context, name="archlab", title="The command line")
    return _AS_IT_IS.sub(r"```sh\n\1```\n", _LISTED.sub("", text))


def settings() -> str:
    """Writes every field of every class that gin binds: its type, its default, what it means.

    Returns:
      Markdown.
    """
    parts = [
        "# Settings in gin\n",
        "Every class that an experiment, a suite or a place can be made of, with all its fields. A "
        "field is bound once, as `Size.layers = 4`, or as `span/Stage.tokens` where there are "
        "several of a class, and on the command line by `--set Size.layers=4`.\n",
    ]
    for name, kind in config.KINDS.items():
        summary, meanings = described(kind)
        hints = bindings.fields(kind)
        parts += [
            f"## {name}\n",
            f"{summary}\n",
            "| field | type | default | |",
            "|---|---|---|---|",
        ]
        for field in dataclasses.fields(kind):
            if field.init:
                cells = (f"`{shown(hints[field.name])}`", default(field), meanings[field.name])
                row = (cell.replace("|", "\\|") for cell in cells)
                parts.append(f"| `{field.name}` | {' | '.join(row)} |")
        parts.append("")
    return "\n".join(parts)


def described(kind: type) -> tuple[str, dict[str, str]]:
    """Reads what a class says of itself.

    Args:
      kind: a dataclass.

    Returns:
      Its first line, and what each field means.
    """
    found = {}
    for one in reversed(kind.__mro__[:-1]):  # the fields of its parents are its own
        text = griffe.Docstring(inspect.getdoc(one))
        for section in text.parse("google", warnings=False):
            if section.kind is griffe.DocstringSectionKind.parameters:
                found |= {one.name: " ".join(one.description.split()) for one in section.value}
    return text.value.splitlines()[0], found


def shown(hint: object) -> str:
    """Writes a type as one would say it.

    Example:
      >>> shown(int | None)
      'int or None'

    Args:
      hint: of a field.

    Returns:
      Names of classes, without their modules.
    """
    if hint is type(None):
        return "None"
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return " or ".join(shown(one) for one in typing.get_args(hint))
    if arguments := typing.get_args(hint):
        inner = ", ".join("…" if one is Ellipsis else shown(one) for one in arguments)
        return f"{typing.get_origin(hint).__name__}[{inner}]"
    return hint.__name__


def default(field: dataclasses.Field) -> str:
    """Writes what a field is unless it is said.

    Args:
      field: of a dataclass.

    Returns:
      As gin has it; of a class that is bound itself, its name.
    """
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "to be said"
    if type(value).__name__ in config.KINDS:
        return f"`{type(value).__name__}`, as it comes"
    return f"`{value!r}`"


def words() -> str:
    """Writes the files of gin/ and experiments/, each with its comments.

    Returns:
      Markdown.
    """
    parts = [
        "# Words and experiments\n",
        "`gin/` holds words, a few lines each, with the source of their numbers; `experiments/` "
        "holds sentences, which compose words and say what they claim.\n",
    ]
    for folder in ("experiments", "gin"):
        for path in sorted((experiments.home() / folder).rglob("*.gin")):
            name = path.relative_to(experiments.home())
            parts += [f"## {name}\n", f"```gin\n{path.read_text().rstrip()}\n```\n"]
    return "\n".join(parts)
