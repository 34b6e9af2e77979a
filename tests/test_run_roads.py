"""A user's own SeqIO tasks train by their names, whichever road leads to their rows."""

import dataclasses
import json

import pytest

from archlab import record
from archlab import run as runs
from tests import corpus, shared
from tests.test_run import assert_same, killed_at

# As a user would write it: ten lines, and nothing of archlab's in them.
MINE = """
import seqio, tensorflow as tf
from t5.data import preprocessors as t5
V = seqio.ByteVocabulary(extra_ids=100)
features = {name: seqio.Feature(V, add_eos=True, required=False) for name in ("inputs", "targets")}
source = seqio.TextLineDataSource({"train": FILE, "validation": FILE})
def both(lines): return lines.map(lambda line: {"inputs": line, "targets": line})
def odd(examples): return examples.filter(lambda one: tf.size(one["targets"]) % 2 == 1)
begin = [both, seqio.preprocessors.tokenize, seqio.CacheDatasetPlaceholder()]
end = [seqio.preprocessors.append_eos_after_trim]
for name, steps in [("mine", [t5.span_corruption]), ("copied", []), ("odd", [odd])]:
    seqio.TaskRegistry.add(name, source, features, [*begin, *steps, *end])
"""
ROADS = {"mine": "windows", "copied": "examples", "odd": "streaming"}


@pytest.fixture(autouse=True)
def one_device():
    """Meshes are tried elsewhere."""
    with shared.one_device():
        yield


@pytest.fixture(scope="module", autouse=True)
def programs_are_shared():
    with shared.programs():
        yield


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    home = tmp_path_factory.mktemp("mine")
    lines = [" ".join(corpus.WORDS[number % 7 : number % 7 + 3]) for number in range(90)]
    (home / "lines.txt").write_text("\n".join(lines) + "\n")
    (home / "mine.py").write_text(MINE.replace("FILE", repr(str(home / "lines.txt"))))
    return home / "mine.py"


@pytest.mark.parametrize("task", ROADS)
def test_a_task_of_the_user_trains_and_resumes_to_the_same_bits(
    task, module, tmp_path, monkeypatch, capsys
):
    stage = corpus.stage("causal_lm", steps=6, inputs=24, targets=24, rows=8)
    stage = dataclasses.replace(stage, mixture=task, name=task)
    run = corpus.run(None, "encoder_decoder", [stage], save_every=2, evaluate_rows=8)
    modules = (str(module),)
    end = runs.train(run, tmp_path / "straight", "test", modules=modules)
    assert end["loss"] == end["loss"]  # a number
    said = capsys.readouterr().out
    assert ("streamed through tf.data" in said) == (task == "odd")
    lines = record.read(tmp_path / "straight" / "metrics.jsonl")
    assert lines[0]["stages"][0]["roads"] == [ROADS[task]]
    killed_at(monkeypatch, run, tmp_path / "killed", 4, modules)
    assert "resumed" not in capsys.readouterr().out
    runs.train(run, tmp_path / "killed", "test", modules=modules)
    assert "resumed" in capsys.readouterr().out
    assert_same(run, tmp_path / "straight", tmp_path / "killed")
    config = json.loads((tmp_path / "killed" / "config.json").read_text())
    assert config["run"]["stages"]
