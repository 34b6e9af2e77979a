"""The installation: which packages, devices and programs this machine has, and what is missing."""

import dataclasses
import glob
import importlib.metadata
import re
import shutil
import sys

from archlab.launch.call import INSTALLED

OLDEST = (3, 11)  # Python
HERE = {"tpu": ("/dev/accel*", "/dev/vfio/[0-9]*"), "cuda": ("/dev/nvidia[0-9]*",)}
SEEN_AS = {"tpu": "tpu", "cuda": "gpu"}  # what JAX calls them


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Args:
      name: of the thing.
      found: what it is; "" where it is missing.
      remedy: what to do about it; "" where nothing has to be done.
      is_needed: whether training does not work without it.
    """

    name: str
    found: str
    remedy: str = ""
    is_needed: bool = False


def packages(package: str = "archlab") -> list[Finding]:
    """Looks for what a package requires, without its extras.

    Args:
      package: that is installed.

    Returns:
      Python, the package, and what it requires, each with its version.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    newer = f"install Python {'.'.join(map(str, OLDEST))} or later"
    found = [Finding("python", version, "" if sys.version_info >= OLDEST else newer, True)]
    try:
        found.append(Finding(package, importlib.metadata.version(package)))
        required = importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        return [*found, Finding(package, "", "`make install` installs it", True)]
    for one in required:
        if "extra ==" not in one:
            found.append(_package(one))
    return found


def _package(requirement: str) -> Finding:
    """Looks for one, of which a requirement names the least version and the first too new."""
    name = re.findall(r"^[\w.-]+", requirement)[0]
    remedy = f"`pip install '{requirement}'` installs it"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "", remedy, True)
    own = _numbers(version)
    least, below = (re.search(rf"{sign}([\d.]+)", requirement) for sign in (">=", "<"))
    is_right = (not least or own >= _numbers(least[1])) and (not below or own < _numbers(below[1]))
    return Finding(name, version, "" if is_right else remedy, True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"^\d+(?:\.\d+)*", version)[0].split(".")))


def devices() -> list[Finding]:
    """Looks for devices, and for those that are here and that JAX does not see.

    Returns:
      What JAX computes on, and each kind of accelerator that it does not use.
    """
    import jax

    try:
        seen = jax.devices()
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        return [Finding("devices", "", f"JAX starts on none of them: {why}", True)]
    kinds = [f"{one.platform} {one.device_kind}".strip() for one in seen]
    said = [f"{kinds.count(kind)} × {kind}" for kind in dict.fromkeys(kinds)]
    found = [Finding("devices", ", ".join(said))]
    for extra, patterns in HERE.items():
        files = [path for pattern in patterns for path in glob.glob(pattern)]
        if files and all(one.platform != SEEN_AS[extra] for one in seen):
            remedy = f"{files[0]} is here; `pip install 'archlab[{extra}]'` lets JAX use it"
            found.append(Finding(SEEN_AS[extra], "", remedy))
    return found


def programs() -> list[Finding]:
    """Looks for the programs that `archlab launch` calls.

    Returns:
      Each with its path.
    """
    found = []
    for name, remedy in INSTALLED.items():
        path = shutil.which(name) or ""
        found.append(Finding(name, path, "" if path else remedy))
    return found
