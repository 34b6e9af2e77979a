"""Beam search beside the same search written for one text, in NumPy, over a table of all texts."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from archlab.generation import beam, prompts
from tests.generation import asked

SYMBOLS, END, MOST, ROOM = 5, 1, 4, 6
SIZE = asked.SIZE.__class__(layers=1, embed=8, mlp=12, heads=2, kv=4, vocab=SYMBOLS)
GIVEN = [[2, 3, 4], [0], [3, 3]]


@pytest.fixture(scope="module")
def model():
    return asked.made("causal_decoder", "relative", size=SIZE, seed=4)


@pytest.fixture(scope="module")
def search(model):
    """Continues the prompts."""
    stream = prompts.prompted(GIVEN, 4)

    def search(beams: int, penalty: float) -> beam.Beams:
        more = {"most": MOST, "end": END, "allowed": 99, "room": ROOM, "beams": beams}
        return beam.search(*model, stream, None, np.zeros(3, bool), penalty, **more)

    return search


@pytest.fixture(scope="module")
def tables(model):
    """Of each prompt, the log probability of what follows each beginning."""
    inner = [one for one in range(SYMBOLS) if one != END]
    begun = list(itertools.product(inner, repeat=MOST - 1))
    found = []
    for prompt in GIVEN:
        rows = asked.logits(*model, [prompt] * len(begun), [list(one) for one in begun])
        found.append(
            {
                text[:length]: asked.nats(row[length])
                for text, row in zip(begun, rows, strict=True)
                for length in range(MOST)
            }
        )
    return found


def kept(table: dict, beams: int, penalty: float) -> list[tuple[float, float, tuple]]:
    """Score, nats and ids of the alternatives that are kept of one text, best first."""
    live, texts = [(0.0, ())], []
    for length in range(1, MOST + 1):
        grown = [
            (nats + float(table[text][token]), (*text, token))
            for nats, text in live
            for token in range(SYMBOLS)
        ]
        grown = sorted(grown, reverse=True)[: 2 * beams]
        for nats, text in grown[:beams]:
            if text[-1] == END or length == MOST:
                texts.append((nats / ((5 + length) / 6) ** penalty, nats, text))
        live = [one for one in grown if one[1][-1] != END][:beams]
        texts = sorted(texts, reverse=True)[:beams]
        best = live[0][0] / ((5 + MOST) / 6) ** penalty
        if len(texts) == beams and texts[-1][0] >= best:
            break
    return texts


@pytest.mark.parametrize("penalty", [0.0, 0.6, 4.0])
def test_it_is_the_search_of_a_loop(search, tables, penalty):
    found = search(3, penalty)
    firsts = set()
    for row, table in enumerate(tables):
        wanted = kept(table, 3, penalty)
        assert len(wanted) == 3
        for place, (score, nats, text) in enumerate(wanted):
            length = int(found.length_BC[row, place])
            assert tuple(found.tokens_BCL[row, place, :length].tolist()) == text
            np.testing.assert_allclose(found.score_BC[row, place], score, rtol=1e-5)
            np.testing.assert_allclose(found.nats_BC[row, place], nats, rtol=1e-5)
        firsts.add(wanted[0][2])
    assert len(firsts) > 1


def test_with_room_for_all_texts_it_finds_all_and_their_probabilities_sum_to_one(search):
    texts = asked.strings(SYMBOLS, END, MOST)
    found = search(len(texts), 0.0)
    for row in range(len(GIVEN)):
        nats_C = np.asarray(found.nats_BC[row], np.float64)
        assert np.isfinite(nats_C).all() and np.all(np.diff(nats_C) <= 0)
        assert abs(np.exp(nats_C).sum() - 1) < 1e-5
        length_C = found.length_BC[row].tolist()
        said = [
            tuple(tokens[:length])
            for tokens, length in zip(found.tokens_BCL[row].tolist(), length_C, strict=True)
        ]
        assert sorted(said) == sorted(texts)


def test_a_longer_text_may_cost_more():
    assert beam.lasting(1, 0.6) == 1
    np.testing.assert_allclose(beam.lasting(jnp.arange(1, 8), 0), 1)
    np.testing.assert_allclose(beam.lasting(13, 2.0), 9)
