"""Masks become text as in a loop over one text, in NumPy."""

import itertools

import numpy as np
import pytest

from archlab.generation import choice, prompts, unmasking
from tests.generation import asked

MASK, NEVER, MOST, ROOM, LENGTH = 39, 99, 5, 8, 12
GIVEN = [[5, 6, 7, 8], [9], [10, 11]]


@pytest.fixture(scope="module")
def model():
    return asked.made("encoder", "relative")


def unmask(model, given, what=choice.Choice(), seed=0, end=NEVER, **more):  # noqa: B008
    most = more.setdefault("most", MOST)
    stream = prompts.encoded([[*prompt, *[MASK] * most] for prompt in given], LENGTH)
    rows = np.arange(len(given))
    settings = {"is_shifted": False, "passes": most, "allowed": 38, "room": ROOM, **more}
    return unmasking.unmask(
        *model,
        stream,
        np.asarray([len(prompt) for prompt in given]),
        rows < 0,
        choice.keys(seed, rows),
        what,
        end=end,
        mask=MASK,
        **settings,
    )


def loop(model, prompt: list[int], order: str, passes: int, is_shifted: bool):
    """The likeliest tokens at the masks, those of each pass at once; and the sum of their nats."""
    text, total = [*prompt, *[MASK] * MOST], 0.0
    for number in range(passes):
        (logits_LV,) = asked.filled(*model, [text], LENGTH)
        hidden = [place for place, token in enumerate(text) if token == MASK]
        said = {place: asked.nats(logits_LV[place - is_shifted, :38]) for place in hidden}
        many = MOST // passes + (number < MOST % passes)
        first = {place: -said[place].max() for place in hidden}
        ranked = hidden if order == "left" else sorted(hidden, key=first.get)
        for place in ranked[:many]:
            text[place] = int(said[place].argmax())
            total += said[place].max()
    return text[len(prompt) :], total


@pytest.mark.parametrize(
    "order, passes, is_shifted",
    [("left", 5, False), ("left", 2, True), ("confident", 5, True), ("confident", 3, False)],
)
def test_masks_become_what_a_loop_makes_of_them(model, order, passes, is_shifted):
    said = unmask(model, GIVEN, order=order, passes=passes, is_shifted=is_shifted)
    assert said.length_B.tolist() == [MOST] * 3 and not np.any(said.is_over_B)
    for row, prompt in enumerate(GIVEN):
        text, total = loop(model, prompt, order, passes, is_shifted)
        assert said.tokens_BL[row, :MOST].tolist() == text
        np.testing.assert_allclose(said.nats_B[row], total, rtol=1e-4)


def test_at_random_every_order_comes_and_no_other_text(model):
    prompt, most = [5, 6, 7], 3
    wanted = set()
    for order in itertools.permutations(range(3, 6)):
        text = [*prompt, *[MASK] * most]
        for place in order:
            (logits_LV,) = asked.filled(*model, [text], LENGTH)
            text[place] = int(logits_LV[place, :38].argmax())
        wanted.add(tuple(text[3:]))
    said = unmask(model, [prompt] * 60, order="random", most=most)
    assert {*map(tuple, said.tokens_BL[:, :most].tolist())} == wanted and len(wanted) > 2


def test_what_is_drawn_is_another_with_another_seed(model):
    what = choice.Choice(1.0)
    found = [
        unmask(model, GIVEN, what, seed, order="confident").tokens_BL[:, :MOST].tolist()
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]


def test_a_text_ends_where_the_end_is_said(model):
    whole = unmask(model, GIVEN, order="left")
    texts = whole.tokens_BL[:, :MOST].tolist()
    end = texts[0][2]
    said = unmask(model, GIVEN, order="left", end=end)
    ends = [text.index(end) if end in text else MOST for text in texts]
    assert said.length_B.tolist() == ends
    assert said.is_over_B.tolist() == [one < MOST for one in ends]
    assert float(said.nats_B[0]) > float(whole.nats_B[0])
