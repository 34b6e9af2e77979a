"""A config.json of Hugging Face, read field by field, with a reason where archlab differs."""

from pathlib import Path
from typing import Any

from archlab import form

NOTHING = object()  # a field that has no default
FILE = "config.json"


class Configuration:
    """What a config.json says.

    Args:
      said: its fields.
      where: what it is called in errors.
    """

    def __init__(self, said: dict, where: str = FILE):
        self._said, self._where = said, where

    @classmethod
    def read(cls, folder: Path) -> "Configuration":
        """Reads that of a folder.

        Args:
          folder: of a model.

        Returns:
          What it says.

        Raises:
          ValueError: there is none, or it is no JSON.
        """
        path = folder / FILE
        if not path.is_file():
            raise ValueError(f"{folder} holds no {FILE}")
        try:
            said = form.parsed(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} {error}") from None
        if not isinstance(said, dict):
            raise ValueError(f"{path} holds no names, and the settings of a model have names")
        return cls(said, str(path))

    def says(self, name: str) -> bool:
        """Args: name: of a field. Returns: whether anything is said of it."""
        return self._said.get(name) is not None

    def wrong(self, name: str, what: str) -> ValueError:
        """Makes the error about a field.

        Args:
          name: of the field.
          what: is wrong with it.

        Returns:
          The error, to be raised.
        """
        return ValueError(f"{self._where}: {name}={self._said.get(name)!r}; {what}")

    def _value(self, name: str, default: object) -> object:
        value = self._said.get(name)
        if value is None and default is NOTHING:
            raise self.wrong(name, "it has to be said")
        return default if value is None else value

    def count(self, name: str, default: object = NOTHING) -> int:
        """Reads a whole number.

        Args:
          name: of the field.
          default: where it is not said.

        Returns:
          The number, at least 1.

        Raises:
          ValueError: it is none.
        """
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong(name, "it counts something, so a whole number of at least 1")
        return value

    def number(self, name: str, default: object = NOTHING) -> float:
        """Reads a number.

        Args:
          name: of the field.
          default: where it is not said.

        Returns:
          The number.

        Raises:
          ValueError: it is none.
        """
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name, "it is a number")
        return float(value)

    def flag(self, name: str, default: object = NOTHING) -> bool:
        """Reads a yes or no.

        Args:
          name: of the field.
          default: where it is not said.

        Returns:
          The answer.

        Raises:
          ValueError: it is none.
        """
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "it is true or false")
        return value

    def choice(self, name: str, words: dict[str, Any], default: object = NOTHING) -> Any:
        """Reads a word, in archlab's.

        Args:
          name: of the field.
          words: what archlab calls each.
          default: where it is not said.

        Returns:
          The value of `words`.

        Raises:
          ValueError: archlab has no such thing.
        """
        value = self._value(name, default)
        for word, meaning in words.items():
            if word == value:
                return meaning
        raise self.wrong(name, f"archlab has {', '.join(map(repr, words))}")

    def only(self, name: str, *right: object) -> None:
        """Refuses what a field says, unless it is what archlab does.

        Args:
          name: of the field; not said is right too.
          right: what archlab does.

        Raises:
          ValueError: it says something else.
        """
        value = self._said.get(name)
        if value is not None and value not in right:
            raise self.wrong(name, f"archlab has only {' or '.join(map(repr, right))}")

    def words(self, name: str) -> list[str] | None:
        """Reads a list of words.

        Args:
          name: of the field.

        Returns:
          The words; None where none is said.

        Raises:
          ValueError: it is no such list.
        """
        value = self._said.get(name)
        is_one = isinstance(value, list) and all(isinstance(word, str) for word in value)
        if value is not None and not is_one:
            raise self.wrong(name, "it is a list of words")
        return value

    def first(self, name: str) -> int | None:
        """Reads an id, the first where there are several.

        Args:
          name: of the field.

        Returns:
          The id; None where none is said.

        Raises:
          ValueError: it is none.
        """
        value = self._said.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self.wrong(name, "it is an id")
        return value

    def within(self, name: str) -> "Configuration":
        """Reads fields that stand in another.

        Args:
          name: of that field; none stand in it where it is not said.

        Returns:
          What they say.

        Raises:
          ValueError: it is no table of names.
        """
        value = self._value(name, {})
        if not isinstance(value, dict):
            raise self.wrong(name, "it holds names")
        return Configuration(value, f"{self._where}: {name}")
