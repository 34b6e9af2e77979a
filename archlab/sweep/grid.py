"""A grid: the settings in which the runs of a sweep differ, and what each run is called."""

import dataclasses
import hashlib
import itertools
import math
import re
from collections.abc import Sequence

SEED = "Run.seed"
RANGE = re.compile(r"(-?\d+):(-?\d+)")
UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")  # in the name of a folder, on any system
MOST = 1000  # runs; a slip of the finger is told sooner than it is tried
LONGEST = 40, 200  # letters of a value and of a name; a file system takes 255 bytes
OPEN, CLOSED, QUOTES = "([{", ")]}", "'\""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Args:
      name: what differs, safe as the name of a folder.
      settings: the value of each key of the grid, as --set takes it.
    """

    name: str
    settings: dict[str, str]

    @property
    def overrides(self) -> list[str]:
        """The same, each as `Key=value`."""
        return [f"{key}={value}" for key, value in self.settings.items()]

    @property
    def but_seed(self) -> str:
        """What its runs of other seeds have too; "" where nothing but the seed differs."""
        others = {key: value for key, value in self.settings.items() if key != SEED}
        return named(others)


def cells(grids: Sequence[str], overrides: Sequence[str] = ()) -> list[Cell]:
    """Multiplies grids.

    Example:
      >>> [cell.name for cell in cells(["Size.layers=2,4", "Run.seed=0:2"])]
      ['layers=2,seed=0', 'layers=2,seed=1', 'layers=4,seed=0', 'layers=4,seed=1']

    Args:
      grids: each `Key=values`, separated by commas; `0:3` is 0, 1 and 2.
      overrides: each `Key=value`, of all cells.

    Returns:
      A cell for each choice of a value of every key, the last key turning fastest.

    Raises:
      ValueError: no grid, one of another form, more than `MOST` runs, or a key that is said twice.
    """
    if not grids:
        raise ValueError("a sweep needs a grid: --grid Size.layers=2,4")
    fixed = {text.partition("=")[0].strip() for text in overrides}
    axes: dict[str, list[str]] = {}
    for text in grids:
        key, equals, said = text.partition("=")
        key = key.strip()
        if not equals or "." not in key:
            raise ValueError(f"--grid {text}: write it as Key=value,value, like Size.layers=2,4")
        if key in axes or key in fixed:
            raise ValueError(f"--grid {text}: {key} is said already; a cell has one value of it")
        axes[key] = _values(text, said)
        if (many := math.prod(map(len, axes.values()))) > MOST:
            raise ValueError(f"--grid {text}: that makes {many:,} runs; a sweep has at most {MOST}")
    product = itertools.product(*axes.values())
    settings = [dict(zip(axes, chosen, strict=True)) for chosen in product]
    return [Cell(named(one), one) for one in settings]


def named(settings: dict[str, str]) -> str:
    """Names a run by its settings, whatever their order.

    Example:
      >>> named({"Size.layers": "2", "span/Stage.rows": "8", "lm/Stage.rows": "4"})
      'layers=2,lm.rows=4,span.rows=8'

    Args:
      settings: values by key.

    Returns:
      Letters that any file system takes; a value that has others, or is long, ends in a digest.
    """
    keys = sorted(settings)
    parts = [
        f"{short}={_plain(settings[key])}" for key, short in zip(keys, _short(keys), strict=True)
    ]
    parts.sort()
    return _cut(",".join(parts), LONGEST[1])


def _short(keys: list[str]) -> list[str]:
    """The field of each key, and as much before it as tells it from the others."""
    ways = (
        lambda key: key.rpartition(".")[2],
        lambda key: f"{re.split(r'[/.]', key)[0]}.{key.rpartition('.')[2]}",
        lambda key: key.replace("/", "."),
    )
    return [
        next(way(key) for way in ways if [way(one) for one in keys].count(way(key)) == 1)
        for key in keys
    ]


def _plain(value: str) -> str:
    bare = value.strip("".join(QUOTES))
    safe = UNSAFE.sub("_", bare)
    return _cut(safe if safe == bare else f"{safe}-{_digest(bare)}", LONGEST[0])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 7]}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _values(text: str, said: str) -> list[str]:
    """Values between commas, each once; a range is all of it."""
    found: list[str] = []
    parts, is_alone = _parts(said)
    if is_alone:
        raise ValueError(f"--grid {text}: a quote or a bracket is not closed")
    for value in parts:
        if not value:
            raise ValueError(f"--grid {text}: a value is empty; write them as 2,4")
        if match := RANGE.fullmatch(value):
            low, high = map(int, match.groups())
            if low >= high:
                raise ValueError(f"--grid {text}: {value} is empty; 0:3 is 0, 1 and 2")
            if high - low > MOST:
                raise ValueError(f"--grid {text}: {value} is more than {MOST} runs")
            found += map(str, range(low, high))
        else:
            found.append(value)
    return list(dict.fromkeys(found))


def _parts(said: str) -> tuple[list[str], bool]:
    """What stands between commas that stand in no brackets and no quotes; and if one is open.

    A quote that stands within a bare word, as in it's, is a letter.
    """
    parts, depth, quote = [""], 0, ""
    for letter in said:
        if letter == "," and not depth and not quote:
            parts.append("")
            continue
        parts[-1] += letter
        if letter in QUOTES and (quote or depth or parts[-1].strip() == letter):
            quote = "" if letter == quote else quote or letter
        elif not quote:
            depth += (letter in OPEN) - (letter in CLOSED)
    return [part.strip() for part in parts], bool(depth or quote)
