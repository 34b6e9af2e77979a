"""The census of a compiled program: what devices send each other, and how long the compiler thinks.

XLA's own `cost_analysis` counts the body of a loop once, however often it turns. Here the program's
text is walked from its entry, and what stands in a loop counts once a turn.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterator

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute")
BITS = {"pred": 8}  # of others the name says how many
KERNEL = "tpu_custom_call"

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_LINE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?) ([a-z][\w\-]*)\((.*)$")
_ARRAY = re.compile(r"\b(pred|[a-z]+\d+)[\w]*\[([\d,]*)\]")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_NAME = re.compile(r'op_name="([^"]*)"')
_CHANNEL = re.compile(r"channel_id=(\d+)")
_CALLS = re.compile(r"(?:calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_LOOP = re.compile(r"condition=%?([\w.\-]+), body=%?([\w.\-]+)")
_TURNS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_ACROSS = re.compile(r'_xla_megascale_transfer_type="(\w+)"')
_ENTRY = re.compile(r"index=(\d+)")


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Collectives of one kind.

    Args:
      count: of them, in one step.
      bytes: of the arrays on one device, before or after, whichever are more.
    """

    count: float = 0
    bytes: float = 0

    def plus(self, count: float, size: float) -> "Traffic":
        """Args: count, size: more of them, with so many bytes. Returns: all together."""
        return Traffic(self.count + count, self.bytes + size)


@dataclasses.dataclass
class Census:
    """What one step does on each device.

    Args:
      cycles: that the compiler thinks its own operations take, those of kernels not among them.
      kernels: calls of kernels that somebody wrote by hand.
      within: collectives of the devices of one slice, by kind.
      across: collectives that leave a slice.
      open: loops of which nothing says how often they turn; they count once.
    """

    cycles: float = 0.0
    kernels: float = 0.0
    within: dict[str, Traffic] = dataclasses.field(default_factory=dict)
    across: dict[str, Traffic] = dataclasses.field(default_factory=dict)
    open: set[str] = dataclasses.field(default_factory=set)

    @property
    def moved(self) -> float:
        """Bytes that reach a device from others of its slice, at most.

        A reduction of whole arrays moves them twice: each device adds up a part, and gathers all.
        """
        return sum(
            one.bytes * (2 if kind == "all-reduce" else 1) for kind, one in self.within.items()
        )


@dataclasses.dataclass(frozen=True)
class Line:
    """One operation of a program.

    Args:
      name: of its result.
      shape: of its result.
      does: what it does, as `all-gather` or `fusion`.
      rest: of the line: what it is given, and how.
    """

    name: str
    shape: str
    does: str
    rest: str


def census(text: str, turns: dict[str, int]) -> Census:
    """Counts what a program does.

    Example:
      census(program.as_text(), turns={"head": 16}).within["all-gather"].bytes

    Args:
      text: of a compiled program, as XLA prints it.
      turns: how often loops turn whose end is read off an array, by a word of their name.

    Returns:
      The census.
    """
    parts, entry = _parts(text)
    found = Census()
    for part, times in _walk(parts, entry, 1.0, turns, found):
        seen = set()
        for line in parts[part]:
            cycles = _CYCLES.search(line.rest)
            found.cycles += times * int(cycles[1]) if cycles else 0
            found.kernels += times * (f'"{KERNEL}"' in line.rest)
            if line.does == "send" and (kind := _ACROSS.search(line.rest)):
                sent = _size(*_ARRAY.search(line.shape).groups())
                _add(found.across, kind[1].lower().replace("_", "-"), times, sent)
        for kind, channel, size in _collectives(parts, part):
            if channel not in seen:
                _add(found.within, kind, times, size)
                seen.add(channel)
    return found


def _add(kinds: dict[str, Traffic], kind: str, times: float, size: float) -> None:
    kinds[kind] = kinds.get(kind, Traffic()).plus(times, times * size)


def arrays(text: str) -> collections.Counter:
    """Finds the arrays that a program writes to the devices' memory.

    Args:
      text: of a compiled program, as XLA prints it.

    Returns:
      Bytes of each, by the operation that writes it and its shape; an array that is written in
      several places counts once.
    """
    parts, entry = _parts(text)
    found = collections.Counter()
    for part, _ in _walk(parts, entry, 1.0, {}, Census()):
        for line in parts[part]:
            written = line.does in ("fusion", "custom-call", "copy", *KINDS)
            for dtype, extents in _ARRAY.findall(line.shape) if written else ():
                name = _NAME.search(line.rest)
                what = _short(name[1]) if name else line.does
                found[f"{dtype}[{extents}] {what}"] = _size(dtype, extents)
    return found


def _short(name: str) -> str:
    """The end of an operation's name, which says most."""
    return "/".join(name.split("/")[-3:])


def _parts(text: str) -> tuple[dict[str, list[Line]], str]:
    """The computations of a program, by name, and which of them is its entry."""
    parts: dict[str, list[Line]] = {}
    entry, own = "", None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            own = parts.setdefault(head[2], [])
            entry = head[2] if head[1] else entry
        elif own is not None and (found := _LINE.match(line)):
            own.append(Line(*found.groups()))
    assert entry, "the text is no program: it has no entry"
    return parts, entry


def _walk(
    parts: dict, part: str, times: float, turns: dict[str, int], found: Census
) -> Iterator[tuple[str, float]]:
    """The computations that run, and how often."""
    yield part, times
    for line in parts[part]:
        if line.does == "while":
            body = _LOOP.search(line.rest)[2]
            many = _turns(line, parts, part, turns)
            if many is None:
                name = _NAME.search(line.rest)
                found.open.add(name[1] if name else line.name)
            yield from _walk(parts, body, times * (1 if many is None else many), turns, found)
        elif line.does in ("call", "conditional"):
            inner = _CALLS.findall(line.rest)
            for branches in _BRANCHES.findall(line.rest):
                inner += [name.strip(" %") for name in branches.split(",")]
            for one in inner:
                yield from _walk(parts, one, times, turns, found)


def _turns(line: Line, parts: dict, part: str, turns: dict[str, int]) -> int | None:
    """How often a loop turns: as the program says, or whoever asks."""
    if known := _TURNS.search(line.rest):
        return int(known[1])
    condition, body = _LOOP.search(line.rest).groups()
    end = _end(parts[condition])
    if end is not None:
        entry, limit = end
        first = _constant(parts[part], _entry(parts[part], _names(line.rest)[0], entry)) or 0
        stride = _stride(parts[body], entry)
        return max(0, -(-(limit - first) // stride))
    name = _NAME.search(line.rest)
    said = [many for word, many in turns.items() if name and word in re.findall(r"\w+", name[1])]
    return said[0] if said else None


def _end(condition: list[Line]) -> tuple[int, int] | None:
    """Which entry of the loop's tuple counts, and below which number it goes on."""
    own = {line.name: line for line in condition}
    last = condition[-1]
    given = _names(last.rest)
    if last.does != "compare" or "direction=LT" not in last.rest or len(given) < 2:
        return None
    counter, many = own.get(given[0]), _constant(condition, given[1])
    entry = _ENTRY.search(counter.rest) if counter else None
    return None if entry is None or many is None else (int(entry[1]), many)


def _stride(body: list[Line], entry: int) -> int:
    """How much is added to an entry of the loop's tuple in one turn."""
    own = {line.name: line for line in body}
    added = own.get(_names(body[-1].rest)[entry])
    numbers = [_constant(body, name) for name in _names(added.rest)] if added else []
    return next((number for number in numbers if number), 1)


def _entry(lines: list[Line], name: str, entry: int) -> str:
    """The name of what stands at one place of a tuple."""
    made = next((line for line in lines if line.name == name and line.does == "tuple"), None)
    return _names(made.rest)[entry] if made else ""


def _constant(lines: list[Line], name: str) -> int | None:
    """The number that a name stands for, if it is one."""
    line = next((line for line in lines if line.name == name), None)
    if line is not None and line.does == "copy":
        return _constant(lines, _names(line.rest)[0])
    is_number = line is not None and line.does == "constant" and line.shape[1:5] == "32[]"
    return int(line.rest.partition(")")[0]) if is_number else None


def _names(rest: str) -> list[str]:
    """What an operation is given."""
    return re.findall(r"%([\w.\-]+)", re.split(r"\)(?:,|$)", rest)[0])


def _collectives(parts: dict, part: str) -> Iterator[tuple[str, str, float]]:
    """The collectives of one computation, those that are fused with other operations too.

    One that is cut into pieces, to hide it behind others, is one channel in several fusions.
    """
    shapes = {line.name: line.shape for line in parts[part]}
    for line in parts[part]:
        kind = line.does.removesuffix("-start")
        if kind in KINDS:
            given = [shapes.get(name, "") for name in _names(line.rest)]
            sizes = [sum(map(_bytes, given)), _bytes(line.shape)]
            if line.does != kind:  # what is begun gives back what it was given, too
                sizes[1] -= sizes[0]
            if part.startswith("all-reduce-scatter"):
                kind = "reduce-scatter"
            channel = _CHANNEL.search(line.rest)
            yield kind, channel[1] if channel else f"{part}/{line.name}", max(sizes)
        elif line.does == "fusion":
            for inner in _CALLS.findall(line.rest):
                yield from _collectives(parts, inner)


def _bytes(shape: str) -> float:
    """Bytes of an array, or of all arrays of a tuple."""
    return sum(_size(*one) for one in _ARRAY.findall(shape))


def _size(dtype: str, extents: str) -> float:
    bits = BITS.get(dtype) or int(re.sub(r"\D", "", dtype))
    return bits / 8 * math.prod(int(one) for one in extents.split(",") if one)
