"""Outcomes: what a surgery copied, made and dropped, for people and for the record."""

import dataclasses
from collections.abc import Iterable

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
      sources: old weight that a new one is copied from, where that has another path, by its own.
      settings: in which the two models differ, as "name: old → new".
    """

    copied: dict[str, int]
    made: dict[str, int]
    dropped: dict[str, int]
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    settings: tuple[str, ...] = ()

    @property
    def totals(self) -> tuple[int, int, int]:
        """Values copied, made and dropped."""
        copied, made, dropped = (
            sum(one.values()) for one in (self.copied, self.made, self.dropped)
        )
        return copied, made, dropped

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
                parts.setdefault(_part(path), [0, 0, 0])[column] += many
        others = {_part(path): _part(source) for path, source in self.sources.items()}
        width = max(len(part) for part in [*parts, "weights"])

        def line(part: str, columns: Iterable[int | str], other: str = "") -> str:
            cells = [one if isinstance(one, str) else f"{one:,}" for one in columns]
            return f"{part:{width}}{''.join(f'{one:>16}' for one in cells)}  {other}".rstrip()

        return [
            line("weights", ("copied", "made", "dropped"), "copied from" if others else ""),
            *(line(part, parts[part], others.get(part, "")) for part in sorted(parts)),
            line("all", self.totals),
            *self.settings,
        ]


def _part(path: str) -> str:
    """The part of a model that a weight belongs to."""
    return path.rpartition("/")[0]


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
    sources = {one.path: one.source for one in found if one.copied and one.source != one.path}
    settings = (
        f"{name}: {before} → {after}" for name, (before, after) in differences(old, new).items()
    )
    return Outcome(copied, made, dropped(old, found), sources, tuple(settings))
