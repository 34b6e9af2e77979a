"""Shards: how a token store lies in its folder, and what tells that it is as it was written.

00000-00000.bin  tokens of the first documents, one document after another; u16 or u32
00000-00001.bin  … of those that come next
documents.bin    int64: one past the last token of each document, then the bytes of each one's text
manifest.json    counts, and name and digest of every file; written last
verified.json    of a large store, the files that were found to be right, and when they were written

Every JSON file bears the digest of the rest of it, its seal.
"""

import concurrent.futures
import hashlib
import json
import os

from archlab.data.places import File, Place

MANIFEST, INDEX, VERIFIED = "manifest.json", "documents.bin", "verified.json"
FORMAT = 1
LARGE = 4 * 2**30  # bytes; above it, a file that was right is not read again until it is written
NEEDED = {"format", "tokens", "documents", "width", "size", "sha256", "shards", "index"}
SEAL = "seal"


def sealed(content: dict) -> bytes:
    """Writes JSON that bears its own digest.

    Args:
      content: what it says.

    Returns:
      The file.
    """
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return (json.dumps({**content, SEAL: seal}, indent=1) + "\n").encode()


def unsealed(raw: bytes) -> dict:
    """Reads JSON that bears its own digest.

    Args:
      raw: the file.

    Returns:
      What it says.

    Raises:
      ValueError: one bit of it is another, or it is no such file.
    """
    content = json.loads(raw)
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    content.pop(SEAL, None)
    if sealed(content) != raw:
        raise ValueError("it has changed since it was written")
    return content


def manifest(place: Place) -> dict:
    """Reads what a store says of itself.

    Args:
      place: of the store.

    Returns:
      Counts, and each shard's "file", "documents", "tokens" and "sha256".

    Raises:
      ValueError: there is no store, or its manifest has changed since it was written.
    """
    try:
        found = unsealed(place.read(MANIFEST))
        missing = NEEDED - {*found}
        if missing or found["format"] != FORMAT:
            what = f"does not say {', '.join(sorted(missing))}" if missing else "is of another form"
            raise ValueError(f"its manifest {what}")
        return found
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{place.path} is no token store ({MANIFEST}: {error}); delete it, and it is made again"
        ) from error


def sizes(said: dict) -> dict[str, tuple[int, str]]:
    """Lists the files of a store.

    Args:
      said: its manifest.

    Returns:
      Bytes and digest of each, by name; the index is the last.
    """
    width = said["width"]
    files = {one["file"]: (one["tokens"] * width, one["sha256"]) for one in said["shards"]}
    return files | {INDEX: (said["documents"] * 16, said["index"])}


def misshapen(place: Place, said: dict) -> dict[str, str]:
    """Finds files that are missing or of another size, without reading any.

    Args:
      place: of the store.
      said: its manifest.

    Returns:
      What is wrong, by name of the file.
    """
    there = place.files()
    wrong = {}
    for name, (size, _) in sizes(said).items():
        if name not in there:
            wrong[name] = "is missing"
        elif there[name].size != size:
            wrong[name] = f"holds {there[name].size:,} bytes and should hold {size:,}"
    return wrong


def broken(place: Place, said: dict, is_all: bool = False) -> dict[str, str]:
    """Finds files that are not as they were written.

    Args:
      place: of the store.
      said: its manifest.
      is_all: whether every file is read. Otherwise, of a store above `LARGE`, a file that was right
        before, and was not written since, is taken to be right.

    Returns:
      What is wrong, by name of the file.
    """
    wrong, there = misshapen(place, said), place.files()
    wanted = {name: digest for name, (_, digest) in sizes(said).items() if name not in wrong}
    is_large = not is_all and sum(size for size, _ in sizes(said).values()) > LARGE
    known = _remembered(place) if is_large else {}
    unread = [name for name in wanted if known.get(name) != there[name].mark]
    # Digests are reckoned without the interpreter's lock.
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for name, found in zip(unread, threads.map(place.digest, unread), strict=True):
            if found != wanted[name]:
                wrong[name] = "has changed since it was written"
    if is_large and unread:
        _remember(place, {name: there[name] for name in wanted if name not in wrong})
    return wrong


def _remembered(place: Place) -> dict[str, str]:
    try:
        return unsealed(place.read(VERIFIED))
    except (OSError, ValueError):
        return {}


def _remember(place: Place, files: dict[str, File]) -> None:
    try:
        place.write(VERIFIED, sealed({name: file.mark for name, file in files.items()}))
    except OSError:
        return  # a store that one may not write to is read again each time
