"""The form of a page, as Jinja has it; whatever page may show cells, whose form lies here."""

import functools
from collections.abc import Callable
from pathlib import Path

import jinja2


@functools.cache
def page(folder: Path, **filters: Callable) -> jinja2.Template:
    """Reads the form of a page.

    Args:
      folder: with its page.html.jinja.
      filters: functions that it calls, by the names that they have there.

    Returns:
      What makes the page: text that it is given is escaped, and what it is not given it refuses.
    """
    surroundings = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    surroundings.filters |= filters
    return surroundings.get_template("page.html.jinja")
