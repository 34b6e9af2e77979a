import dataclasses

import pytest

from archlab import config, directory, trained
from archlab.architecture import Architecture
from archlab.bridge import runs
from archlab.data import pieces
from archlab.data.vocabulary import Vocabulary
from archlab.generation.generate import generate
from archlab.generation.manner import Manner
from tests import corpus
from tests.bridge import models


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory) -> Vocabulary:
    """A SentencePiece model of a few sentences, with T5's sentinels."""
    home = tmp_path_factory.mktemp("words")
    texts = [path.read_text() for path in corpus.written(home / "texts").iterdir()]
    pieces.train(texts, home / "mine.model", 290, "unigram")
    return Vocabulary(str(home / "mine.model"), seqio_ids=100)


@pytest.fixture(scope="module")
def made(vocabulary, tmp_path_factory):
    """A model, and the run that was made of it and then moved."""
    home = tmp_path_factory.mktemp("runs")
    size = dataclasses.replace(models.SIZE, vocab=512)
    architecture = Architecture("encoder_decoder", "relative", "geglu", False)
    model = models.of(architecture, size, vocabulary)
    runs.make(model, home / "run", "mine")
    return model, (home / "run").rename(home / "moved")


def test_whatever_reads_trained_runs_reads_it(made, vocabulary):
    model, folder = made
    read = trained.load(folder)
    assert read.step == 0 and read.run.size == model.size
    models.assert_equal(runs.of(read), dataclasses.replace(model, vocabulary=read.vocabulary))
    assert read.vocabulary.encode("the cat runs") == vocabulary.encode("the cat runs")
    assert read.vocabulary.path == str(folder / "vocabulary" / "spiece.model")
    ids = read.vocabulary.encode("the dog sees")
    (said,) = generate(read.model, read.weights, read.vocabulary, [ids], Manner(3))
    assert len(said.ids) <= 3


def test_it_says_what_it_is_as_an_experiment(made):
    model, folder = made
    read = config.read(folder / "config.gin")
    assert read.name == "mine"
    assert (read.run.size, read.run.architecture) == (model.size, model.architecture)
    assert directory.read(folder / "config.json")["run"]["precision"] == "float32"


def test_a_length_becomes_that_of_rows_and_comes_back(tmp_path):
    model = dataclasses.replace(models.of(Architecture("causal_decoder")), length=48)
    runs.make(model, tmp_path / "run", "mine")
    read = trained.load(tmp_path / "run")
    assert read.stage.row_tokens == 48 and runs.of(read).length == 48
    with pytest.raises(ValueError, match="holds a run; name another directory with --out"):
        runs.make(model, tmp_path / "run", "mine")


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not a run directory: it holds mine.txt"):
        runs.make(models.of(Architecture("causal_decoder")), tmp_path, "mine")
