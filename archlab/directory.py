"""The run directory: what stands in it, and which run may write in it.

  config.gin      the experiment as it was read, includes and overrides in one file
  config.json     every setting, resolved
  manifest.json   versions, devices, git, data
  metrics.jsonl   the record
  checkpoints/    by total step
  tensorboard/    when asked

A directory belongs to one run. Started again, the run goes on; started with another setting, it is
refused, unless the setting is one that may change: it then changes what is written down or where
the work is done, and not what is learnt.
"""

import fcntl
import importlib.metadata
import json
import os
import platform
import subprocess
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
)
VERSIONED = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "gin-config", "seqio")


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
        pairs = settings.items()
    elif isinstance(settings, list | tuple):
        pairs = enumerate(settings)
    else:
        return {prefix: settings}
    found: dict[str, object] = {}
    for name, value in pairs:
        found |= flat(value, f"{prefix}.{name}" if prefix else str(name))
    return found


def claim(folder: Path) -> int:
    """Keeps a second process from writing in a run directory, until this one ends.

    Args:
      folder: the run directory; made if it is not there.

    Returns:
      The lock, an open file descriptor; closing it lets go.

    Raises:
      ValueError: it is a file, it holds something that is no run, or a process is writing in it.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; --out names a directory")
    if folder.is_dir() and not (folder / "config.json").exists():
        strange = sorted(path.name for path in folder.iterdir() if path.name != ".lock")
        if strange:
            raise ValueError(
                f"{folder} is not a run directory: it holds {strange[0]} and no config.json; "
                "name another with --out"
            )
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ValueError(
            f"another process is training in {folder}; wait for it or stop it"
        ) from None
    return lock


def settle(folder: Path, config: dict, gin_text: str) -> list[str]:
    """Writes the settings of a new run down, or compares an old run's.

    Args:
      folder: the run directory.
      config: every setting, JSON-able.
      gin_text: the experiment in one file.

    Returns:
      The settings that were changed and may be, as "name: old → new".

    Raises:
      ValueError: the directory holds another experiment, or a setting that must not change did.
    """
    path = folder / "config.json"
    new = json.loads(json.dumps(config))
    changed = []
    if path.exists():
        old = json.loads(path.read_text())
        if old.get("experiment") != new.get("experiment"):
            raise ValueError(
                f"{folder} holds another run, of {old.get('experiment')}; "
                f"name another directory for {new.get('experiment')} with --out"
            )
        before, after = flat(old), flat(new)
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        said = {name: f"{name}: {before.get(name)} → {after.get(name)}" for name in names}
        refused = [said[name] for name in names if not name.startswith(MAY_CHANGE)]
        if refused:
            raise ValueError(
                f"{folder} holds a run with other settings, which cannot change once it has begun: "
                f"{'; '.join(refused)}; set them back, or name another directory with --out"
            )
        changed = list(said.values())
    (folder / "config.gin").write_text(gin_text)
    write(path, new)
    return changed


def check_data(folder: Path, data: dict) -> None:
    """Refuses to go on with other text than the run began with.

    Args:
      folder: the run directory, with its manifest.
      data: digests by mixture, as the pipeline gives them.

    Raises:
      ValueError: a digest differs from the manifest's.
    """
    kept = json.loads((folder / "manifest.json").read_text())["data"]
    for name, digest in data.items():
        if kept.get(name, digest) != digest:
            raise ValueError(
                f"the text of {name} has changed since {folder} began: {kept[name][:12]} → "
                f"{digest[:12]}; put the old text back, or name another directory with --out"
            )


def manifest(devices: list[str], data: dict, vocabulary: dict) -> dict:
    """Collects what a run was made with.

    Args:
      devices: their names.
      data: digests by mixture.
      vocabulary: its specification.

    Returns:
      Versions, devices, git commit, data; JSON-able.
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
        "data": data,
        "vocabulary": vocabulary,
    }


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
