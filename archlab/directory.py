"""The run directory: what stands in it, and which run may write in it.

  config.gin      the experiment as it was read, includes and overrides in one file
  config.json     every setting, resolved
  manifest.json   versions, devices, git, data
  metrics.jsonl   the record
  examples.json   what it learns from, as its model saw it
  checkpoints/    by total step
  tensorboard/    when asked

A directory belongs to one run, from the moment that the manifest is in it: it is written last, when
everything has been checked. Started again, the run goes on; started with another setting, it is
refused, unless the setting is one that may change: it then changes what is written down or where
the work is done, and not what is learnt.
"""

import collections
import contextlib
import fcntl
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

MAY_CHANGE = (
    "run.record_every",
    "run.save_every",
    "run.evaluate_every",
    "run.evaluate_rows",
    "run.keep",
    "run.tensorboard",
    "run.expect",
    "run.mesh.",
    "run.data.cache",
    "run.data.broken_shards",
    "run.remat",
    "run.unroll",
    "run.attention",
)
LOCK = ".lock"
OWN = (LOCK, "config.gin", "config.tmp", "manifest.tmp")  # what a run leaves that never began
VERSIONED = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "gin-config", "grain"),
    *("seqio", "t5", "tensorflow", "tensorflow-datasets", "sentencepiece", "tokenizers"),
)


def flat(settings: object, prefix: str = "") -> dict[str, object]:
    """Writes nested settings as one level.

    Example:
      >>> flat({"run": {"seed": 0, "stages": [{"rows": 8}]}})
      {'run.seed': 0, 'run.stages.0.rows': 8}

    Args:
      settings: nested dicts and lists.
      prefix: put before every name.

    Returns:
      Each value by its dotted name.
    """
    if isinstance(settings, dict):
        pairs: Iterable[tuple[object, object]] = settings.items()
    elif isinstance(settings, list | tuple):
        pairs = enumerate(settings)
    else:
        return {prefix: settings}
    found: dict[str, object] = {}
    for name, value in pairs:
        found |= flat(value, f"{prefix}.{name}" if prefix else str(name))
    return found


@contextlib.contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Keeps other processes from writing in a run directory, while it is entered.

    Where nothing was written in it, it leaves what was there before.

    Args:
      folder: the run directory; made if it is not there.

    Raises:
      ValueError: it is a file, it holds something that is no run, or a process is writing in it.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; --out names a directory")
    if folder.is_dir() and not (folder / "config.json").exists():
        strange = sorted(path.name for path in folder.iterdir() if path.name not in OWN)
        if strange:
            raise ValueError(
                f"{folder} is not a run directory: it holds {strange[0]} and no config.json; "
                "name another with --out"
            )
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as left:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
        left.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_held = os.fstat(lock).st_nlink > 0  # or whoever held it took the file away
        except BlockingIOError:
            is_held = False
        if not is_held:
            raise ValueError(f"another process is training in {folder}; wait for it or stop it")
        left.callback(_unmake, folder, made)
        yield


def _unmake(folder: Path, made: list[Path]) -> None:
    """Removes the lock where there is nothing else, and the directories that were made for it."""
    with contextlib.suppress(OSError):  # somebody has put something there, or taken it away
        if [one.name for one in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            for one in made:
                one.rmdir()


def compare(folder: Path, config: dict) -> list[str]:
    """Compares the settings of a run with those it began with; writes nothing.

    Args:
      folder: the run directory.
      config: every setting, JSON-able.

    Returns:
      The settings that were changed and may be, as "name: old → new"; none if it has not begun.

    Raises:
      ValueError: the directory holds another experiment, or a setting that must not change did.
    """
    if not any((folder / name).exists() for name in ("manifest.json", "checkpoints")):
        return []
    old, new = read(folder / "config.json"), json.loads(json.dumps(config))
    if old.get("experiment") != new.get("experiment"):
        raise ValueError(
            f"{folder} holds another run, of {old.get('experiment')}; "
            f"name another directory for {new.get('experiment')} with --out"
        )
    said = _differences(old, new)
    refused = [line for name, line in said.items() if not name.startswith(MAY_CHANGE)]
    if refused:
        raise ValueError(
            f"{folder} holds a run with other settings, which cannot change once it has begun: "
            f"{'; '.join(refused)}; set them back, or name another directory with --out"
        )
    return list(said.values())


def settle(folder: Path, config: dict, gin_text: str, manifest: dict) -> list[str]:
    """Writes down what a run is; one that goes on keeps its first manifest.

    Args:
      folder: the run directory.
      config: every setting, JSON-able, as `compare` has let pass.
      gin_text: the experiment in one file.
      manifest: what the run is made with now, and its text's digests by mixture, as "data".

    Returns:
      What it is made with now and was not when it began, as "name: old → new".

    Raises:
      ValueError: the text is not what the run began with.
    """
    path, changed = folder / "manifest.json", []
    if path.exists():
        kept = read(path)
        _check_text(folder, kept.get("data", {}), manifest["data"])
        changed = list(_differences(_made(kept), _made(manifest)).values())
    (folder / "config.gin").write_text(gin_text)
    write(folder / "config.json", config)
    if not path.exists():
        write(path, manifest)
    return changed


def _differences(old: dict, new: dict) -> dict[str, str]:
    before, after = flat(old), flat(new)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: f"{name}: {before.get(name)} → {after.get(name)}" for name in names}


def _made(manifest: dict) -> dict:
    kinds = collections.Counter(manifest.get("devices", []))
    devices = ", ".join(f"{many} × {kind}" for kind, many in kinds.items())
    return {**manifest.get("versions", {}), "python": manifest.get("python"), "devices": devices}


def _check_text(folder: Path, kept: dict, data: dict) -> None:
    for name, digest in data.items():
        if kept.get(name, digest) != digest:
            raise ValueError(
                f"the text of {name} has changed since {folder} began: {kept[name][:12]} → "
                f"{digest[:12]}; put the old text back, or name another directory with --out"
            )


def made_with(devices: list[str]) -> dict:
    """Collects what a process trains with.

    Args:
      devices: their names.

    Returns:
      Python, platform, versions, devices, git commit; JSON-able.
    """
    versions = {}
    for name in VERSIONED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
        "devices": devices,
        "git": _git(),
    }


def read(path: Path) -> dict:
    """Reads a file that `write` wrote.

    Args:
      path: of the file.

    Returns:
      Its content.

    Raises:
      ValueError: it is not there, or is not what was written.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is not there, and what is beside it needs it") from None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: it is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: it holds no names")
    return found


def write(path: Path, content: dict) -> None:
    """Writes JSON so that a reader never sees half of it.

    Args:
      path: of the file.
      content: JSON-able.
    """
    half = path.with_suffix(".tmp")
    half.write_text(json.dumps(content, indent=2) + "\n")
    half.replace(path)


def _git() -> str:
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"
