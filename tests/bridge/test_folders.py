import json

import pytest

from archlab.architecture import Architecture
from archlab.bridge import folders
from archlab.refusal import Refusal
from tests.bridge import models

LLAMA = Architecture("causal_decoder")
PREFIX = Architecture("prefix_decoder")


@pytest.mark.parametrize("form", folders.FORMS)
def test_either_form_is_known_when_it_is_read(tmp_path, form):
    model = models.of(LLAMA)
    reader = folders.write(model, tmp_path / "out", form, most=3000)
    assert reader == {"huggingface": "LlamaForCausalLM", "archlab": "archlab"}[form]
    read = folders.read(tmp_path / "out")
    assert read.parameters == model.parameters and read.vocabulary == model.vocabulary
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o644}
    again = tmp_path / "again"
    folders.write(read, again, form)
    models.assert_equal(folders.read(again), read)


def test_what_has_no_class_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(
        Refusal, match="no class for this prefix_decoder: .*; --form archlab writes"
    ):
        folders.write(models.of(PREFIX), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert folders.write(models.of(PREFIX), tmp_path / "out", "archlab") == "archlab"


def test_a_folder_that_is_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already, and is not empty"):
        folders.write(models.of(LLAMA), tmp_path)
    with pytest.raises(ValueError, match="is there already"):
        folders.write(models.of(LLAMA), tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_more_layers_than_there_are_arrays_are_refused_at_once(tmp_path):
    folders.write(models.of(LLAMA), tmp_path / "out")
    path = tmp_path / "out" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 10**6}))
    with pytest.raises(ValueError, match="holds 20 arrays, and config.json says 1000000"):
        folders.read(tmp_path / "out")


def test_a_vocabulary_that_is_not_read_is_told(tmp_path):
    folders.write(models.of(LLAMA), tmp_path / "out")
    (tmp_path / "out" / "archlab.json").unlink()
    (tmp_path / "out" / "tokenizer.model").write_bytes(b"")
    assert folders.read(tmp_path / "out").left == ("tokenizer.model",)


def test_what_is_no_form_or_no_folder_is_told(tmp_path):
    with pytest.raises(ValueError, match="form='torch' is not one of huggingface, archlab"):
        folders.write(models.of(LLAMA), tmp_path / "out", "torch")
    with pytest.raises(ValueError, match="there is no folder"):
        folders.read(tmp_path / "none")
