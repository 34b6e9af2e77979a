"""Refusals: a setting that cannot be, told apart from others by its name and never by its words."""

import contextlib
from collections.abc import Iterator


class Refusal(ValueError):
    """What cannot be.

    Whoever refuses knows the setting, and seldom where it was written; whoever read the experiment
    knows where, and adds the file and the line.

    Example:
      raise Refusal("Size.kv=7 is odd; rotary positions turn pairs of numbers: 8", "Size.kv")

    Args:
      what: is wrong, the value, and what would be right, in one line.
      about: the setting, as gin calls it, or a value that stands in one, like a mixture's name; ""
        where it is none.
      stage: number of the stage whose setting it is, from 0; None where it is not known.
    """

    def __init__(self, what: str, about: str = "", stage: int | None = None):
        super().__init__(what)
        self.about, self.stage = about, stage


@contextlib.contextmanager
def blame(about: str = "", stage: int | None = None, ahead: str = "") -> Iterator[None]:
    """Says what the errors within are about, as far as they do not say so themselves.

    Args:
      about: the setting.
      stage: number of the stage.
      ahead: put before what they say.

    Raises:
      Refusal: in place of any `ValueError`.
    """
    try:
        yield
    except ValueError as error:
        known = error if isinstance(error, Refusal) else Refusal("")
        number = stage if known.stage is None else known.stage
        raise Refusal(f"{ahead}{error}", known.about or about, number) from error
