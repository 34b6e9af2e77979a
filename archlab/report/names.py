"""Names: what runs are called in a report."""

import os
from pathlib import Path


def given(folders: list[Path]) -> dict[Path, str]:
    """Names runs after their folders, with as many parents as tell them apart.

    Example:
      >>> given([Path("/a/small"), Path("/b/small"), Path("/b/large")]).values()
      dict_values(['a/small', 'b/small', 'large'])

    Args:
      folders: run directories; one that is given twice counts once.

    Returns:
      The name of each.
    """
    once: dict[str, Path] = {}
    for folder in folders:
        once.setdefault(os.path.realpath(folder), folder)
    kept = list(once.values())
    parts = [Path(os.path.abspath(folder)).parts for folder in kept]
    named = {}
    for folder, own in zip(kept, parts, strict=True):
        depth = 1
        while sum(other[-depth:] == own[-depth:] for other in parts) > 1:
            depth += 1
        named[folder] = "/".join(own[-depth:])
    return named
