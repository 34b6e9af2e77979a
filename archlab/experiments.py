"""Where experiments are: words in `gin/`, sentences in `experiments/`, found by name or by path."""

from pathlib import Path

from archlab.spelling import nearest


def home() -> Path:
    """Finds the directory that holds `gin/` and `experiments/`.

    Returns:
      The checkout, or where the package was installed.

    Raises:
      ValueError: there is none.
    """
    package = Path(__file__).resolve().parent
    # An installer puts them below what it installs to: an environment, a home, or any folder.
    shares = [above / "share" / "archlab" for above in package.parents]
    for place in (package.parent, *shares):
        if (place / "gin" / "size").is_dir() and (place / "experiments").is_dir():
            return place
    raise ValueError(f"no gin/ and experiments/ beside {package}, or in share/; install again")


def find(experiment: str | Path) -> Path:
    """Finds an experiment's file.

    Args:
      experiment: path of a .gin file, or the name of one in `experiments/`.

    Returns:
      The path.

    Raises:
      ValueError: it is not there, with the nearest that is.
    """
    return _found(experiment, "experiments", "experiment")


def suite(name: str | Path) -> Path:
    """Finds a suite's file.

    Args:
      name: path of a .gin file, or the name of one in `gin/suite/`.

    Returns:
      The path.

    Raises:
      ValueError: it is not there, with the nearest that is.
    """
    return _found(name, "gin/suite", "suite")


def place(name: str | Path) -> Path:
    """Finds the file of a place where runs are launched.

    Args:
      name: path of a .gin file, or the name of one in `gin/place/`.

    Returns:
      The path.

    Raises:
      ValueError: it is not there, with the nearest that is.
    """
    return _found(name, "gin/place", "place")


def _found(name: str | Path, folder: str, what: str) -> Path:
    path, known = Path(name), home() / folder
    if path.suffix == ".gin" and path.is_file():
        return path
    named = known / f"{path.name.removesuffix('.gin')}.gin"
    if named.is_file() and path.parent in (Path("."), Path(folder)):
        return named
    article = "an" if what[0] in "aeiou" else "a"
    is_something = str(name) != ""  # which a path takes for this directory
    if is_something and path.is_dir():
        raise ValueError(f"{name} is a directory; {article} {what} is a .gin file")
    if is_something and path.exists():
        why = "its name would end in .gin" if path.is_file() else "it is no file"
        raise ValueError(f"{name} is no {what}; {why}")
    there = {one.stem for folder in (known, path.parent) for one in folder.glob("*.gin")}
    raise ValueError(f"no {what} {str(name)!r}{nearest(path.stem, there)}")


def headline(path: Path) -> str:
    """Reads what a gin file says it is.

    Args:
      path: of the file.

    Returns:
      Its first comment, up to the first full stop or the end of the line.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            return line.lstrip("# ").split(". ")[0].rstrip(".")
    return ""
