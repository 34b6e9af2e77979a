"""Checks that names tell the truth: an array called `x_BLD` has three dimensions, and in one
function every letter has one extent.

A profile hook looks at the locals of every archlab function when it returns, so nothing in the
package knows of it. Under `jax.eval_shape` that costs no arithmetic.
"""

import collections
import contextlib
import dataclasses
import gc
import sys
from pathlib import Path

import archlab
from archlab import axes

PACKAGE = Path(archlab.__file__).parent


@dataclasses.dataclass(frozen=True)
class Shaped:
    """A shape, where an array is expected.

    Args:
      shape: its extents.
    """

    shape: tuple[int, ...]


@dataclasses.dataclass
class Seen:
    """What the hook saw.

    Args:
      known: extents that letters have wherever they appear; the others are held equal within a
        function only.
      wrong: names that lie, with where and how; empty is good.
      checked: arrays looked at, by module ("model/layers").
      names: (code object, local) of each array looked at.
    """

    known: dict[str, int]
    wrong: set[str] = dataclasses.field(default_factory=set)
    checked: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    names: set = dataclasses.field(default_factory=set)

    def look(self, code, variables: dict) -> None:
        """Checks the locals of one function, and the fields of the dataclasses among them."""
        module = str(Path(code.co_filename).relative_to(PACKAGE).with_suffix(""))
        where = f"{module}:{code.co_qualname}"
        self._agree(where, module, variables, code)
        for name, value in variables.items():
            if dataclasses.is_dataclass(value) and type(value).__module__.startswith("archlab."):
                fields = dataclasses.fields(value)
                held = {field.name: getattr(value, field.name, None) for field in fields}
                self._agree(f"{where}: {name}", module, _one(held), None)

    def _agree(self, where: str, module: str, variables: dict, code) -> None:
        extents: dict[str, tuple[int, str]] = {}
        for letter, extent in self.known.items():
            extents[letter] = (extent, "the size")
        for name, value in variables.items():
            letters, shape = axes.letters(name), getattr(value, "shape", None)
            if not letters or not isinstance(shape, tuple):
                continue
            self.checked[module] += 1
            if code is not None:
                self.names.add((code, name))
            if len(shape) != len(letters):
                self.wrong.add(f"{where}: {name} has shape {shape}")
                continue
            for letter, extent in zip(letters, shape, strict=True):
                if extent == 1:  # broadcasts, and stands for any
                    continue
                before, other = extents.setdefault(letter, (extent, name))
                if extent != before:
                    self.wrong.add(
                        f"{where}: {letter} is {extent} in {name} {shape}, and {before} in {other}"
                    )


def _one(fields: dict) -> dict:
    """The fields of one of several dataclasses that were stacked, as for a scan, or as they are.

    Only where each array has the same dimension more than its letters say, and it is outermost.
    """
    shapes = {
        name: value.shape
        for name, value in fields.items()
        if axes.letters(name) and isinstance(getattr(value, "shape", None), tuple)
    }
    more = {
        shape[0] if len(shape) == len(axes.letters(name)) + 1 else None
        for name, shape in shapes.items()
    }
    if len(more) != 1 or None in more:
        return fields
    return {name: Shaped(shape[1:]) for name, shape in shapes.items()}


@contextlib.contextmanager
def watched(**known: int):
    """Checks every archlab function that returns meanwhile, in this thread.

    Args:
      **known: extents that letters have everywhere, such as D=16.

    Returns:
      A context that gives a `Seen`.
    """
    seen = Seen(known)
    inside = str(PACKAGE) + "/"

    def hook(frame, event, argument):
        if event == "return" and frame.f_code.co_filename.startswith(inside):
            seen.look(frame.f_code, frame.f_locals)

    before = sys.getprofile()
    gc.disable()  # a forgotten generator that is closed meanwhile would return here
    sys.setprofile(hook)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        gc.enable()
