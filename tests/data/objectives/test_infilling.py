"""The three parts of a text, put back in order, are the text; no character is cut in two."""

import collections
import dataclasses
import random

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archlab.data.objectives.infilling import FEW, Infilling, marks
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from archlab.data.vocabulary import Vocabulary
from tests import texts
from tests.texts import V, by_row, made

P, S, M = marks(V)
ROOM = 15
ORDERS = st.sampled_from(["psm", "spm", "both"])


def row_of(room=ROOM):
    return Row(room // 2, room - room // 2, DECODER)


def parts(said, marked=(P, S, M), end=V.end):
    """Prefix, middle and suffix; of the other order, prefix and middle are one, as the middle."""
    first, second, third = marked
    assert said[0] == first and said[-1] == end
    assert [said.count(mark) for mark in marked] == [1, 1, 1]
    suffix_at, middle_at = said.index(second), said.index(third)
    return said[1:suffix_at], said[middle_at + 1 : -1], said[suffix_at + 1 : middle_at]


def back(said):
    """The text of what was said."""
    return sum(parts(said), []) if said[0] == P else said


def test_the_marks_are_the_last_sentinels():
    assert [P, S, M] == [V.sentinel(V.sentinels - 3 + number) for number in range(3)]


@pytest.mark.parametrize(
    ("order", "said"),
    [("psm", [P, 5, S, 8, M, 6, 7, 1]), ("spm", [P, S, 8, M, 5, 6, 7, 1])],
)
def test_the_examples_of_the_docstring(order, said):
    how = Infilling(rate=1.0, order=order)
    found = made(how, texts.plain([5, 6, 7, 8, 1], rows=100), row_of())
    assert said in [targets for ((_, targets),) in by_row(found, 100)]


@given(text=texts.ragged(ROOM), order=ORDERS, rate=st.sampled_from([0.5, 1.0]), seed=texts.SEEDS)
def test_parts_put_back_are_the_text(text, order, rate, seed):
    how = Infilling(rate=rate, order=order)
    # With room for all marks, nothing is lost.
    found = made(how, text, row_of(10 * ROOM), seed)
    pieces, examples = texts.pieces(text), by_row(found, text.rows)
    assert found.weights_L is None  # the loss falls on all of it
    for row, said_row in zip(pieces, examples, strict=True):
        assert len(row) == len(said_row)
        for piece, (inputs, said) in zip(row, said_row, strict=True):
            assert inputs == []
            body = piece[:-1] if piece[-1] == V.end else piece
            if said[0] != P:
                assert said == piece and (rate < 1 or len(body) < FEW)
                continue
            assert back(said) == body
            assert order != "spm" or parts(said)[0] == []


@given(text=texts.ragged(ROOM), order=ORDERS, seed=texts.SEEDS)
def test_what_does_not_fit_is_lost_from_the_end(text, order, seed):
    how = Infilling(order=order)
    found = by_row(made(how, text, row_of(), seed), text.rows)
    for row, pieces in zip(found, texts.pieces(text), strict=True):
        said = [said for _, said in row]
        assert sum(map(len, said)) <= ROOM and all(said)
        *whole, last = said
        is_short = len(said) < len(pieces) or sum(map(len, said)) == ROOM
        for piece, one in zip(pieces, said if not is_short else whole, strict=False):
            assert back(one) == (piece[:-1] if one[0] == P and piece[-1] == V.end else piece)
        if len(said) < len(pieces):
            assert sum(map(len, said)) == ROOM  # nothing was left out while there was room


def test_a_row_is_full_but_for_what_a_last_piece_may_leave():
    text = texts.random(600, 40, ends=3)
    found = made(Infilling(), text, row_of(600))
    assert np.bincount(found.row_S, found.learnt_S).tolist() == [600] * 40


def test_half_of_the_pieces_are_cut_and_half_of_those_each_way():
    text = texts.of([[[5, 6, 7, 8, 9, 1], [5, 6, 1]]] * 1500)
    said = {
        order: [
            one for _, one in sum(by_row(made(Infilling(order=order), text, row_of(40)), 1500), [])
        ]
        for order in ("both", "psm", "spm")
    }
    is_cut = [one[0] == P for one in said["both"]]
    assert stats.binomtest(sum(is_cut), 3000, 0.5).pvalue > 1e-3
    # The same cuts in each order; where the prefix is empty, both are the same.
    each = [one for one in zip(*said.values(), strict=True) if one[1] != one[2]]
    assert len(each) > 700 and all(both in (psm, spm) for both, psm, spm in each)
    many = sum(both == psm for both, psm, _ in each)
    assert stats.binomtest(many, len(each), 0.5).pvalue > 1e-3


def test_every_pair_of_cuts_is_equally_likely():
    # Two uniform places among 0 to 4, in order: unequal ones come both ways round.
    text = texts.plain([5, 6, 7, 8, 1], rows=3000)
    found = made(Infilling(rate=1.0, order="psm"), text, row_of(40))
    seen = collections.Counter()
    for ((_, said),) in by_row(found, 3000):
        prefix, middle, _ = parts(said)
        seen[len(prefix), len(prefix) + len(middle)] += 1
    every = [(low, high) for low in range(5) for high in range(low, 5)]
    wanted = [3000 / 25 * (1 + (low != high)) for low, high in every]
    assert {*seen} == {*every}
    assert stats.chisquare([seen[one] for one in every], wanted).pvalue > 1e-3


LETTERS = st.text(st.sampled_from("aé犬😀"), min_size=2, max_size=12)


@given(said=st.lists(LETTERS, min_size=1, max_size=3), seed=texts.SEEDS)
def test_no_character_of_bytes_is_cut_in_two(said, seed):
    text = texts.of([[[*V.encode(one), V.end] for one in said]])
    found = made(Infilling(rate=1.0, order="psm"), text, row_of(400), seed)
    for one, (_, targets) in zip(said, by_row(found, 1)[0], strict=True):
        assert "".join(map(V.decode, parts(targets))) == one  # a broken character would be U+FFFD


@pytest.fixture(scope="module", params=["T5's spaces", "every space"])
def model(request, tmp_path_factory):
    """A vocabulary of pieces, and whether it keeps all spaces."""
    home = tmp_path_factory.mktemp("model")
    draw = random.Random(0)
    words = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "and", "naïve", "犬"]
    lines = [" ".join(draw.choices(words, k=12)) for _ in range(300)]
    (home / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    is_kept = request.param == "every space"
    kept = {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
    }
    sentencepiece.SentencePieceTrainer.train(
        input=str(home / "text.txt"),
        model_prefix=str(home / "m"),
        vocab_size=50,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
        character_coverage=1.0,
        **(kept if is_kept else {}),
    )
    return Vocabulary(str(home / "m.model")), lines, is_kept


def test_pieces_are_cut_between_any_two_characters(model):
    vocabulary, lines, is_kept = model
    text = texts.of([[[*vocabulary.encode(line), vocabulary.end]] for line in lines])
    how, row = Infilling(rate=1.0, order="psm", is_by_character=True), Row(100, 400, DECODER)
    marked, inside = marks(vocabulary), 0
    found = made(how, text, row, vocabulary=vocabulary)
    for line, ((_, said),) in zip(lines, by_row(found, len(lines)), strict=True):
        decoded = [vocabulary.decode(part) for part in parts(said, marked, vocabulary.end)]
        # A tokenizer that strips the edges of a text strips those of the parts.
        strip = (lambda one: one) if is_kept else (lambda one: one.replace(" ", ""))
        assert strip("".join(decoded)) == strip(line)
        inside += sum(
            0 < at < len(line) and line[at - 1] != " " != line[at]
            for at in (len(decoded[0]), len(decoded[0] + decoded[1]))
        )
    assert inside > len(lines)  # most places are inside of words
    plain = made(dataclasses.replace(how, is_by_character=False), text, row, vocabulary=vocabulary)
    for ids, ((_, said),) in zip(texts.pieces(text), by_row(plain, len(lines)), strict=True):
        assert sum(parts(said, marked, vocabulary.end), []) == ids[0][:-1]


def test_what_cannot_be_spelled_is_cut_between_tokens(model):
    vocabulary, lines, _ = model
    ids = [*vocabulary.encode(lines[0])[:6], vocabulary.unknown, 0, vocabulary.end]
    how = Infilling(rate=1.0, order="psm", is_by_character=True)
    found = made(how, texts.plain(ids, rows=20), row_of(60), vocabulary=vocabulary)
    for ((_, said),) in by_row(found, 20):
        assert sum(parts(said, marks(vocabulary), vocabulary.end), []) == ids[:-1]


def test_what_does_not_fit_is_refused():
    how = Infilling()
    for kind, instead in [(PAIR, "span_corruption"), (ENCODER, "masked_lm")]:
        with pytest.raises(ValueError, match=f"fit an {kind}: .*; use {instead}$"):
            how.check("it", Row(8, 8, kind), V)
    assert how.check("it", Row(8, 8, DECODER), V) == []
    assert how.raw(Row(8, 7, DECODER), V) == 15 and how.sentinels(row_of(), V) == 3


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": 1.1}, {"order": "mps"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="; the rate is above 0 and up to 1, the order one of psm"):
        Infilling(**wrong)
