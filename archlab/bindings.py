"""Bindings: what an experiment says, line by line, checked before anything is built.

A binding gives a value to a field of a class, `Size.layers = 4`, or to that of one of several
things of a class, told apart by a scope: `span/Stage.tokens = "3M"`. Each keeps the place where it
was written, so that every complaint can name its file and line.

Why here and not in gin: gin takes the last of two bindings without a word, accepts a binding that
nothing reads, checks no types, and suggests nothing. This file knows no gin.
"""

import dataclasses
import math
import types
import typing
import unicodedata

from archlab.spelling import nearest

LONGEST = 600  # characters of a complaint; a terminal shows as many in ten lines
UNSEEN = ("Cc", "Cf", "Zl", "Zp")  # Unicode's categories: they control and format, and show nothing
_WORDS = {int: "a whole number", float: "a number", str: "a word in quotes", bool: "True or False"}


class ConfigError(ValueError):
    """What is wrong with an experiment: one line, `file:line: what, did you mean X?`."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where something was written.

    Args:
      file: as a person would name it; "--set" for the command line.
      line: counted from 1; 0 where there are no lines.
    """

    file: str
    line: int = 0

    def __str__(self):
        return f"{self.file}:{self.line}" if self.line else self.file

    def error(self, what: str) -> ConfigError:
        """Makes the error of this place.

        Args:
          what: is wrong.

        Returns:
          The error, to raise.
        """
        if len(what) > LONGEST:
            what = f"{what[: LONGEST // 2]} … {what[-LONGEST // 2 :]}"
        return ConfigError(f"{self}: {what}")


@dataclasses.dataclass(frozen=True)
class Reference:
    """A value that is another thing, `@span/Stage()`.

    Args:
      scope: which of several; "" for the only one.
      name: of its class.
      called: whether the brackets are there.
    """

    scope: str
    name: str
    called: bool = True

    def __repr__(self):
        return f"@{scoped(self.scope, self.name)}{'()' if self.called else ''}"


@dataclasses.dataclass(frozen=True)
class Binding:
    """One field's value.

    Args:
      scope: which of several things of a class; "" for all.
      name: of the class.
      field: of the class.
      value: numbers, words, lists of them, `Reference`.
      place: where it was written.
    """

    scope: str
    name: str
    field: str
    value: object
    place: Place

    @property
    def key(self) -> str:
        """What is bound, as it is written."""
        return f"{scoped(self.scope, self.name)}.{self.field}"

    def __str__(self):
        return f"{self.key} = {self.value!r}"


def scoped(scope: str, name: str) -> str:
    """Writes a class, or one of several things of it.

    Args:
      scope: of the thing; "" for the only one.
      name: of the class.

    Returns:
      "span/Stage", or "Stage".
    """
    return f"{scope}/{name}" if scope else name


def fields(kind: type) -> dict[str, object]:
    """The fields of a dataclass that can be bound, with their types.

    Args:
      kind: the class.

    Returns:
      Types by name, in the class's order.
    """
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def unseen(text: str) -> str:
    """Finds a character that a reader would not see, and a terminal might obey.

    Args:
      text: any.

    Returns:
      The first of them; "" if all can be seen.

    Source: Boucher and Anderson 2021 (Trojan Source), section 4, for those that turn the order of
      what is shown.
    """
    return next((one for one in text if unicodedata.category(one) in UNSEEN), "")


def check_name(place: Place, scope: str, name: str, kinds: dict[str, type]) -> None:
    """Refuses a class that is not there.

    Args:
      place: where it was written.
      scope: written before it.
      name: of the class.
      kinds: the classes, by name.

    Raises:
      ConfigError: there is no such class, or the scope is more than one word.
    """
    if name not in kinds:
        raise place.error(f"{name!a} cannot be configured{nearest(name, kinds)}")
    if not scope.isascii():
        raise place.error(f"{scoped(scope, name)!a}: letters of a to z tell things apart")
    if "/" in scope:
        raise place.error(f"{scope}/{name} has scopes within scopes; one word is enough")


def check(binding: Binding, kinds: dict[str, type]) -> None:
    """Refuses a binding whose class, field or type of value is wrong.

    Args:
      binding: to check.
      kinds: the classes, by name.

    Raises:
      ConfigError: with what would be right.
    """
    place, name, field = binding.place, binding.name, binding.field
    check_name(place, binding.scope, name, kinds)
    known = fields(kinds[name])
    if field not in known:
        meant = nearest(field, known)
        owners = [other for other, kind in kinds.items() if field in fields(kind)]
        if owners:
            meant = f", did you mean '{scoped(binding.scope, owners[0])}.{field}'?"
        raise place.error(f"{name} has no {field!a}{meant}")
    for reference in references(binding.value):
        check_name(place, reference.scope, reference.name, kinds)
        if not reference.called:
            called = dataclasses.replace(reference, called=True)
            raise place.error(f"{reference!r} lacks its brackets, did you mean '{called!r}'?")
    if not fits(binding.value, known[field]):
        value, meant = binding.value, ""
        if isinstance(value, str) and value.lower() in ("true", "false", "none"):
            meant = f", did you mean {value.capitalize()}?"
        elif isinstance(value, str) and fits(_number(value), known[field]):
            meant = f", did you mean {value} without quotes?"
        raise place.error(f"{binding.key}={value!r}; it takes {_said(known[field])}{meant}")
    if hidden := unseen("".join(_texts(binding.value))):
        raise place.error(f"{binding.key} has {hidden!a}, a character that one does not see")


def references(value: object) -> list[Reference]:
    """Finds the references in a value.

    Args:
      value: of a binding.

    Returns:
      Those at the top and those in lists and dicts, in order.
    """
    if isinstance(value, Reference):
        return [value]
    items = [*value, *value.values()] if isinstance(value, dict) else value
    is_list = isinstance(items, list | tuple)
    return [found for item in items for found in references(item)] if is_list else []


def _texts(value: object) -> list[str]:
    """The words in a value, at any depth."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        return [word for item in value for word in _texts(item)]
    return [value] if isinstance(value, str) else []


def _number(word: str) -> int | float | str:
    try:
        return int(word) if word.isdecimal() else float(word)
    except ValueError:
        return word


def fits(value: object, hint: object) -> bool:
    """Says whether a field of a type may have a value.

    Example:
      >>> fits("six", int), fits(6, int), fits(6, float), fits(True, int)
      (False, True, True, False)
      >>> fits(1e999, float)
      False

    Args:
      value: of a binding.
      hint: the field's type.

    Returns:
      Whether it fits; lists may stand for tuples, and a number is finite.
    """
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if kind is tuple:
        if not isinstance(value, list | tuple):
            return False
        if parts[-1] is Ellipsis:
            return all(fits(item, parts[0]) for item in value)
        return len(value) == len(parts) and all(map(fits, value, parts))
    if dataclasses.is_dataclass(hint):
        return isinstance(value, Reference) and value.name == hint.__name__
    if hint is float:
        return type(value) in (int, float) and _is_finite(value)
    return type(value) is hint


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can be
        return False


def _said(hint: object) -> str:
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return " or ".join(_said(part) for part in parts)
    if kind is tuple:
        return f"[{', '.join('...' if part is Ellipsis else _said(part) for part in parts)}]"
    if dataclasses.is_dataclass(hint):
        return f"@{hint.__name__}()"
    return _WORDS.get(hint, "None")


def check_once(bindings: list[Binding]) -> None:
    """Refuses a key that is bound twice.

    Args:
      bindings: in the order they were written.

    Raises:
      ConfigError: naming both places.
    """
    first: dict[str, Binding] = {}
    for binding in bindings:
        earlier = first.setdefault(binding.key, binding)
        if earlier is not binding:
            raise binding.place.error(f"{binding.key} is bound already, in {earlier.place}")
