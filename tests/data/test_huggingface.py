"""Ids are the library's own, and no text becomes a special one.

The tokenizers here are trained in the test; those of GPT-2 and BERT are in test_tokenizers.py.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from archlab.data.huggingface import ROLES, HuggingFace

SPELT = "<pad></s><unk>[SEP][UNK]<|endoftext|><x>"
PLAIN = "the cat sees a tree\nünder dem Baum 犬が木の下を走る"
TEXT = [
    f"the cat sees a tree\nünder dem Baum läuft ein Hund\n犬が木の下を走る {SPELT} \t then\n"
] * 40
NAMES = sorted({name for names in ROLES.values() for name in names} | {"<x>"})
WHOLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# What hides a special token best: its own letters between others.
MIXED = st.lists(WHOLE | st.sampled_from([*NAMES, "the cat", " "]), max_size=8).map("".join)


def bytewise(special):
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return made, trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )


def unigram(special):
    made = tokenizers.Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return made, trainers.UnigramTrainer(
        vocab_size=150, special_tokens=special, unk_token="<unk>", show_progress=False
    )


def wordpiece(special):
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    return made, trainers.WordPieceTrainer(
        vocab_size=150, special_tokens=special, show_progress=False
    )


def words(special):
    made = tokenizers.Tokenizer(models.WordLevel(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made, trainers.WordLevelTrainer(
        vocab_size=50, special_tokens=special, show_progress=False
    )


def letters(special):
    """Letters and their pairs; what it does not know, the library leaves out."""
    made = tokenizers.Tokenizer(models.BPE())
    return made, trainers.BpeTrainer(vocab_size=90, special_tokens=special, show_progress=False)


KINDS = {
    "bytewise": (bytewise, ["<|endoftext|>", "<x>"]),
    "unigram": (unigram, ["<pad>", "</s>", "<unk>", "<x>"]),
    "wordpiece": (wordpiece, ["[PAD]", "[UNK]", "<x>", "[SEP]"]),
    "words": (words, ["<unk>", "<x>"]),
    "letters": (letters, ["<x>", "</s>"]),
}


def trained(kind):
    make, special = KINDS[kind]
    made, trainer = make(special)
    made.train_from_iterator(TEXT, trainer)
    return made


def read(made, change=lambda content: None):
    content = json.loads(made.to_str())
    change(content)
    return HuggingFace(Path("tokenizer.json"), json.dumps(content).encode())


@pytest.fixture(scope="module", params=KINDS)
def both(request):
    """A tokenizer as archlab reads it, and the library's own."""
    made = trained(request.param)
    return read(made), made, request.param


def plain(made, text):
    return made.encode(text, add_special_tokens=False).ids


@given(text=WHOLE)
@example(text="the cat 犬 🐕 \0\n\t")
@example(text="")
def test_ids_are_the_librarys(both, text):
    tokenizer, made, kind = both
    assume(not any(name in text for name in NAMES))  # which the library takes for special
    if kind == "letters":  # what the library leaves out has a test of its own
        text = "".join(letter for letter in text if made.token_to_id(letter) is not None)
    assert tokenizer.encode(text) == plain(made, text)


@given(text=MIXED)
@example(text=SPELT)
@example(text=f"{SPELT} the {SPELT}")
def test_no_text_becomes_special(both, text):
    tokenizer, _, _ = both
    ids = set(tokenizer.encode(text))
    assert not ids & (tokenizer.special.keys() - {tokenizer.unknown})
    assert not ids & {tokenizer.pad, tokenizer.end}
    assert all(token < tokenizer.text or token == tokenizer.unknown for token in ids)


@pytest.mark.parametrize("kind", ["bytewise", "wordpiece", "letters"])
def test_special_tokens_in_text_are_their_letters(kind):
    # Without them the same tokenizer, so that the library can have no other idea either.
    made = trained(kind)
    made.encode_special_tokens = True
    tokenizer = read(made)
    for text in (SPELT, f"the {SPELT}cat", "<x>"):
        assert tokenizer.encode(text) == plain(made, text)
    if kind == "bytewise":
        assert tokenizer.decode(tokenizer.encode(SPELT)) == SPELT


@pytest.mark.parametrize("kind", ["unigram", "words"])
def test_what_a_library_would_make_special_even_so(kind):
    made = trained(kind)
    made.encode_special_tokens = True
    tokenizer, text = read(made), "the <x> </s>"
    assert made.token_to_id("<x>") in plain(made, text)
    assert not set(tokenizer.encode(text)) & (tokenizer.special.keys() - {tokenizer.unknown})


@given(texts=st.lists(MIXED, max_size=6))
def test_all_at_once_are_one_by_one(both, texts):
    tokenizer, _, _ = both
    found = tokenizer.encode_all(texts)
    assert [ids_L.tolist() for ids_L in found] == [tokenizer.encode(text) for text in texts]
    assert all(ids_L.dtype == np.int32 for ids_L in found)


@given(text=WHOLE)
def test_bytes_come_back(text):
    tokenizer = BYTEWISE
    assert tokenizer.decode(tokenizer.encode(text)) == text


BYTEWISE = read(trained("bytewise"))


def test_ids_of_the_file_are_untouched(both):
    tokenizer, made, _ = both
    vocab = made.get_vocab()
    assert tokenizer.text == max(vocab.values()) + 1
    named = {name: token for token, name in tokenizer.special.items()}
    assert named.items() <= vocab.items()
    for name, token in vocab.items():
        if name not in named:
            assert tokenizer.decode([token]) == made.decode([token])


def test_what_is_there_is_taken_and_the_rest_comes_on_top(both):
    tokenizer, made, kind = both
    own = {
        "bytewise": (None, "<|endoftext|>", None),
        "unigram": ("<pad>", "</s>", "<unk>"),
        "wordpiece": ("[PAD]", "[SEP]", "[UNK]"),
        "words": (None, None, "<unk>"),
        "letters": (None, "</s>", None),
    }[kind]
    fresh = iter(range(tokenizer.text, tokenizer.text + 3))
    wanted = [made.token_to_id(name) if name else next(fresh) for name in own]
    assert [tokenizer.pad, tokenizer.end, tokenizer.unknown] == wanted


def test_the_first_name_of_a_role_is_taken():
    names = ["<|endoftext|>", "[SEP]", "</s>"]
    made = tokenizers.Tokenizer(models.BPE({}, []))
    for name in names:
        made.add_special_tokens([name])
        assert read(made).end == made.token_to_id(name)


def test_what_is_unknown_is_not_left_out():
    tokenizer = read(trained("letters"))
    assert tokenizer.encode("the 🐕") == [*tokenizer.encode("the "), tokenizer.unknown]


def test_a_piece_of_text_with_a_special_name_is_text():
    made = trained("letters")
    token = made.token_to_id("[UNK]")
    tokenizer = read(made)
    assert token not in tokenizer.special
    assert tokenizer.encode("[UNK]") == [token]


def test_an_end_that_is_also_unknown_is_the_end_alone():
    def shared(content):
        content["model"]["unk_token"] = "</s>"

    made = trained("letters")
    tokenizer = read(made, shared)
    assert (tokenizer.end, tokenizer.unknown) == (made.token_to_id("</s>"), tokenizer.text + 1)
    assert tokenizer.encode("🐕") == [tokenizer.unknown]


def test_a_merge_does_not_make_a_special_token():
    def merged(content):
        vocab = content["model"]["vocab"]
        assert "</s>" not in "".join(map("".join, content["model"]["merges"]))
        for made in ("</", "</s"):
            vocab[made] = len(vocab)
        content["model"]["merges"] = ["< /", "</ s", "</s >"]

    tokenizer = read(trained("letters"), merged)
    assert tokenizer.decode(tokenizer.encode("</s>")).replace(" ", "") == "</s>"
    assert tokenizer.end not in tokenizer.encode("</s>")


def test_texts_are_neither_cut_nor_filled_nor_framed():
    made = trained("wordpiece")
    ids = plain(made, PLAIN)
    end = ("[SEP]", made.token_to_id("[SEP]"))
    made.post_processor = processors.TemplateProcessing(single="$A [SEP]", special_tokens=[end])
    made.enable_truncation(5)
    made.enable_padding(length=2000)
    assert len(ids) > 5 and plain(made, PLAIN) != ids
    tokenizer = read(made)
    assert tokenizer.encode(PLAIN) == ids
    assert [ids_L.tolist() for ids_L in tokenizer.encode_all(["the", PLAIN])][1] == ids


def test_chance_is_off():
    def drops(content):
        content["model"]["dropout"] = 0.9

    made = trained("bytewise")
    assert read(made, drops).encode(PLAIN) == plain(made, PLAIN)


@pytest.mark.parametrize("kind", KINDS)
def test_added_tokens_that_are_not_special_are_text(kind):
    made = trained(kind)
    made.add_special_tokens(["<tool>"])
    made.add_tokens(["zebra", tokenizers.AddedToken("gnu", single_word=True)])
    tokenizer = read(made)
    for text in ("a zebra, gnus and a gnu", "zebrazebra"):
        if kind != "letters":
            assert tokenizer.encode(text) == plain(made, text)
        assert made.token_to_id("zebra") in tokenizer.encode(text)
    assert tokenizer.special[made.token_to_id("<tool>")] == "<tool>"


def test_ids_that_stand_for_nothing_are_named():
    def hole(content):
        content["model"]["vocab"]["far"] = 200

    tokenizer = read(trained("words"), hole)
    assert tokenizer.text == 201
    assert tokenizer.special[199] == "<unused>" and 200 not in tokenizer.special
    assert tokenizer.encode("far") == [200]


@pytest.mark.parametrize("text", ["a" * 10**6, "the cat " * 125_000], ids=["word", "words"])
def test_long_texts(text):
    ids = BYTEWISE.encode(text)
    assert BYTEWISE.decode(ids) == text
    assert BYTEWISE.encode_all([text])[0].tolist() == ids


def test_it_can_be_sent_to_another_process(both):
    tokenizer, _, _ = both
    there = pickle.loads(pickle.dumps(tokenizer))
    assert there.encode(SPELT) == tokenizer.encode(SPELT)
    assert there.special == tokenizer.special


def no_unknown(content):
    content["model"]["unk_id"] = None


def other_ids(content):
    content["added_tokens"].append({**content["added_tokens"][0], "id": 9999, "content": "<y>"})


def no_model(content):
    del content["model"]


def no_vocab(content):
    content["model"]["vocab"] = {"a": "b"}


@pytest.mark.parametrize(
    "change, said",
    [
        (no_unknown, "unk_id None of its Unigram model is no token of its own"),
        (other_ids, r"adds a token at 9999, where the library has \d+$"),
        (no_model, "cannot be read as a tokenizer: KeyError"),
        (no_vocab, "cannot be read as a tokenizer"),
    ],
)
def test_what_cannot_be_used_is_refused(change, said):
    with pytest.raises(ValueError, match=f"tokenizer.json {said}|tokenizer.json.*{said}"):
        read(trained("unigram"), change)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b'{"model": 3}'])
def test_what_is_no_tokenizer_is_refused(raw):
    with pytest.raises(ValueError, match="mine.json cannot be read as a tokenizer"):
        HuggingFace(Path("mine.json"), raw)


def test_gpt2s_pair_is_the_librarys(tmp_path):
    trained("bytewise").model.save(str(tmp_path))
    names = [str(tmp_path / name) for name in ("vocab.json", "merges.txt")]
    oracle = tokenizers.ByteLevelBPETokenizer(*names)
    tokenizer = HuggingFace(Path("encoder.json"), *(Path(name).read_bytes() for name in names))
    assert tokenizer.text == oracle.get_vocab_size()
    assert tokenizer.end == oracle.token_to_id("<|endoftext|>")
    for text in (*TEXT, SPELT, "x  y\r\n"):
        assert tokenizer.encode(text) == oracle.encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("is_lower", [True, False])
def test_berts_list_is_the_librarys(tmp_path, is_lower):
    made = tokenizers.BertWordPieceTokenizer(lowercase=is_lower)
    made.train_from_iterator(TEXT, vocab_size=150, show_progress=False)
    made.save_model(str(tmp_path))
    file = tmp_path / "vocab.txt"
    oracle = tokenizers.BertWordPieceTokenizer(str(file), lowercase=is_lower)
    tokenizer = HuggingFace(file, file.read_bytes())
    roles = (tokenizer.pad, tokenizer.end, tokenizer.unknown)
    assert roles == tuple(map(oracle.token_to_id, ("[PAD]", "[SEP]", "[UNK]")))
    assert tokenizer.special[oracle.token_to_id("[CLS]")] == "[CLS]"
    for text in ("The Cat läuft", "ein hund Baum", "a\0b\u2028c", "the cat's tree"):
        ids = oracle.encode(text, add_special_tokens=False).ids
        assert tokenizer.encode(text) == ids
        ids = [token for token in ids if token != tokenizer.unknown]
        assert tokenizer.decode(ids) == oracle.decode(ids)
    windows = file.read_bytes().replace(b"\n", b"\r\n")
    assert HuggingFace(file, windows).encode("the cat") == tokenizer.encode("the cat")
