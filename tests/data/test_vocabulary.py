"""Ids are those of SeqIO's own vocabularies, and nothing that an id says is lost."""

import copy
import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import seqio
import tokenizers
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


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    """A tokenizer.json that has an end, and neither pad nor unknown."""
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator([CORPUS], 300, special_tokens=["<s>", "</s>"], show_progress=False)
    path = tmp_path_factory.mktemp("merged") / "tokenizer.json"
    made.save(str(path))
    return Vocabulary(str(path))


@pytest.fixture(scope="module", params=["bytes", "pieces", "merged"])
def each(request):
    """Every kind of vocabulary."""
    return BYTES if request.param == "bytes" else request.getfixturevalue(request.param)


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


def test_special_ids_are_distinct_and_above_the_text(each):
    sentinels = [each.sentinel(number) for number in range(each.sentinels)]
    assert sentinels == [each.size - 1 - number for number in range(len(sentinels))]
    assert len(sentinels) >= 100
    added = {each.pad, each.end, each.unknown} & set(range(each.text, each.size))
    special = [*added, each.beyond, *each.modes.values(), *sentinels]
    assert sorted(special) == list(range(each.text, each.size))
    assert each.size % 128 == 0


def test_a_mask_of_a_file_s_own_is_the_mask(tmp_path):
    """As BERT's is: a model that was trained elsewhere has no row for another."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    found = Vocabulary(str(tmp_path / "vocab.txt"))
    assert (found.mask, found.name(4), found.text, found.beyond) == (4, "<mask>", 7, 7)
    assert found.modes["R"] == 8 and 4 not in found.encode("a [MASK] b")
    assert BYTES.mask == BYTES.beyond


def test_what_a_file_lacks_stands_below_the_mask(merged):
    assert merged.text == 300
    assert (merged.end, merged.pad, merged.unknown, merged.mask) == (1, 300, 301, 302)
    assert merged.extra_ids == merged.size - 300


@given(text=WHOLE)
@example(text="</s><pad><s><unk><end><mask><R><S0><extra_id_0>")
@example(text="\0")
@example(text="")
def test_text_becomes_ordinary_ids(each, text):
    ids = each.encode(text)
    assert set(ids) <= {*each.ordinary.tolist(), each.unknown}
    assert [ids_L.tolist() for ids_L in each.encode_all([text, "a", text])] == [
        ids,
        each.encode("a"),
        ids,
    ]


def test_ordinary_ids_and_special_ids_are_all_there_are(each):
    named = [token for token in range(each.size) if token not in each.ordinary]
    for token in named:
        each.name(token)
    assert each.ordinary.dtype == np.int32
    assert len(named) + len(each.ordinary) == each.size
    for token in each.ordinary.tolist():
        with pytest.raises(ValueError, match="is not one of"):
            each.name(token)
    with pytest.raises(ValueError, match="read-only"):
        each.ordinary[0] = 0


def test_ordinary_ids_of_bytes_are_all_bytes():
    assert BYTES.ordinary.tolist() == list(range(3, 259))


def test_a_decoder_reads_padding_first_unless_it_is_said(each):
    assert each.start == each.pad and "start" not in each.spec()
    other = dataclasses.replace(each, start=7)
    assert other.start == 7 and other.size == each.size and other != each
    assert Vocabulary.from_spec(json.loads(json.dumps(other.spec()))) == other


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "</s>", "é 犬 🐕", "a" * 10**6])
def test_bytes_and_merged_bytes_come_back(merged, text):
    for vocabulary in (BYTES, merged):
        assert vocabulary.decode(vocabulary.encode(text)) == text


def test_special_tokens_of_a_file_keep_their_names(merged):
    ids = [0, *merged.encode("a"), merged.sentinel(3), merged.pad, merged.unknown, merged.end]
    assert merged.decode(ids) == "<s>a<S3><unknown><end>"


@pytest.mark.parametrize("wanted", [100, 101, 121, 122, 256, 1000])
def test_there_may_be_more_sentinels(wanted):
    more = Vocabulary(sentinels=wanted)
    assert wanted <= more.sentinels < wanted + 128
    assert more.size == 263 + more.sentinels and more.size % 128 == 0
    assert more.mask == BYTES.mask and more.modes == BYTES.modes
    assert more.decode([more.sentinel(more.sentinels - 1)]) == f"<S{more.sentinels - 1}>"
    assert Vocabulary.from_spec(json.loads(json.dumps(more.spec()))) == more
    assert (more == BYTES) == (more.size == BYTES.size)


def test_fewer_sentinels_than_t5s_are_refused():
    with pytest.raises(ValueError, match="sentinels=99 are too few; T5 has 100"):
        Vocabulary(sentinels=99)


def test_a_spec_without_sentinels_has_100():
    assert Vocabulary.from_spec({"path": "", "size": 384}) == BYTES


def test_a_folder_is_its_file(merged):
    assert Vocabulary(str(Path(merged.path).parent)) == merged


def test_copies_are_equal(each):
    for other in (copy.deepcopy(each), pickle.loads(pickle.dumps(each))):
        assert other == each and other.spec() == each.spec()
        assert other.encode("the cat") == each.encode("the cat")


def test_there_are_only_so_many_sentinels(each):
    for number in (-1, each.sentinels):
        with pytest.raises(ValueError, match=f"sentinel {number} of {each.sentinels}"):
            each.sentinel(number)


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


def test_lone_surrogates_are_replaced(each):
    assert each.encode("a\ud800b") == each.encode("a?b")


def test_half_a_letter_is_shown_as_replaced():
    assert BYTES.decode(BYTES.encode("é")[:1]) == "\ufffd"


def test_spec_round_trip(each):
    assert Vocabulary.from_spec(each.spec()) == each


def test_another_size_than_before_is_refused(each):
    size = each.size
    with pytest.raises(ValueError, match=f"has size {size} and had {size + 128}; it is not what"):
        Vocabulary.from_spec(each.spec() | {"size": size + 128})


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


def test_a_file_that_lies_in_the_folder_it_was_kept_in_is_read_there(tmp_path):
    here = Vocabulary(trained(tmp_path))
    home = tmp_path / "home"
    home.mkdir()
    Path(here.path).rename(home / "kept.model")
    spec = here.spec() | {"path": "kept.model"}
    moved = home.rename(tmp_path / "moved")
    found = Vocabulary.from_spec(spec, moved)
    assert found.path == str(moved / "kept.model")
    assert found.encode("the cat") == here.encode("the cat")
    with pytest.raises(ValueError, match="there is no SentencePiece model at 'kept.model'"):
        Vocabulary.from_spec(spec)


def test_a_spec_is_kept_as_json(each):
    assert Vocabulary.from_spec(json.loads(json.dumps(each.spec()))) == each


def test_another_tokenizer_json_is_refused(merged, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(Path(merged.path).read_bytes())
    spec = Vocabulary(str(path)).spec()
    path.write_text(path.read_text().replace('"</s>"', '"<e>"'))
    assert Vocabulary(str(path)).size == merged.size
    with pytest.raises(ValueError, match=r"sha256 \w+ and had \w+; it is not what the text was"):
        Vocabulary.from_spec(spec)


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
