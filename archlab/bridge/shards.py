"""Arrays in a folder of safetensors files: one file, or shards and an index of them.

Why safetensors alone: what PyTorch and pickle write (.bin, .pt, .pkl) is a program, and reading it
runs it.
"""

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path

import ml_dtypes  # noqa: F401 - by which NumPy knows what BF16 is
import numpy as np

from archlab import form

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = "model-{:05}-of-{:05}.safetensors"
PROGRAMS = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack")
BYTES = 5 * 10**9  # of a shard, as Hugging Face writes them
KINDS = ("F32", "BF16", "F16")  # every one of their values is a float32


class Shards:
    """The arrays of a folder, each read when it is asked for.

    Args:
      folder: holds model.safetensors, or its shards and their index.

    Raises:
      ValueError: there is none, or a shard is missing or damaged.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        files = [WHOLE] if (folder / WHOLE).is_file() else self._indexed()
        self._place = {name: file for file in files for name in self._open(file).keys()}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for name, file in self._place.items():
            self.shapes[name] = tuple(self._open(file).get_slice(name).get_shape())

    def _indexed(self) -> list[str]:
        path = self._folder / INDEX
        if not path.is_file():
            programs = sorted(one.name for one in self._folder.iterdir() if one.suffix in PROGRAMS)
            if programs:
                raise ValueError(
                    f"{self._folder} holds {programs[0]} and no {WHOLE}: such a file is a program, "
                    "and reading it runs it; save it as safetensors where it is trusted"
                )
            raise ValueError(f"{self._folder} holds no {WHOLE} and no {INDEX}")
        files = sorted({*form.read(path, {"weight_map": {str: str}})["weight_map"].values()})
        for file in files:
            if Path(file).name != file or not (self._folder / file).is_file():
                raise ValueError(f"{path} names {file!r}, and {self._folder} holds no such file")
        return files

    @functools.cache  # noqa: B019 - as long as the folder is read
    def _open(self, file: str):
        import safetensors

        path = self._folder / file
        try:
            return safetensors.safe_open(path, framework="np")
        except (safetensors.SafetensorError, OSError) as error:
            raise ValueError(f"{path} is not a whole safetensors file: {error}") from error

    def read(self, name: str) -> np.ndarray:
        """Reads an array.

        Args:
          name: one of `shapes`.

        Returns:
          The array, float32.

        Raises:
          ValueError: it holds no floats.
        """
        file = self._place[name]
        kind = self._open(file).get_slice(name).get_dtype()
        if kind not in KINDS:
            raise ValueError(
                f"{self._folder / file}: {name} is {kind}, and weights are {', '.join(KINDS)}; "
                "quantized ones are to be undone where they were made"
            )
        return self._open(file).get_tensor(name).astype(np.float32)


def write(
    folder: Path,
    shapes: dict[str, tuple[int, ...]],
    array: Callable[[str], np.ndarray],
    most: int = BYTES,
) -> list[str]:
    """Writes arrays, a shard at a time, so that no more than one is ever held.

    Args:
      folder: where to.
      shapes: of each array, by name.
      array: gives an array by its name, float32.
      most: bytes of a shard, unless one array alone has more.

    Returns:
      The names of the files of arrays.
    """
    import safetensors.numpy

    shards: list[list[str]] = [[]]
    held = 0
    for name, shape in shapes.items():
        many = math.prod(shape) * np.dtype(np.float32).itemsize
        if held + many > most and shards[-1]:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += many
    files = [WHOLE]
    if len(shards) > 1:
        files = [SHARD.format(number, len(shards)) for number in range(1, len(shards) + 1)]
        place = {name: file for file, names in zip(files, shards, strict=True) for name in names}
        total = sum(math.prod(shape) for shape in shapes.values()) * np.dtype(np.float32).itemsize
        index = {"metadata": {"total_size": total}, "weight_map": place}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")
    for file, names in zip(files, shards, strict=True):
        # transformers reads no file that does not say for whom it is.
        made = {name: array(name) for name in names}
        safetensors.numpy.save_file(made, folder / file, metadata={"format": "pt"})
    return files
