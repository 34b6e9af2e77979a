import json
from pathlib import Path

import pytest

from archlab.bridge import words
from archlab.bridge.configuration import Configuration
from archlab.data.vocabulary import Vocabulary

# Beside the checkout, if they were put there; nothing needs them.
PUBLISHED = sorted(Path(__file__).parents[3].glob("*/data/tokenizers/*"))
TEXT = "the cat sees a dog under the tree"


KINDS = {
    "bytes": ("", ""),
    "numbers": ("ids:60,0,1,60", "ids:60,0,1,60"),
    "pieces": ("mine.model", "spiece.model"),
    "json": ("mine.json", "tokenizer.json"),
    "gpt": ("gpt/encoder.json", "vocab.json"),
    "bert": ("vocab.txt", "vocab.txt"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{}, {"seqio_ids": 100}, {"start": 3}])
def test_what_archlab_writes_it_reads_again_wherever_the_folder_lies(
    home, tmp_path, kind, settings
):
    own, name = KINDS[kind]
    path = str(home / own) if own and kind != "numbers" else own
    vocabulary = Vocabulary(path, **settings)
    folder = tmp_path / "one"
    folder.mkdir()
    words.write(vocabulary, folder)
    moved = folder.rename(tmp_path / "other")
    read = words.read(moved)
    assert read.path == (str(moved / name) if own and kind != "numbers" else own)
    same = ("size", "pad", "end", "unknown", "start", "mask", "sentinels", "seqio_ids")
    for fact in same:
        assert getattr(read, fact) == getattr(vocabulary, fact), fact
    if kind != "numbers":
        assert read.encode(TEXT) == vocabulary.encode(TEXT)
        assert read.decode(read.encode(TEXT)) == TEXT


def test_a_file_that_was_changed_is_told(home, tmp_path):
    words.write(Vocabulary(str(home / "vocab.txt")), tmp_path)
    with (tmp_path / "vocab.txt").open("a") as file:
        file.write("more\n")
    with pytest.raises(ValueError, match="it is not what the text was encoded with"):
        words.read(tmp_path)


@pytest.mark.parametrize("many", [-1, "7", True])
def test_sentinels_that_cannot_be_are_told(home, tmp_path, many):
    (tmp_path / "spiece.model").write_bytes((home / "mine.model").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"extra_ids": many}))
    with pytest.raises(ValueError, match="tokenizer_config.json: extra_ids="):
        words.found(tmp_path, config())


def test_a_vocabulary_is_beside_the_weights_or_not_at_all(home, tmp_path):
    words.write(Vocabulary(str(home / "mine.model")), tmp_path)
    path = tmp_path / "archlab.json"
    said = json.loads(path.read_text())
    for elsewhere in ("../spiece.model", str(home / "mine.model")):
        path.write_text(json.dumps({"vocabulary": said["vocabulary"] | {"path": elsewhere}}))
        with pytest.raises(ValueError, match="is not beside it"):
            words.read(tmp_path)


def test_published_vocabularies_have_their_published_ids(tmp_path):
    """Those of T5, GPT-2 and BERT, where they lie beside the checkout."""
    files = {"t5": ["spiece.model"], "gpt2": ["encoder.json", "vocab.bpe"]}
    files["bert-base-uncased"] = ["vocab.txt"]
    wanted = {
        "t5": ("The house is wonderful.", [37, 629, 19, 1627, 5]),
        "gpt2": ("Hello world", [15496, 995]),
        "bert-base-uncased": ("hello world", [7592, 2088]),
    }
    for folder in PUBLISHED:
        here = tmp_path / folder.name
        here.mkdir()
        for name in files[folder.name]:
            now = {"encoder.json": "vocab.json", "vocab.bpe": "merges.txt"}.get(name, name)
            (here / now).write_bytes((folder / name).read_bytes())
        found = words.found(here, config(eos_token_id=1))
        text, ids = wanted[folder.name]
        assert found.encode(text) == ids
        if folder.name == "t5":
            assert found.sentinel(0) == 32_099 and found.size == 32_128


def config(**fields) -> Configuration:
    return Configuration({"vocab_size": 60, **fields})


def test_t5s_sentinels_stand_right_above_its_text(home, tmp_path):
    (tmp_path / "spiece.model").write_bytes((home / "mine.model").read_bytes())
    (tmp_path / "tokenizer.json").write_text("{")  # is not looked at
    found = words.found(tmp_path, config(decoder_start_token_id=0))
    assert found.sentinel(0) == 290 + 99 and found.mask == 290 + 100 and found.start == 0
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"extra_ids": 7}))
    assert words.found(tmp_path, config()).sentinel(0) == 290 + 6


def test_a_tokenizer_of_others_is_read_with_the_start_of_its_model(home, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((home / "mine.json").read_bytes())
    found = words.found(tmp_path, config(bos_token_id=0, eos_token_id=1, pad_token_id=2))
    assert (found.start, found.end, found.pad) == (0, 1, 2)
    assert found.encode(TEXT) == Vocabulary(str(home / "mine.json")).encode(TEXT)


@pytest.mark.parametrize(
    "fields, ids",
    [
        ({"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 5}, (0, 1, 5)),
        ({"bos_token_id": 1, "eos_token_id": [2, 3]}, (60, 2, 1)),
        ({"eos_token_id": 50}, (60, 50, 50)),
        ({"bos_token_id": 0, "pad_token_id": 9}, (9, 60, 0)),
        ({}, (60, 60, 0)),
    ],
)
def test_without_files_its_ids_are_numbers(tmp_path, fields, ids):
    found = words.found(tmp_path, config(**fields))
    assert (found.pad, found.end, found.start) == ids and found.text == 60
