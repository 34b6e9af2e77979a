"""A family of Hugging Face models: which of archlab's it can be, and how its weights are called."""

import dataclasses
from collections.abc import Callable

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.table import Table
from archlab.size import Size


@dataclasses.dataclass(frozen=True)
class Family:
    """One `model_type`, both ways.

    Args:
      name: the `model_type`.
      title: the class of transformers that it is loaded as.
      words: what the fields of `Architecture` may be; those that are not here are as its defaults.
      settings: from a config.json to the size and the architecture.
      fields: and back, without what is the same for all families.
      table: its weights.
      prefix: ahead of every name but the head's, in a folder that has a head.
    """

    name: str
    title: str
    words: dict[str, tuple]
    settings: Callable[[Configuration], tuple[Size, Architecture]]
    fields: Callable[[Size, Architecture], dict]
    table: Callable[[Size, Architecture], Table]
    prefix: str = ""

    def lacks(self, architecture: Architecture) -> list[str]:
        """Says what of an architecture the family has not.

        Args:
          architecture: any.

        Returns:
          A line for each field; none if it can be one of the family.
        """
        lines = []
        for field in dataclasses.fields(architecture):
            value = getattr(architecture, field.name)
            right = self.words.get(field.name, (field.default,))
            if value not in right:
                have = " or ".join(map(repr, right))
                lines.append(f"{self.title} has {field.name} {have}, not {value!r}")
        return lines
