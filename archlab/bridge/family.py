"""A family of Hugging Face models: which of archlab's it can be, and how its weights are called."""

import dataclasses
from collections.abc import Callable

from archlab.architecture import Architecture
from archlab.bridge.configuration import Configuration
from archlab.bridge.table import Table
from archlab.refusal import Refusal
from archlab.size import Size

ANY = ()  # whatever a field may be
# What tables and configurations carry, or what is not used where they do not. Whatever else a size
# says would change the function without a word.
EXTENTS = (
    *("layers", "encoder_layers", "embed", "mlp", "heads", "kv_heads", "kv", "vocab"),
    *("buckets", "positions", "base_embed", "base_kv"),
)


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
      length: the field that says how long a row is, where no table of positions does.
      prefix: ahead of every name but the head's, in a folder that has a head.
      former: what the ends of names were once, and what they are now.
    """

    name: str
    title: str
    words: dict[str, tuple]
    settings: Callable[[Configuration], tuple[Size, Architecture]]
    fields: Callable[[Size, Architecture], dict]
    table: Callable[[Size, Architecture], Table]
    length: str = ""
    prefix: str = ""
    former: dict[str, str] = dataclasses.field(default_factory=dict)

    def lacks(self, size: Size, architecture: Architecture) -> list[str]:
        """Says what of a model the family has not.

        Args:
          size: any.
          architecture: any.

        Returns:
          A line for each field; none if it can be one of the family.
        """
        lines = []
        fields = [field for field in dataclasses.fields(size) if field.name not in EXTENTS]
        for field in (*fields, *dataclasses.fields(architecture)):
            value = getattr(size if field in fields else architecture, field.name)
            right = self.words.get(field.name, (field.default,))
            if right and value not in right:
                have = " or ".join(map(repr, right))
                lines.append(f"{self.title} has {field.name} {have}, not {value!r}")
        return lines


@dataclasses.dataclass(frozen=True)
class Factors:
    """What weights here are, times those of a family that multiplies by nothing else.

    Args:
      table: of tables, of tokens and of places.
      query: of query weights and their biases.
      near: of the biases of distances.
      last: of the last norm's weights.
    """

    table: float
    query: float
    near: float
    last: float


def factors(size: Size, architecture: Architecture, divides: bool = False) -> Factors:
    """Says how weights make up for what archlab multiplies by outside of them.

    Those are the roots by which rows of a table are enlarged (`Architecture.scaled`), the scale of
    the output, and all that a width scales (`Size.base_embed`, `Size.base_kv`).

    Args:
      size: of the model.
      architecture: of the model.
      divides: whether the family divides logits that are read off its table by the root of the
        width.

    Returns:
      The factors; 1 where there is nothing to make up for.
    """
    root = size.embed**-0.5
    table = root if architecture.scaled else 1.0
    last = 1 / (architecture.output_scale * size.ratio**0.5)
    if architecture.tied:
        last *= (root if divides else 1.0) / table
    return Factors(table, size.kv_ratio**-0.5, size.ratio**0.5, last)


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
