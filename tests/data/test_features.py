"""Whatever the vocabulary, SeqIO has the same ids."""

import copy

import numpy as np
import pytest
import seqio
import tensorflow as tf
import tokenizers
from hypothesis import example, given
from hypothesis import strategies as st

from archlab.data import pieces, tasks
from archlab.data.features import Adapter, features
from archlab.data.vocabulary import Vocabulary

TEXT = "the cat sees a tree\nünder dem Baum läuft ein Hund\n"
WHOLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A file of each kind."""
    home = tmp_path_factory.mktemp("vocabularies")
    pieces.train([TEXT * 20], home / "my.model", 285, "bpe")
    for name, special in (("none.json", []), ("own.json", ["</s>", "<unk>", "<pad>"])):
        made = tokenizers.ByteLevelBPETokenizer()
        made.train_from_iterator([TEXT * 20], 290, special_tokens=special, show_progress=False)
        made.save(str(home / name))
    return home


@pytest.fixture(scope="module", params=["", "my.model", "none.json", "own.json"])
def both(request, home):
    """A vocabulary, and SeqIO's of the same ids."""
    vocabulary = Vocabulary(str(home / request.param) if request.param else "")
    return vocabulary, features(vocabulary)["targets"].vocabulary


def test_seqios_own_where_it_has_one(both):
    vocabulary, seqios = both
    kind = {"": seqio.ByteVocabulary, "l": seqio.SentencePieceVocabulary, "n": Adapter}
    assert type(seqios) is kind[vocabulary.path[-1:]]


@given(text=WHOLE)
@example(text="")
@example(text="</s>\0<pad>")
def test_ids_are_the_same(both, text):
    vocabulary, seqios = both
    ids = vocabulary.encode(text)
    assert list(seqios.encode(text)) == ids
    if "\0" not in text:  # SeqIO's SentencePiece hands TensorFlow what ends there
        assert seqios.encode_tf(tf.constant(text)).numpy().tolist() == ids


def test_sizes_and_special_ids_are_the_same(both):
    vocabulary, seqios = both
    assert seqios.vocab_size == vocabulary.size
    ids = (seqios.pad_id, seqios.eos_id, seqios.unk_id)
    assert ids == (vocabulary.pad, vocabulary.end, vocabulary.unknown)


def test_text_comes_back_up_to_its_end(home):
    for name in ("none.json", "own.json"):
        vocabulary = Vocabulary(str(home / name))
        seqios = Adapter(vocabulary)
        ids = [*vocabulary.encode(TEXT), vocabulary.end, *vocabulary.encode("more")]
        assert seqios.decode(ids) == TEXT
        padded = seqios.decode_tf(tf.constant(ids))
        assert padded.numpy().decode() == TEXT
        assert seqios.decode([*vocabulary.encode("a"), vocabulary.sentinel(0)]) == "a<unknown>"
        assert seqios.bos_id is None


def test_one_is_equal_to_another_of_the_same_ids(home):
    one, same, other = (Vocabulary(str(home / f"{name}.json")) for name in ("none", "none", "own"))
    assert Adapter(one) == Adapter(same) == copy.deepcopy(Adapter(one))
    assert Adapter(one) != Adapter(other) and Adapter(one) != seqio.ByteVocabulary()
    assert Adapter(one) != Adapter(Vocabulary(one.path, 256))


def test_a_task_of_seqios_own_has_the_same_ids(home):
    vocabulary = Vocabulary(str(home / "none.json"))
    lines = TEXT.splitlines()
    dataset = tf.data.Dataset.from_tensor_slices({"inputs": lines, "targets": lines})
    made = seqio.preprocessors.tokenize(dataset, features(vocabulary))
    found = [one["targets"].tolist() for one in made.as_numpy_iterator()]
    assert found == [vocabulary.encode(line) for line in lines]


def test_a_registered_task_holds_its_ids(home, tmp_path):
    vocabulary = Vocabulary(str(home / "none.json"))
    path = tmp_path / "lines.txt"
    path.write_text(TEXT * 30, encoding="utf-8")
    source = seqio.TextLineDataSource({"train": str(path)})
    tasks.register("tokenized", source, vocabulary, ["causal_lm"])
    task = seqio.get_mixture_or_task("tokenized_causal_lm")
    dataset = task.get_dataset({"targets": 64}, split="train", shuffle=False, seed=1)
    found = np.concatenate([one["targets"] for one in dataset.as_numpy_iterator()])
    lines = (TEXT * 30).splitlines()
    whole = [token for line in lines for token in [*vocabulary.encode(line), vocabulary.end]]
    assert found.tolist() == whole[: len(found)] and len(found) > len(whole) - 64
