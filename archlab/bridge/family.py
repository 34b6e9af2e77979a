"""A family of Hugging Face models: which of archlab's it can be, and how its weights are called."""

import dataclasses
from collections.abc import Callable

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.table import Table
from archlab.refusal import Refusal
from archlab.size import Size

ANY = ()  # whatever a field may be


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """One `model_type`, both ways.

    Args:
      name: the `model_type`.
      title: the class of transformers that it is loaded as.
      words: what the fields of `Architecture` may be, or `ANY`; those that are not here are as its
        defaults.
      settings: from a config.json to the size and the architecture.
      fields: and back, without what is the same for all families.
      table: its weights.
      prefix: ahead of every name but the head's, in a folder that has a head.
      former: what the ends of names were once, and what they are now.
    """

    name: str
    title: str
    words: dict[str, tuple]
    settings: Callable[[Configuration], tuple[Size, Architecture]]
    fields: Callable[[Size, Architecture], dict]
    table: Callable[[Size, Architecture], Table]
    prefix: str = ""
    former: dict[str, str] = dataclasses.field(default_factory=dict)

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
            if right and value not in right:
                have = " or ".join(map(repr, right))
                lines.append(f"{self.title} has {field.name} {have}, not {value!r}")
        return lines


def factors(size: Size, architecture: Architecture) -> tuple[float, float]:
    """Says what weights make up for where a family reads its tables as they are.

    A table whose rows are read times the root of the width is smaller by as much; where logits are
    read off it too, the norm before them makes up for that.

    Args:
      size: of the model.
      architecture: of the model.

    Returns:
      The factor of tables, and that of the last norm's weights.
    """
    root = size.embed**0.5 if architecture.scaled else 1.0
    return 1 / root, root if architecture.tied else 1.0


def plain(title: str, size: Size) -> None:
    """Refuses sizes that no family has.

    Args:
      title: of the family.
      size: of the model.

    Raises:
      ValueError: the model is scaled from a smaller one, by factors that are not in its weights.
    """
    if size.base_embed:
        raise Refusal(
            f"{title} has no factors by width, and those of Size.base_embed={size.base_embed} are "
            "not in the weights",
            "Size.base_embed",
        )


def whole(title: str, size: Size) -> None:
    """Refuses heads that a family of whole heads cannot have.

    Args:
      title: of the family.
      size: of the model.

    Raises:
      ValueError: the heads are not as wide together as the stream, or share keys.
    """
    if size.kv_heads != size.heads:
        raise Refusal(
            f"{title} has a key head for each of {size.heads} query heads, and "
            f"Size.kv_heads={size.kv_heads}",
            "Size.kv_heads",
        )
    if size.heads * size.kv != size.embed:
        raise Refusal(
            f"{title} has heads that are as wide together as the stream, and Size.heads="
            f"{size.heads} × Size.kv={size.kv} is not Size.embed={size.embed}",
            "Size.kv",
        )
