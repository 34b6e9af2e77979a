import json

import pytest

from archlab.architecture import Architecture
from archlab.bridge import own
from archlab.data.vocabulary import Vocabulary
from tests.bridge import models

PREFIX = Architecture("prefix_decoder", "none", "relu")


@pytest.mark.parametrize("name", ["prefix_decoder", "encoder_decoder", "encoder"])
@pytest.mark.parametrize("most", [10**9, 5000])
def test_any_model_comes_back_to_the_bit(tmp_path, name, most):
    model = models.of(Architecture(name, "relative", "relu", False), vocabulary=Vocabulary())
    assert own.write(model, tmp_path, most) == "archlab"
    assert len(list(tmp_path.glob("*.safetensors"))) == 1 or most == 5000
    models.assert_equal(own.read(tmp_path), model)


def test_a_rung_between_an_encoder_decoder_and_a_prefix_decoder_comes_back_too(tmp_path):
    rungs = {"tied_stacks": True, "merged": True, "aligned": True}
    for number, (last, there) in enumerate([("aligned", True), ("tied_stacks", False)]):
        architecture = Architecture("encoder_decoder", "rope", **{**rungs, last: there})
        model = models.of(architecture, vocabulary=Vocabulary())
        folder = tmp_path / str(number)
        folder.mkdir()
        own.write(model, folder)
        models.assert_equal(own.read(folder), model)
        assert ("encoder" in model.weights) == (last == "tied_stacks")


@pytest.mark.parametrize(
    "change, said",
    [
        ({"size": {"layers": 2}}, "archlab.json is of another version"),
        ({"size": None}, "size is missing or odd"),
        ({"architecture": {"name": "prefix_decoder", "depth": 3}}, "of another version"),
        ({"architecture": {"name": "prefix"}}, "Architecture.name='prefix' is not one of"),
        ({"architecture": {"name": "prefix_decoder"}}, "is not as archlab.json says"),
        ({"vocabulary": {}}, "vocabulary.path is missing"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path, change, said):
    own.write(models.of(PREFIX), tmp_path)
    path = tmp_path / "archlab.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=said):
        own.read(tmp_path)


def test_no_folder_of_archlabs_is_told(tmp_path):
    with pytest.raises(ValueError, match="archlab.json is not there"):
        own.read(tmp_path)
