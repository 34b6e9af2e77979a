"""Outcomes: what a surgery copied, made and dropped, for people and for the record."""

import dataclasses

from archlab.model.transformer import Transformer
from archlab.surgery.compatibility import differences
from archlab.surgery.origins import Origin, dropped


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of the weights.

    Args:
      copied: values of each new weight that are an old one's, by its path.
      made: values of each new weight that are not.
      dropped: values of each old weight that are in no new one, by its path.
      settings: in which the two models differ, as "name: old → new".
    """

    copied: dict[str, int]
    made: dict[str, int]
    dropped: dict[str, int]
    settings: tuple[str, ...] = ()

    @property
    def totals(self) -> tuple[int, int, int]:
        """Values copied, made and dropped."""
        return tuple(sum(one.values()) for one in (self.copied, self.made, self.dropped))

    def as_dict(self) -> dict:
        """What the record keeps.

        Returns:
          JSON-able.
        """
        return {**dataclasses.asdict(self), "settings": list(self.settings)}

    def lines(self) -> list[str]:
        """A table, a line for each part of the models.

        Returns:
          Lines of text.
        """
        parts: dict[str, list[int]] = {}
        for column, counts in enumerate((self.copied, self.made, self.dropped)):
            for path, many in counts.items():
                parts.setdefault(path.rpartition("/")[0], [0, 0, 0])[column] += many
        width = max(len(part) for part in [*parts, "weights"])

        def line(part: str, *columns: int | str) -> str:
            return f"{part:{width}}" + "".join(f"{one:>16}" for one in columns)

        return [
            line("weights", "copied", "made", "dropped"),
            *(line(part, *(f"{many:,}" for many in parts[part])) for part in sorted(parts)),
            line("all", *(f"{many:,}" for many in self.totals)),
            *self.settings,
        ]


def outcome(old: Transformer, new: Transformer, found: tuple[Origin, ...]) -> Outcome:
    """Counts what becomes of the weights.

    Args:
      old: the model whose weights there were.
      new: the model that is made.
      found: where each of its weights comes from.

    Returns:
      The counts; of each kind only those that are not 0.
    """
    copied = {origin.path: origin.copied for origin in found if origin.copied}
    made = {origin.path: origin.made for origin in found if origin.made}
    settings = (
        f"{name}: {before} → {after}" for name, (before, after) in differences(old, new).items()
    )
    return Outcome(copied, made, dropped(old, found), tuple(settings))
