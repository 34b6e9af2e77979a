import json

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from archlab.bridge import shards
from archlab.bridge.shards import Shards

ARRAYS = {
    name: np.random.default_rng(number).normal(size=shape).astype(np.float32)
    for number, (name, shape) in enumerate({"a": (3, 4), "b": (5,), "c": (2, 2, 2)}.items())
}
SHAPES = {name: one.shape for name, one in ARRAYS.items()}


@pytest.mark.parametrize(
    "most, files",
    [
        (10**9, ["model.safetensors"]),
        (68, ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]),
        (1, [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]),
    ],
)
def test_arrays_come_back_from_one_file_or_several(tmp_path, most, files):
    assert shards.write(tmp_path, SHAPES, ARRAYS.__getitem__, most) == files
    found = Shards(tmp_path)
    assert found.shapes == SHAPES
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.read(name), array)
    for file in files:  # the library itself reads them
        own = safetensors.numpy.load_file(tmp_path / file)
        assert sum(one.nbytes for one in own.values()) <= max(most, 48)
    if len(files) > 1:
        index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
        assert index["metadata"]["total_size"] == sum(one.nbytes for one in ARRAYS.values())
        assert (
            sorted({*index["weight_map"].values()}) == files
            and index["weight_map"].keys() == SHAPES.keys()
        )


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_halves_are_widened_exactly(tmp_path, dtype):
    narrow = ARRAYS["a"].astype(dtype)
    safetensors.numpy.save_file({"a": narrow}, tmp_path / "model.safetensors")
    found = Shards(tmp_path).read("a")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, narrow.astype(np.float64))


def test_what_is_no_float_is_refused(tmp_path):
    safetensors.numpy.save_file({"q": np.ones(3, np.int8)}, tmp_path / "model.safetensors")
    found = Shards(tmp_path)  # what a model has no use for may be anything
    with pytest.raises(ValueError, match=r"q is I8, and weights are F32, BF16, F16; quantized"):
        found.read("q")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl", "model.ckpt"])
def test_programs_are_refused_and_not_opened(tmp_path, name):
    (tmp_path / name).mkdir()  # which cannot be opened at all
    with pytest.raises(ValueError, match=f"holds {name} and no model.safetensors: such a file is"):
        Shards(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no model.safetensors and no model.safetensors.ind"):
        Shards(tmp_path)


@pytest.mark.parametrize("file", ["../model.safetensors", "/etc/passwd", "gone.safetensors", ""])
def test_an_index_names_only_files_that_are_beside_it(tmp_path, file):
    folder = tmp_path / "inner"
    folder.mkdir()
    safetensors.numpy.save_file(ARRAYS, tmp_path / "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": file}}))
    with pytest.raises(ValueError, match="holds no such file"):
        Shards(folder)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "{"]
)
def test_an_index_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ValueError, match="model.safetensors.index.json"):
        Shards(tmp_path)


def test_a_file_that_is_not_whole_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(ARRAYS, path)
    whole = path.read_bytes()
    for content in (b"", whole[:5], whole[:-1], b"\xff" * 8 + whole[8:], whole + b"0"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="model.safetensors is not a whole safetensors file"):
            Shards(tmp_path)
