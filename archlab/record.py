"""The record: what a run was and did, one JSON object a line, only ever added to.

Reports and plots know nothing else of a run. A resumed run repeats steps; whoever reads takes the
later line, but keeps every start. JSON has no word for numbers that are not finite; they are
written as protobuf writes them, "NaN", "Infinity" and "-Infinity", and a text that is one of these
words is read as the number.
"""

import json
import math
import time
from pathlib import Path

from archlab.form import parsed, wrong

SPOTS = ("kind", "stage", "step")  # what a later line replaces an earlier one by
ODD = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


class Record:
    """Writes lines to a record.

    A run that is killed while it writes leaves part of a line. That part is taken off, so that
    every line above the last is whole, for any reader of JSON lines.

    Args:
      path: of the file; made if it is not there, added to if it is.
      tensorboard: folder for TensorBoard files of the same numbers; None writes none.
    """

    def __init__(self, path: Path, tensorboard: Path | None = None):
        self._board = None
        if tensorboard is not None:
            from tensorboardX import SummaryWriter

            self._board = SummaryWriter(str(tensorboard))
        if path.exists():
            _mend(path)
        self._file = open(path, "a", encoding="utf-8")

    def write(self, kind: str, **fields) -> None:
        """Adds a line.

        Args:
          kind: "start", "train", "evaluate" or "end".
          fields: JSON-able. Those that are numbers go to TensorBoard too, at `total_step`.
        """
        line = {"kind": kind, "time": time.time(), **_plain(fields)}
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
        if self._board is not None and "total_step" in fields:
            for name, value in _scalars(fields):
                self._board.add_scalar(f"{kind}/{name}", value, fields["total_step"])
            self._board.flush()

    def close(self) -> None:
        """Ends the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _scalars(fields: dict, above: str = ""):
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _scalars(value, f"{above}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{above}{name}", value


def read(path: Path, forms: dict = {}) -> list[dict]:  # noqa: B006 - read, and never written to
    """Reads a record, each step once.

    Args:
      path: of the file.
      forms: of the lines of a kind, by kind (`form.wrong`); lines of another hold anything.

    Returns:
      The lines in the order of their first writing, each with what was written last; numbers that
      are not finite are floats again.

    Raises:
      ValueError: it is not there, or a line has another form, or is broken and not the last.
    """
    if not path.is_file():
        raise ValueError(f"{path.parent} holds no {path.name}; is it a run directory?")
    lines = path.read_bytes().split(b"\n")
    found: dict[tuple, dict] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = _parsed(line)
        except ValueError as broken:
            if number == len(lines):  # the run was killed here, or is writing right now
                break
            raise ValueError(f"{path}:{number} {broken}") from None
        fields, kind = _odd(fields), fields["kind"]
        if (where := wrong(fields, forms.get(kind, {}))) is not None:
            raise ValueError(f"{path}:{number}: {where} of this {kind!r} line is missing or odd")
        spot = tuple(str(fields.get(name)) for name in SPOTS)
        found[(*spot, number) if kind == "start" else spot] = fields
    return list(found.values())


def _mend(path: Path) -> None:
    with open(path, "r+b") as file:
        content = file.read()
        last = content[content.rfind(b"\n") + 1 :]
        if not last:
            return
        try:
            _parsed(last)
        except ValueError:
            file.truncate(len(content) - len(last))
        else:
            file.write(b"\n")  # nothing but the end of the line was lost


def _parsed(line: bytes) -> dict:
    fields = parsed(line)
    if not isinstance(fields, dict) or not isinstance(fields.get("kind"), str):
        raise ValueError("is no line of a record: it has no kind")
    return fields


def _odd(value):
    if isinstance(value, dict):
        return {name: _odd(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_odd(inner) for inner in value]
    return ODD.get(value, value) if isinstance(value, str) else value
