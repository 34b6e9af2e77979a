"""A task of ten lines, as a user writes it, trains from the cache and as a stream."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, prepare
from archlab.data.row import PAIR

TASK = """
import seqio
from seqio.preprocessors import append_eos, tokenize
from t5.data.preprocessors import span_corruption
feature = seqio.Feature(seqio.ByteVocabulary(extra_ids=100), required=False)
lines = seqio.TextLineDataSource({"train": "FOLDER/train.txt", "validation": "FOLDER/held.txt"})
named = lambda dataset: dataset.map(lambda line: {"targets": line})
steps = [named, tokenize, seqio.CacheDatasetPlaceholder(), span_corruption, append_eos]
features = {"inputs": feature, "targets": feature}
seqio.TaskRegistry.add("verses", source=lines, preprocessors=steps, output_features=features)
"""
LINES = [f"line {number} of a poem that goes on and on" for number in range(200)]
FIRST = 358  # the id of T5's first sentinel: bytes, pad, end, unknown and a hundred ids


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """The user's folder, with the text and the module."""
    folder = tmp_path_factory.mktemp("verses")
    (folder / "train.txt").write_text("\n".join(LINES))
    (folder / "held.txt").write_text("\n".join(reversed(LINES[:30])))
    (folder / "verses.py").write_text(TASK.replace("FOLDER", str(folder)))
    return folder


def test_the_task_has_ten_lines():
    assert len(TASK.strip().splitlines()) <= 10


@pytest.mark.parametrize("road", ["", "streaming"])
def test_ten_lines_train(user, tmp_path, road):
    data = Data(road=road, cache=str(tmp_path))
    recipe = prepare(["verses"], data, (str(user / "verses.py"),)).wait()["verses"]
    assert recipe.roads == [road or "windows"]
    assert recipe.has("train") and recipe.has("validation")
    for split in ("train", "validation") if road != "streaming" else ("train",):
        rows = Rows(recipe, 64, 16, PAIR, seed=0, stage=0, split=split)
        with contextlib.closing(rows):
            assert any("streamed" in said for said in rows.warnings) == (road == "streaming")
            batch = rows.batch(0, 8)
            again = rows.batch(2, 3)
        read, said = batch.encoder.tokens_BL, batch.target_BL
        assert np.array_equal(read[2:5], again.encoder.tokens_BL)
        assert np.array_equal(said[2:5], again.target_BL)
        text = "".join(chr(token - 3) for token in read[0] if 3 <= token < 259)
        assert "ine" in text or "of" in text
        assert np.all(read[:, :].max(axis=1) == FIRST) and np.all(said[:, 0] == FIRST)
        # T5's lengths: 64 inputs come with as many targets as its helper says.
        assert np.all(read != 0) and len({tuple(row) for row in (said != 0).tolist()}) == 1
    if road != "streaming":
        tokens = sum(len(line) + 1 for line in LINES)
        assert [store.tokens for store in recipe.stores("train")] == [tokens]
        assert Path(recipe.stores("train")[0].path).is_relative_to(tmp_path)
