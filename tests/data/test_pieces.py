"""SentencePiece: models read as the library reads them, and models trained the same twice."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from archlab.data import pieces, sources

LINES = "def the_cat(sees):\n\treturn  a_tree   # ünder dem Baum\n\n        犬が木の下を走る </s>\n"
TEXTS = [LINES * 10, LINES.upper() * 10]
SIZE = 310
# "▁" is how SentencePiece writes a space, so it cannot come back as itself.
WHOLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="▁"), max_size=40)


def train(path, kind="unigram", texts=TEXTS, size=SIZE):
    return pieces.train(texts, path, size, kind)


@pytest.fixture(scope="module", params=pieces.KINDS)
def both(request, tmp_path_factory):
    """A model trained here, and as the library reads it."""
    path = tmp_path_factory.mktemp("model") / "new" / "my.model"
    made = train(path, request.param)
    return made, sentencepiece.SentencePieceProcessor(model_file=str(path))


def test_ids_are_t5s(both):
    made, library = both
    ids = (library.pad_id(), library.eos_id(), library.unk_id(), library.bos_id())
    assert ids == (0, 1, 2, -1)
    assert (made.pad, made.end, made.unknown) == ids[:3]
    assert made.text == library.vocab_size() == SIZE
    assert made.special == {0: "<pad>", 1: "</s>", 2: "<unk>"}


@given(text=WHOLE)
@example(text="  the\t\tcat \r\n \n\n")
@example(text="</s><pad><unk>")
@example(text="\0 🐕")
@example(text="")
def test_nothing_of_a_text_is_lost(both, text):
    made, library = both
    ids = made.encode(text)
    assert ids == library.encode(text)
    assert made.decode(ids) == text
    assert not ids or 3 <= min(ids) <= max(ids) < made.text


@pytest.mark.parametrize("text", ["a" * 10**6, "the cat\n" * 125_000], ids=["word", "words"])
def test_long_texts_come_back(both, text):
    made, _ = both
    assert made.decode(made.encode(text)) == text


@given(texts=st.lists(WHOLE, max_size=5))
def test_all_at_once_are_one_by_one(both, texts):
    made, _ = both
    found = made.encode_all(texts)
    assert [ids_L.tolist() for ids_L in found] == [made.encode(text) for text in texts]
    assert all(ids_L.dtype == np.int32 for ids_L in found)


@pytest.mark.parametrize("kind", pieces.KINDS)
def test_two_trainings_of_a_text_are_equal_to_the_byte(tmp_path, kind):
    one, other = tmp_path / "one.model", tmp_path / "other.model"
    train(one, kind)
    train(other, kind, iter(TEXTS))
    assert one.read_bytes() == other.read_bytes()
    third = tmp_path / "third.model"
    train(third, kind, [*TEXTS, "another text"])
    assert third.read_bytes() != one.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "one.model",
        "other.model",
        "third.model",
    ]


def test_kinds_differ(tmp_path):
    found = [train(tmp_path / f"{kind}.model", kind).encode(LINES) for kind in pieces.KINDS]
    assert found[0] != found[1]


def test_indentation_is_one_piece(both):
    made, _ = both
    assert len(made.encode("\n        x")) < len("\n        x")


def test_what_a_trainer_cannot_read_does_not_stop_it(tmp_path):
    hostile = ["\0a\0", "\ud800", "", " \n\t\n", "x" * 10_000]
    made = train(tmp_path / "my.model", texts=[*TEXTS, *hostile])
    assert made.decode(made.encode("\0")) == "\0"


@pytest.mark.parametrize(
    "options, said",
    [
        ({"kind": "word"}, "kind='word' is not one of unigram, bpe"),
        ({"size": 100}, r"size=100 comes of this text: Vocabulary size is smaller than required"),
        ({"size": 9000}, r"size=9000 comes of this text: Vocabulary size too high \(9000\)"),
        ({"texts": ["", "\n "]}, "there is no text to train on"),
        ({"path": "my.txt"}, "my.txt does not end in .model"),
        ({"path": "old.model"}, "old.model is there already"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, options, said):
    (tmp_path / "old.model").write_bytes(b"old")
    with pytest.raises(ValueError, match=said):
        train(**options | {"path": tmp_path / options.get("path", "new.model")})
    assert [path.name for path in tmp_path.iterdir()] == ["old.model"]
    assert (tmp_path / "old.model").read_bytes() == b"old"


def test_control_pieces_are_named_and_no_text_becomes_them():
    raw = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(LINES.split("\n")),
        model_writer=raw,
        vocab_size=80,
        hard_vocab_limit=False,
        minloglevel=2,
        control_symbols=["<c>"],
        user_defined_symbols=["<u>"],
        **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": 4},
    )
    made = pieces.Pieces(Path("my.model"), raw.getvalue())
    assert set(made.special.values()) == {"<pad>", "</s>", "<unk>", "<s>", "<c>"}
    ids = set(made.encode("a</s><s><c><u>"))
    assert ids & made.special.keys() == {made.unknown}


@given(
    st.lists(st.text(st.sampled_from("ab \n"), max_size=30), max_size=20),
    st.integers(1, 60),
)
def test_a_sample_fits_and_is_evenly_spread(texts, most):
    every = [line for text in texts for line in text.split("\n") if line.strip()]
    kept = pieces.sample(texts, most)
    if not every:
        assert kept == []
        return
    stride = round(2 ** math.ceil(math.log2(len(every) / len(kept))))
    assert kept == every[::stride]
    assert sum(map(len, kept)) <= most or len(kept) == 1
    assert stride == 1 or sum(map(len, every[:: stride // 2])) > most


def test_long_lines_are_cut():
    line = "ab" * 1300
    kept = pieces.sample([line])
    assert "".join(kept) == line and max(map(len, kept)) == pieces.SENTENCE


def test_density_is_bytes_over_tokens(both):
    made, _ = both
    text = "the cat 犬\n"
    bytes_, tokens = 2 * len(text.encode()), 2 * len(made.encode(text))
    said = f"{bytes_ / tokens:.2f} bytes per token on {bytes_} bytes of held-out text"
    assert pieces.density(made, iter([text, text])) == said
    assert pieces.density(made, []) == "no held-out text to measure it on"


def test_density_reads_no_more_than_it_needs(both, monkeypatch):
    made, _ = both
    monkeypatch.setattr(pieces, "READ", 11)
    assert "on 9 bytes of" in pieces.density(made, ["abcdefgh 犬 and on"])
    texts = iter(["abcd", "efghijklm", "n"])
    assert "on 11 bytes of" in pieces.density(made, texts)
    assert [*texts] == ["n"]


def test_the_standard_library_can_be_learnt(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "READ", 200_000)
    text = sources.python_stdlib()
    learnt, held_out = ([one.text for one in text.documents(split)] for split in sources.SPLITS)
    made = pieces.train(learnt, tmp_path / "python.model", 1000, "bpe")
    assert made.decode(made.encode(held_out[0])) == held_out[0]
    assert float(pieces.density(made, held_out).split()[0]) > 2
