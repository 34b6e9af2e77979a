"""What is shown of a row is what its arrays say, and every token of it can be seen."""

import dataclasses
import unicodedata

import numpy as np
import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st

from archlab.architecture import VISIBILITY, Architecture
from archlab.data.vocabulary import Vocabulary
from archlab.show.cells import Cell
from archlab.show.row import read, symbol
from tests import drawn
from tests.show import by_hand

LENGTHS = {"encoder": 13, "decoder": 9}  # of a pair; one stack alone has both together


@dataclasses.dataclass(frozen=True)
class One:
    """A vocabulary of a single piece of text, which is token 3."""

    piece: str
    pad, end, unknown, text = 0, 1, 2, 4

    def encode(self, text):
        return []

    def decode(self, ids):
        return self.piece * ids.count(3)


def test_a_decoder():
    (positions,) = by_hand.read(by_hand.DECODER, "prefix_decoder").stacks.values()
    assert "".join(one.reads.text for one in positions) == "▸abc▸e░"
    assert "".join(one.predicts.text for one in positions) == "abcdef░"
    assert [one.weight for one in positions] == [0, 0, 1, 1, 1, 0.5, 0]
    assert [one.is_first for one in positions] == [True, *[False] * 3, True, False, False]
    assert [one.is_input for one in positions] == [True] * 3 + [False] * 4
    assert [one.is_last_input for one in positions] == [False, False, True, *[False] * 4]


def test_an_encoder_has_no_inputs_to_go_on_from_and_a_first_one_predicts_nothing():
    row = by_hand.read(by_hand.PAIR, "encoder_decoder")
    assert list(row.stacks) == ["encoder", "decoder"]
    assert [one.name for one in row.sights] == [
        *["encoder sees encoder", "decoder sees decoder", "decoder sees encoder"]
    ]
    assert {one.predicts for one in row.stacks["encoder"]} == {None}
    assert not any(one.is_input for positions in row.stacks.values() for one in positions)
    assert row.stacks["decoder"][0].predicts == Cell("<S0>", "special")


@pytest.mark.parametrize(
    "batch, name, said",
    [
        ("DECODER", "causal_decoder", "row 0: second, 2 segments, 4 of 7 learnt, 1 padding"),
        ("PAIR", "encoder_decoder", "row 0: first, 1 segment, 3 of 3 learnt, 0 padding"),
    ],
)
def test_a_row_in_a_line(batch, name, said):
    assert str(by_hand.read(getattr(by_hand, batch), name)) == said


def test_padding_inside_a_text_is_shown_as_what_it_is():
    decoder = dataclasses.replace(by_hand.DECODER.decoder, tokens_BL=by_hand.ids("0a0c0e0"))
    batch = dataclasses.replace(by_hand.DECODER, decoder=decoder, target_BL=by_hand.ids("a0cdef0"))
    (positions,) = by_hand.read(batch, "prefix_decoder").stacks.values()
    assert [one.reads.text for one in positions] == ["▸", "a", "<pad>", "c", "▸", "e", "░"]
    assert [one.predicts.text for one in positions][:3] == ["a", "<pad>", "c"]


@pytest.mark.parametrize("name", VISIBILITY)
@given(seed=st.integers(0, 1000), number=st.integers(0, 2))
def test_every_position_of_a_batch_is_there(name, seed, number):
    architecture = Architecture(name)
    batch = drawn.batch(architecture.kind, 3, *LENGTHS.values(), 384, seed)
    row = read(batch, number, by_hand.BYTES, architecture, by_hand.NAMES)
    assert row.objective == by_hand.NAMES[number % 2]
    last = architecture.stacks[-1]
    for stack, positions in row.stacks.items():
        stream = getattr(batch, stack)
        has_text_L = stream.end_BL[number] > 0
        assert len(positions) == len(has_text_L)
        for at, one in enumerate(positions):
            if not has_text_L[at]:
                assert one.reads.kind == "padding" and one.weight == 0
                continue
            assert one.reads == symbol(by_hand.BYTES, int(stream.tokens_BL[number, at]))
            if stack == last:
                assert one.predicts == symbol(by_hand.BYTES, int(batch.target_BL[number, at]))
                assert one.weight == batch.weight_BL[number, at]
        firsts = [at for at, one in enumerate(positions) if one.is_first]
        assert firsts == sorted(set(stream.start_BL[number, has_text_L].tolist()))


@given(letter=st.characters(exclude_categories=["Cs"]))
@example(letter="\x1b")  # begins a terminal's commands
@example(letter="\u202e")  # turns the direction of writing
@example(letter="\u200b")  # takes no room
@example(letter="\u0301")  # stands on its neighbour
@example(letter="\U000e0041")
@example(letter="<")
def test_every_letter_can_be_seen_and_moves_nothing(letter):
    shown = symbol(One(letter), 3)
    assert shown.kind == "text" and shown.text
    assert not any(unicodedata.category(one)[0] in "CZ" for one in shown.text)
    assert unicodedata.category(shown.text[0])[0] != "M"
    if letter.isprintable() and letter != " ":
        assert shown.text[-1] == letter


def test_a_token_of_no_text_is_shown_by_its_number():
    assert symbol(One(""), 3) == Cell("<3>", "text")


def test_a_piece_keeps_the_space_that_it_begins_with(tmp_path):
    text = "the cat sees a tree\nthe tree sees a cat\n" * 40
    (tmp_path / "text.txt").write_text(text)
    sentencepiece.SentencePieceTrainer.Train(
        input=str(tmp_path / "text.txt"),
        model_prefix=str(tmp_path / "model"),
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    )
    vocabulary = Vocabulary(str(tmp_path / "model.model"))
    model = sentencepiece.SentencePieceProcessor(model_file=vocabulary.path)
    pieces = {token: model.IdToPiece(token) for token in range(3, vocabulary.text)}
    assert any(piece[0] == "▁" and len(piece) > 1 for piece in pieces.values())
    assert "▁" in pieces.values()
    for token, piece in pieces.items():
        assert symbol(vocabulary, token) == Cell(piece.replace("▁", "␣"), "text")


def test_who_sees_whom_is_the_architectures():
    causal = by_hand.read(by_hand.DECODER, "causal_decoder").sights[0]
    prefix = by_hand.read(by_hand.DECODER, "prefix_decoder").sights[0]
    assert causal.end_L.tolist() == [1, 2, 3, 4, 5, 6, 0]
    assert prefix.end_L.tolist() == [3, 3, 3, 4, 5, 6, 0]
    assert causal.start_L.tolist() == prefix.start_L.tolist() == [0, 0, 0, 0, 4, 4, 0]
    assert causal.segments == prefix.segments == [(0, 3, 4), (4, 4, 6)]
    across = by_hand.read(by_hand.PAIR, "encoder_decoder").sights[2]
    assert (across.memory, across.segments) == (4, [])
    assert np.array_equal(across.end_L, [4, 4, 4])
