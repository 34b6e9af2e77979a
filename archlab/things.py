"""Things: what bindings come to together, checked as a whole and built.

A thing is one object of a class, with the bindings that it is made of: of
`Run.stages = [@span/Stage(), @lm/Stage()]`, the run and two stages. Each remembers who refers to
it, so that whatever is refused, now or when there are data and devices, has a line.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from archlab.bindings import Binding, ConfigError, Place, Reference, scoped
from archlab.refusal import Refusal
from archlab.spelling import nearest

ROOT = "Run"


@dataclasses.dataclass(frozen=True)
class Thing:
    """One object of a class.

    Args:
      scope: which of several; "" for the only one.
      name: of the class.
      number: its place in the list that leads to it, from 0; None if no list does.
      source: the binding that refers to it; None for the root.
      bound: the binding of each field that has one.
      values: of those fields; things in place of references.
    """

    scope: str
    name: str
    number: int | None
    source: Binding | None
    bound: dict[str, Binding]
    values: dict[str, object]

    def all(self) -> Iterator["Thing"]:
        """Gives it, and everything that it is made of."""
        yield self
        for value in self.values.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, Thing):
                    yield from part.all()

    @property
    def read(self) -> set[str]:
        """Keys of all bindings that it is made of."""
        return {binding.key for thing in self.all() for binding in thing.bound.values()}

    def make(self, kinds: dict[str, type]) -> Any:
        """Builds it.

        Args:
          kinds: the classes, by name.

        Returns:
          The object.

        Raises:
          ConfigError: a class refuses a value.
        """

        def made(value):
            if isinstance(value, list):
                return tuple(map(made, value))
            return value.make(kinds) if isinstance(value, Thing) else value

        values = {field: made(value) for field, value in self.values.items()}
        try:
            return kinds[self.name](**values)
        except ValueError as error:
            refusal = error if isinstance(error, Refusal) else Refusal(str(error), self.name)
            place = self.place(refusal) or [*self.bound.values()][-1].place
            raise place.error(str(error)) from error

    def place(self, refusal: Refusal) -> Place | None:
        """Finds where what is refused was written.

        Args:
          refusal: of a setting of this thing or of one that it is made of.

        Returns:
          The place of the setting; if it has its default, that of the reference to its thing; None
          if nothing here is meant.
        """
        name, _, field = refusal.about.partition(".")
        meant = [one for one in self.all() if one.name == name]
        meant = [one for one in meant if refusal.stage in (None, one.number)] or meant
        lines = [one.bound[field] for one in meant if field in one.bound]
        bound = [binding for one in self.all() for binding in one.bound.values()]
        lines += [one for one in bound if refusal.about and one.value == refusal.about]
        lines += [one.source for one in [*meant, self] if one.source]
        return lines[0].place if lines else None


def tree(bindings: list[Binding], root: str = ROOT) -> Thing:
    """Follows the references from the root.

    Args:
      bindings: each checked, no key twice.
      root: name of a class.

    Returns:
      The root's thing.
    """

    @functools.cache
    def made_of(scope: str, name: str) -> dict[str, Binding]:
        return of(bindings, scope, name)

    def thing(scope: str, name: str, number: int | None, source: Binding | None) -> Thing:
        bound = made_of(scope, name)

        def part(value, binding, number):
            if isinstance(value, list | tuple):
                # What stands in a list within a list belongs to the outer one's place.
                places = enumerate(value)
                return [part(one, binding, at if number is None else number) for at, one in places]
            if isinstance(value, Reference):
                return thing(value.scope or scope, value.name, number, binding)
            return value

        values = {field: part(one.value, one, number) for field, one in bound.items()}
        return Thing(scope, name, number, source, bound, values)

    return thing("", root, None, None)


def check_whole(bindings: list[Binding], whole: Thing, kinds: dict[str, type], file: str) -> None:
    """Refuses an experiment that lacks a value, or that has one which nothing reads.

    Args:
      bindings: all that were written.
      whole: the tree of them.
      kinds: the classes, by name.
      file: of the experiment.

    Raises:
      ConfigError: with what is missing or has no effect.
    """
    every, read = list(whole.all()), whole.read
    idle = [one for one in bindings if one.key not in read]
    for thing in every:
        for field in dataclasses.fields(kinds[thing.name]):
            if field.default is dataclasses.MISSING and field.name not in thing.bound:
                raise _missing(thing, field.name, idle, every, file)
    for binding in idle:
        raise _idle(binding, every)


def _missing(
    thing: Thing, field: str, idle: list[Binding], every: list[Thing], file: str
) -> ConfigError:
    """Says what lacks a value, or whose scope is misspelt so that it does."""
    own = scoped(thing.scope, thing.name)
    place = thing.source.place if thing.source else Place(file)
    others = [one for one in idle if one.name == thing.name]
    if others and not any(one.scope == thing.scope for one in thing.bound.values()):
        hint = nearest(own, {scoped(one.scope, one.name) for one in others})
        return place.error(f"@{own}() is used, and nothing of it is bound{hint}")
    for one in others:
        if one.field == field:
            return _idle(one, every)
    return place.error(f"{own}.{field} is not set anywhere; bind it, or include a word that does")


def _idle(binding: Binding, every: list[Thing]) -> ConfigError:
    said = f"{binding.key} has no effect"
    used = sorted({scoped(one.scope, one.name) for one in every if one.name == binding.name})
    if not used:
        return binding.place.error(f"{said}: nothing refers to @{binding.name}()")
    if binding.scope:
        wanted = scoped(binding.scope, binding.name)
        return binding.place.error(f"{said}: no @{wanted}() is used{nearest(wanted, used)}")
    others = ", ".join(f"{one}.{binding.field}" for one in used)
    return binding.place.error(f"{said}: {others} say otherwise; bind those")


def of(bindings: list[Binding], scope: str, name: str) -> dict[str, Binding]:
    """Finds what one thing is made with.

    Args:
      bindings: all of them.
      scope: of the thing.
      name: of its class.

    Returns:
      The binding of each bound field; one with the scope goes before one without.
    """
    found = {one.field: one for one in bindings if (one.scope, one.name) == ("", name)}
    return found | {one.field: one for one in bindings if (one.scope, one.name) == (scope, name)}
