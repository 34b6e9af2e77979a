"""The user's own Python, named on the command line: it registers tasks and staged mixtures."""

import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from archlab.spelling import beside, nearest

DIGITS = 16  # of a digest; enough to tell two files apart


def load(module: str, known: Callable[[], Iterable[str]] = tuple) -> None:
    """Runs a module, once.

    Args:
      module: its name, looked for here first, or the path of a .py file.
      known: asked, when it fails, for names that it may have meant.

    Raises:
      ValueError: it is not there, or fails; with the line.
    """
    try:
        here = os.getcwd()
        if here not in sys.path:  # where it finds what it imports, after Python's own
            sys.path.append(here)
        if not module.endswith(".py"):
            with _first(here):
                importlib.import_module(module)
            return
        path = Path(module).resolve()
        if getattr(sys.modules.get(path.stem), "__file__", None) == str(path):
            return
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec and spec.loader  # as of every .py file, whether it is there or not
        made = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = made
        try:
            spec.loader.exec_module(made)
        except BaseException:
            del sys.modules[path.stem]
            raise
    except (Exception, SystemExit) as error:  # whatever a user's file raises is the user's to mend
        raise ValueError(
            f"--module {module}{_line(error, find(module))}: {type(error).__name__}: {error}"
            f"{_meant(error, module, known)}"
        ) from error


def find(module: str) -> Path | None:
    """Finds the file of a module, without running anything.

    Args:
      module: as for `load`.

    Returns:
      The path; None if it is not there, or is no Python source.
    """
    if module.endswith(".py"):
        choices = [Path(module)]
    else:
        below = module.replace(".", "/")
        ends = (f"{below}.py", f"{below}/__init__.py")
        choices = [Path(place, end) for place in (os.getcwd(), *sys.path) for end in ends]
    return next((choice.resolve() for choice in choices if choice.is_file()), None)


def files(module: str) -> list[Path]:
    """Finds what a module is made of, without running it.

    Args:
      module: as for `load`.

    Returns:
      Its file, or all files of a package; what they import from elsewhere is not looked for.
    """
    path = find(module)
    if path is None:
        return []
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]


def marks(modules: Iterable[str]) -> list[str]:
    """Tells modules by what they hold, however their paths are spelled.

    Example:
      marks(["./my_tasks.py"])   is ["my_tasks 3f0a9c2b77d1e805"]

    Args:
      modules: as for `load`.

    Returns:
      A mark for each.
    """
    found = [(module.removesuffix(".py"), find(module)) for module in modules]
    return [
        f"{path.stem} {hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]}" if path else name
        for name, path in found
    ]


@contextlib.contextmanager
def _first(folder: str) -> Iterator[None]:
    """Has Python look into a folder before all others, for as long as it is entered."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _line(error: BaseException, path: Path | None) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""


def _meant(error: BaseException, module: str, known: Callable[[], Iterable[str]]) -> str:
    if module.endswith(".py") and not Path(module).exists():
        return beside(module)
    if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
        meant = nearest(module, [one.stem for one in Path().glob("*.py")])
        return meant if meant.startswith(",") else ""
    # Registries of other packages say what they do not know last, and not what they do know.
    word = str(error).split()[-1:]
    meant = nearest(word[0].strip("'\"."), known()) if word else ""
    return meant if meant.startswith(",") else ""
