"""What is said, beside what a vocabulary of three symbols lets one count by hand."""

import dataclasses
import functools

import numpy as np
import pytest

from archlab.data.vocabulary import Vocabulary
from archlab.generation import prompts
from archlab.generation.generate import generate
from archlab.generation.manner import Manner
from archlab.size import Size
from tests.generation import asked
from tests.generation.asked import DECODERS, SIZE

END, NEVER = 1, 99
WORDS, ENDLESS = Vocabulary("ids:40,0,1,2"), Vocabulary(f"ids:40,0,{NEVER},2")
FEW = Vocabulary("ids:3,0,1,2")
TINY = Size(layers=1, embed=8, mlp=12, heads=2, kv=4, vocab=3)
MASKED = dataclasses.replace(TINY, vocab=FEW.mask + 1)
PROMPT, MOST, ROWS = [2, 0, 2], 3, 1000
ALL = [*DECODERS, "encoder"]


@pytest.fixture(autouse=True)
def lengths_are_rounded_to_little(monkeypatch):
    """Since these texts are short."""
    monkeypatch.setattr(prompts, "BLOCK", 8)


def chances(name: str) -> tuple:
    """A model, and the log of the probability of every text that it can say, read all anew."""
    size = MASKED if name == "encoder" else TINY
    model, weights = asked.made(name, size=size, seed=3)
    texts = asked.strings(3, END, MOST)
    if name == "encoder":
        return model, weights, {text: _unmasked(model, weights, text) for text in texts}
    said = [list(text) for text in texts]
    found = asked.logits(model, weights, [PROMPT] * len(texts), said)
    return model, weights, {text: _sum(one, text) for text, one in zip(texts, found, strict=True)}


def _sum(logits_LV: np.ndarray, text: tuple[int, ...]) -> float:
    nats_LV = asked.nats(logits_LV[: len(text), :3])
    return float(nats_LV[np.arange(len(text)), text].sum())


def _unmasked(model, weights, text: tuple[int, ...]) -> float:
    """What it gives to each token with those before it shown, and masks in place of the others."""
    shown = [[*PROMPT, *text[:at], *[FEW.mask] * (MOST - at)] for at in range(len(text))]
    found_BLV = asked.filled(model, weights, [*shown, *[shown[0]] * (MOST - len(shown))])
    places = np.arange(len(text))
    return _sum(found_BLV[places, len(PROMPT) + places], text)


def test_the_likeliest_texts_are_those_of_counting(subtests):
    for name in ALL:
        with subtests.test(name):
            check(name)


def check(name: str) -> None:
    model, weights, nats = chances(name)
    say = functools.partial(generate, model, weights, FEW)
    assert abs(sum(np.exp(one) for one in nats.values()) - 1) < 1e-6
    drawn = say([PROMPT] * ROWS, Manner(MOST, 1.0, seed=5), at_once=ROWS)
    many = dict.fromkeys(nats, 0)
    for one in drawn:
        text = (*one.ids, END) if one.is_ended else tuple(one.ids)
        many[text] += 1
        assert abs(one.nats - nats[text]) < 1e-4
    for text, count in many.items():
        share = np.exp(nats[text])
        assert abs(count / ROWS - share) < 5 * np.sqrt(max(share, 1 / ROWS) / ROWS), text
    if name in ("encoder", "causal_decoder"):  # which keeps no alternatives; and test_beam.py's
        return
    for penalty in (0.0, 0.6, 3.0):
        best = max(nats, key=lambda text: nats[text] / ((5 + len(text)) / 6) ** penalty)
        (found,) = say([PROMPT], Manner(MOST, beams=16, penalty=penalty))
        assert (*found.ids, *[END] * found.is_ended) == best
        assert abs(found.nats - nats[best]) < 1e-4


PROMPTS = [[5, 6, 7, 8, 9], [11], [13, 14, 15], [16, 17], [18]]


@pytest.mark.parametrize("name", ALL[1:])
def test_a_text_is_continued_the_same_alone_and_beside_others(name):
    more = {"order": "random"} if name == "encoder" else {}
    model, weights = asked.made(name, size=SIZE)
    manner = Manner(6, 1.0, top_k=9, seed=7, **more)
    together = generate(model, weights, ENDLESS_OF[name], PROMPTS, manner, at_once=3)
    alone = [
        generate(model, weights, ENDLESS_OF[name], [prompt], manner, first=number)[0]
        for number, prompt in enumerate(PROMPTS)
    ]
    assert [one.ids for one in together] == [one.ids for one in alone]
    assert len({tuple(one.ids) for one in together}) == len(PROMPTS)
    np.testing.assert_allclose(*([one.nats for one in all_] for all_ in (together, alone)), 1e-5)


ENDLESS_OF = {**dict.fromkeys(DECODERS, ENDLESS), "encoder": Vocabulary("ids:35,0,36,2")}


def test_the_seed_decides():
    model, weights = asked.made("causal_decoder")
    ids = [
        generate(model, weights, WORDS, [[5]], Manner(9, 1.0, seed=seed))[0].ids
        for seed in (3, 3, 4)
    ]
    assert ids[0] == ids[1] != ids[2]


def test_greedy_says_the_likeliest_token_each_time_and_stops_at_the_end():
    model, weights = asked.made("prefix_decoder", seed=0)
    given = [[9, 8, 7], [20], [30, 31], [5, 5]]
    said = generate(model, weights, WORDS, given, Manner(12))
    assert any(one.is_ended for one in said) and not all(one.is_ended for one in said)
    texts = [[*one.ids, *[END] * one.is_ended] for one in said]
    found = asked.logits(model, weights, given, texts)
    for one, text, logits_LV in zip(said, texts, found, strict=True):
        assert logits_LV.argmax(-1)[: len(text)].tolist() == text
        assert END not in one.ids and len(one.ids) <= 12
        assert one.is_ended or len(one.ids) == 12


def test_nothing_is_said_after_no_prompts():
    model, weights = asked.made("causal_decoder")
    assert generate(model, weights, WORDS, [], Manner(3)) == []


@pytest.mark.parametrize(
    "name, given, settings, said",
    [
        ("encoder_decoder", [[5], []], {}, "prompt 2 of 2 is empty; an encoder-decoder needs"),
        ("encoder", [[5]], {"beams": 2}, "beams=2, and an encoder fills masks"),
        ("causal_decoder", [[5]], {"order": "left"}, "order='left' is of an encoder's masks"),
        ("prefix_decoder", [[5]], {"passes": 2}, "passes=2 is of an encoder's masks, and a prefix"),
    ],
)
def test_what_cannot_be_continued_is_refused(name, given, settings, said):
    model, _ = asked.made(name)
    with pytest.raises(ValueError, match=said):
        generate(model, {}, WORDS, given, Manner(3, **settings))


def test_what_a_caller_says_wrong_is_refused():
    model, _ = asked.made("encoder")
    with pytest.raises(ValueError, match="prompt 1 of 1 is empty; .* one position earlier"):
        generate(model, {}, WORDS, [[]], Manner(3), is_shifted=True)
    model, _ = asked.made("causal_decoder")
    with pytest.raises(ValueError, match="is_shifted=True is of an encoder"):
        generate(model, {}, WORDS, [[5]], Manner(3), is_shifted=True)
    for more in ({"at_once": 0}, {"first": -1}):
        with pytest.raises(ValueError, match="at least 1 row, and from 0 on"):
            generate(model, {}, WORDS, [[5]], Manner(3), **more)


def test_no_text_is_longer_than_the_table_of_positions():
    model, weights = asked.made("causal_decoder", "learned")
    (said,) = generate(model, weights, ENDLESS, [[5, 6, 7]], Manner(21))
    assert len(said.ids) == 21 and np.isfinite(said.nats)
    with pytest.raises(ValueError, match="4 tokens .* 22 more .* 24 positions; 21 more would do"):
        generate(model, weights, ENDLESS, [[5], [5, 6, 7]], Manner(22))
    model, weights = asked.made("encoder_decoder", "learned")
    with pytest.raises(ValueError, match="encoder is to read 25 tokens, .* 24 positions"):
        generate(model, weights, ENDLESS, [[5] * 25], Manner(1))
    model, weights = asked.made("encoder_decoder", "learned", merged=True)
    with pytest.raises(ValueError, match="6 tokens .* 20 more .* 24 positions; 19 more would do"):
        generate(model, weights, ENDLESS, [[5] * 5], Manner(20))
    model, weights = asked.made("encoder", "learned")
    with pytest.raises(ValueError, match="3 tokens are read and 22 more .* 21 more would do"):
        generate(model, weights, ENDLESS, [[5, 6, 7]], Manner(22))
