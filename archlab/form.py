"""The form of JSON: what a reader needs of it, said once, and where it is not so."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

NUMBER, NONE = (int, float), type(None)
DIGITS = 100  # of a whole number; products of three such are still less than a float can be


def read(path: Path, form: object = {}) -> dict:  # noqa: B006 - read, and never written to
    """Reads a file of JSON.

    Args:
      path: of the file.
      form: what it must hold; see `wrong`.

    Returns:
      Its content.

    Raises:
      ValueError: it is not there, is not JSON, or has another form.
    """
    try:
        found = parsed(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{path} is not there, and what is beside it needs it") from None
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if (where := wrong(found, form)) is not None:
        what = where or "it, where names should be,"
        raise ValueError(f"{path} is not as archlab writes it: {what} is missing or odd")
    return found


def parsed(text: bytes) -> Any:
    """Parses JSON.

    Args:
      text: in UTF-8.

    Returns:
      Its content.

    Raises:
      ValueError: it is not JSON.
    """
    try:
        return json.loads(text.decode("utf-8"), parse_int=_whole)
    except (ValueError, RecursionError):  # besides what is no JSON: numbers and depths too great
        raise ValueError("is not JSON") from None


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def objects(path: Path, content: bytes, example: str = '{"name": …}') -> Iterator[tuple[int, dict]]:
    """Parses lines of JSON, each an object.

    Args:
      path: of the file, for the message.
      content: of it.
      example: of a line, for the message.

    Yields:
      The number of each line, from 1, and its object; empty lines are none.

    Raises:
      ValueError: a line is something else, which is named.
    """
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            one = parsed(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number} {error}") from None
        if not isinstance(one, dict):
            raise ValueError(f"{path}:{number} is not like {example}")
        yield number, one


def add(path: Path, objects: Iterable[dict]) -> None:
    """Adds lines of JSON to a file.

    Half a line at its end, of a program that was killed there, stays one by itself.

    Args:
      path: of the file; made if it is not there.
      objects: one for each line; letters that are no UTF-8, from a terminal, come back as they are.

    Raises:
      OSError: it cannot be written.
    """
    before = path.read_bytes() if path.is_file() else b""
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in objects]
    with path.open("ab") as file:
        file.write(b"\n" if before and not before.endswith(b"\n") else b"")
        file.write("".join(lines).encode("utf-8", "backslashreplace"))


def wrong(value: object, form: object) -> str | None:
    """Finds the first place where JSON has not the form that it should have.

    Example:
      >>> wrong({"stages": [{"steps": 3}, {"steps": "4"}]}, {"stages": [{"steps": int}]})
      'stages.1.steps'

    Args:
      value: from a JSON file.
      form: a type; a function that says whether a value will do; a dict with the form of each name
        that is needed, or, under `str`, of every name; a list with the form of every item; or a
        tuple of forms, any of which will do.

    Returns:
      The place, dotted; "" for the whole; None if nothing is wrong.
    """
    return next(_wrong(value, form, ""), None)


def _wrong(value: object, form: object, at: str) -> Iterator[str]:
    if isinstance(form, tuple):
        if all(next(_wrong(value, one, at), None) is not None for one in form):
            yield at
    elif isinstance(form, dict):
        if not isinstance(value, dict):
            yield at
            return
        for name, inner in form.items():
            for key in value if name is str else [name]:
                yield from _wrong(value.get(key), inner, f"{at}.{key}".lstrip("."))
    elif isinstance(form, list):
        if not isinstance(value, list):
            yield at
            return
        for number, one in enumerate(value):
            yield from _wrong(one, form[0], f"{at}.{number}".lstrip("."))
    else:
        assert callable(form)
        if not (isinstance(value, form) if isinstance(form, type) else form(value)):
            yield at
