"""Ids are those of SeqIO's own vocabularies, and nothing that an id says is lost."""

import json
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import seqio
from hypothesis import example, given
from hypothesis import strategies as st

from archlab.data.vocabulary import Vocabulary

BYTES = Vocabulary()
CORPUS = "the cat sees a tree\nünder dem Baum läuft ein Hund\n犬が木の下を走る\nthen runs\n" * 40
WHOLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def trained(folder, size=80, text=CORPUS, **ids):
    """The path of a model trained on a few sentences."""
    (folder / "text.txt").write_text(text, encoding="utf-8")
    ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, **ids}
    path = folder / "model"
    sentencepiece.SentencePieceTrainer.Train(
        input=str(folder / "text.txt"),
        model_prefix=str(path),
        vocab_size=size,
        hard_vocab_limit=False,
        minloglevel=2,
        **ids,
    )
    return f"{path}.model"


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return Vocabulary(trained(tmp_path_factory.mktemp("pieces")))


@pytest.fixture(scope="module", params=["bytes", "pieces"])
def either(request, pieces):
    """A vocabulary, and SeqIO's own of the same ids."""
    if request.param == "bytes":
        return BYTES, seqio.ByteVocabulary(extra_ids=BYTES.extra_ids)
    return pieces, seqio.SentencePieceVocabulary(pieces.path, extra_ids=pieces.extra_ids)


@given(text=WHOLE)
@example(text="hé 犬 🐕 \0\n\t")
@example(text="")
def test_ids_are_those_of_seqio(either, text):
    vocabulary, oracle = either
    assert vocabulary.encode(text) == list(oracle.encode(text))


def test_sizes_and_special_ids_are_those_of_seqio(either):
    vocabulary, oracle = either
    assert vocabulary.size == oracle.vocab_size
    assert vocabulary.size % 128 == 0
    assert (vocabulary.pad, vocabulary.end) == (oracle.pad_id, oracle.eos_id)
    assert vocabulary.unknown == oracle.unk_id


@given(text=WHOLE)
def test_bytes_come_back(text):
    ids = BYTES.encode(text)
    assert BYTES.decode(ids) == text
    assert len(ids) == len(text.encode())
    assert all(3 <= one < BYTES.text for one in ids)


def test_pieces_come_back(pieces):
    text = "the cat sees ein Hund 犬が木"
    assert pieces.decode(pieces.encode(text)) == text
    assert len(pieces.encode(text)) < len(text.encode())


def test_special_ids_are_distinct_and_above_the_text(either):
    vocabulary, _ = either
    sentinels = [vocabulary.sentinel(number) for number in range(vocabulary.sentinels)]
    assert sentinels == [vocabulary.size - 1 - number for number in range(len(sentinels))]
    assert len(sentinels) >= 100
    special = [vocabulary.mask, *vocabulary.modes.values(), *sentinels]
    assert sorted(special) == list(range(vocabulary.text, vocabulary.size))


def test_there_are_only_so_many_sentinels(either):
    vocabulary, _ = either
    for number in (-1, vocabulary.sentinels):
        with pytest.raises(ValueError, match=f"sentinel {number} of {vocabulary.sentinels}"):
            vocabulary.sentinel(number)


def test_every_special_id_is_shown_and_padding_is_not():
    special = range(BYTES.text, BYTES.size)
    names = [BYTES.decode([one]) for one in special]
    assert len(set(names)) == len(names)
    assert names[:4] == ["<mask>", "<R>", "<S>", "<X>"]
    assert names[-1] == "<S0>" and BYTES.decode([BYTES.sentinel(7)]) == "<S7>"
    ids = [0, *BYTES.encode("a"), 1, 2, 0, BYTES.mask, *BYTES.encode("é"), 0]
    assert BYTES.decode(np.asarray(ids, np.uint16)) == "a<end><unknown><mask>é"


def test_special_ids_part_the_text_around_them(pieces):
    ids = [*pieces.encode("the cat"), pieces.sentinel(0), *pieces.encode("runs"), 1]
    assert pieces.decode(ids) == "the cat<S0>runs<end>"


@pytest.mark.parametrize("wrong", [-1, 384, 10**6])
def test_an_id_of_no_vocabulary_is_refused(wrong):
    with pytest.raises(ValueError, match=f"id {wrong} is not one of the 384"):
        BYTES.decode([107, wrong])


def test_lone_surrogates_are_replaced(either):
    vocabulary, _ = either
    assert vocabulary.encode("a\ud800b") == vocabulary.encode("a?b")


def test_half_a_letter_is_shown_as_replaced():
    assert BYTES.decode(BYTES.encode("é")[:1]) == "\ufffd"


def test_spec_round_trip(either):
    vocabulary, _ = either
    assert Vocabulary.from_spec(vocabulary.spec()) == vocabulary


def test_another_size_than_before_is_refused(either):
    vocabulary, _ = either
    size = vocabulary.size
    with pytest.raises(ValueError, match=f"has size {size} and had {size + 128}; it is not what"):
        Vocabulary.from_spec(vocabulary.spec() | {"size": size + 128})


def test_another_model_of_the_same_size_is_refused(tmp_path):
    before = Vocabulary(trained(tmp_path))
    spec, ids = before.spec(), before.encode("the cat")
    after = Vocabulary(trained(tmp_path, text=CORPUS.replace("cat", "emu")))
    assert after.path == before.path and after.size == before.size
    assert after.decode(ids) != "the cat"  # what it would have come to
    with pytest.raises(ValueError, match=r"sha256 \w+ and had \w+; it is not what the text was"):
        Vocabulary.from_spec(spec)
    assert before.spec() == spec  # one that is loaded already is still the old one
    assert before.decode(ids) == "the cat"


def test_a_spec_is_kept_as_json(either):
    vocabulary, _ = either
    assert Vocabulary.from_spec(json.loads(json.dumps(vocabulary.spec()))) == vocabulary


@pytest.mark.parametrize("ids", [{"pad_id": 3}, {"eos_id": 2, "unk_id": 1}, {"pad_id": -1}])
def test_other_special_ids_are_refused(tmp_path, ids):
    with pytest.raises(ValueError, match="archlab needs 0, 1, 2"):
        Vocabulary(trained(tmp_path, **ids))


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no SentencePiece model at"):
        Vocabulary(str(tmp_path / "none.model"))
    broken = tmp_path / "broken.model"
    whole = Path(trained(tmp_path)).read_bytes()
    for raw in (b"", b"not a model at all", whole[: len(whole) // 2]):
        broken.write_bytes(raw)
        with pytest.raises(ValueError, match="is not a SentencePiece model"):
            Vocabulary(str(broken))
