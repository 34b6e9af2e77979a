"""A path becomes the tokenizer that lies there, published ones with their published ids."""

import hashlib
import json
from pathlib import Path

import pytest
import tokenizers

from archlab.data.huggingface import HuggingFace
from archlab.data.pieces import Pieces, train
from archlab.data.tokenizers import USUAL, Bytes, files, read

# Beside the checkout, if they were put there; nothing needs them.
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "tokenizers"
HOUSE = "translate English to German: The house is wonderful."
REFERENCES = [  # what T5's, GPT-2's and BERT's own code makes of them
    ("t5", HOUSE, [13959, 1566, 12, 2968, 10, 37, 629, 19, 1627, 5]),
    ("gpt2", "Hello world", [15496, 995]),
    ("bert-base-uncased", "hello world", [7592, 2088]),
    ("bert-base-uncased", "Héllo World", [7592, 2088]),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One file of each kind."""
    home, texts = tmp_path_factory.mktemp("tokenizers"), ["the cat sees a tree\n"] * 20
    train(texts, home / "my.model", 275, "bpe")
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(texts, vocab_size=270, show_progress=False)
    made.save_model(str(home))
    made.save(str(home / "my.json"))
    made = tokenizers.BertWordPieceTokenizer()
    made.train_from_iterator(texts, vocab_size=60, show_progress=False)
    made.save_model(str(home))
    return home


def test_published_ids():
    for folder, text, ids in REFERENCES:
        if (PUBLISHED / folder).is_dir():
            tokenizer, _ = read(files(str(PUBLISHED / folder)))
            assert tokenizer.encode(text) == ids
            assert tokenizer.encode_all([text, ""])[0].tolist() == ids


def test_published_sizes_and_special_ids():
    for folder, text, special in [
        ("t5", 32_000, (0, 1, 2)),
        ("gpt2", 50_257, (50_257, 50_256, 50_258)),
        ("bert-base-uncased", 30_522, (0, 102, 100)),
    ]:
        if (PUBLISHED / folder).is_dir():
            tokenizer, _ = read(files(str(PUBLISHED / folder)))
            found = (tokenizer.pad, tokenizer.end, tokenizer.unknown)
            assert (tokenizer.text, found) == (text, special)


def test_published_tokenizers_take_special_names_for_text():
    for folder in ("t5", "gpt2", "bert-base-uncased"):
        if (PUBLISHED / folder).is_dir():
            tokenizer, _ = read(files(str(PUBLISHED / folder)))
            text = "".join(tokenizer.special.values())
            assert not set(tokenizer.encode(text)) & (
                tokenizer.special.keys() - {tokenizer.unknown}
            )
            assert tokenizer.decode(tokenizer.encode(text)) == text or folder != "gpt2"


def test_nothing_is_bytes():
    tokenizer, digest = read(files(""))
    assert isinstance(tokenizer, Bytes) and digest == ""
    assert [ids_L.tolist() for ids_L in tokenizer.encode_all(["", "é"])] == [[], [198, 172]]


@pytest.mark.parametrize(
    "name, kind, others",
    [
        ("my.model", Pieces, []),
        ("my.json", HuggingFace, []),
        ("vocab.txt", HuggingFace, []),
        ("vocab.json", HuggingFace, ["merges.txt"]),
    ],
)
def test_the_name_says_the_kind(home, name, kind, others):
    found = files(str(home / name))
    assert [path.name for path in found] == [name, *others]
    tokenizer, digest = read(found)
    assert isinstance(tokenizer, kind)
    whole = b"".join(path.read_bytes() for path in found)
    assert digest == hashlib.sha256(whole).hexdigest()
    assert tokenizer.decode(tokenizer.encode("the cat")) == "the cat"


def test_a_folder_is_what_is_in_it(home, tmp_path):
    inside = {
        "vocab.txt": "vocab.txt",
        "vocab.json": "vocab.json",
        "merges.txt": "merges.txt",
        "encoder.json": "vocab.json",
        "vocab.bpe": "merges.txt",
        "spiece.model": "my.model",
        "tokenizer.json": "my.json",
    }
    order = []
    for name, original in inside.items():
        (tmp_path / name).write_bytes((home / original).read_bytes())
        if name in USUAL:
            (tmp_path / "merges.txt").touch()
            (tmp_path / "vocab.bpe").touch()
            order.append(files(str(tmp_path))[0].name)
    assert order == list(reversed(USUAL))


def test_a_pair_under_either_name_is_one_tokenizer(home, tmp_path):
    for old, new in (("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")):
        (tmp_path / new).write_bytes((home / old).read_bytes())
    one, other = (read(files(str(path))) for path in (home / "vocab.json", tmp_path))
    assert one[1] == other[1]
    assert one[0].encode("the cat") == other[0].encode("the cat")


@pytest.mark.parametrize(
    "name, said",
    [
        ("none.model", "there is no SentencePiece model at"),
        ("none.json", "there is no tokenizer.json at"),
        ("none.txt", "there is no vocab.txt at"),
        ("none.bin", "does not end in .model, .json, .txt"),
        ("none", "does not end in .model"),
        ("", "holds no vocabulary: none of tokenizer.json, spiece.model,"),
        ("encoder.json", "there is no vocab.bpe beside '.*encoder.json'"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, name, said):
    with pytest.raises(ValueError, match=said):
        if name == "encoder.json":
            (tmp_path / name).write_text(json.dumps({"a": 0}))
        files(str(tmp_path / name))
