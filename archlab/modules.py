"""The user's own Python, named on the command line: it registers tasks and staged mixtures."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path


def load(module: str) -> None:
    """Runs a module, once.

    Args:
      module: its name, looked for here first, or the path of a .py file.

    Raises:
      ValueError: it is not there, or fails.
    """
    try:
        if not module.endswith(".py"):
            if os.getcwd() not in sys.path:
                sys.path.insert(0, os.getcwd())
            importlib.import_module(module)
            return
        path = Path(module).resolve()
        if getattr(sys.modules.get(path.stem), "__file__", None) == str(path):
            return
        spec = importlib.util.spec_from_file_location(path.stem, path)
        made = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = made
        try:
            spec.loader.exec_module(made)
        except BaseException:
            del sys.modules[path.stem]
            raise
    except Exception as error:  # whatever a user's file raises is the user's to mend
        raise ValueError(f"--module {module}: {type(error).__name__}: {error}") from error


def files(module: str) -> list[Path]:
    """Finds the files of a module, without running it.

    Args:
      module: see `load`.

    Returns:
      Its own file, or all files of a package; those that it imports from elsewhere are not looked
      for. None where it is not found.
    """
    path = Path(module if module.endswith(".py") else module.replace(".", "/"))
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    path = path.with_suffix(".py")
    return [path] if path.is_file() else []
