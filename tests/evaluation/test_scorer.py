import functools
import itertools

import jax
import numpy as np
import pytest

from archlab.batch import Batch, Stream
from archlab.evaluation.formats import Format, Question, Span
from tests.evaluation.letters import LETTERS, PAIRS, model, scorer

LEFT, RIGHT, LONG = (2, 3, 4), (4, 2), 24


def stream(tokens: list[int], split: int) -> Stream:
    """One row of one segment and padding, laid out by hand."""

    def padded(values: list[int]) -> np.ndarray:
        return np.asarray([[*values, *[0] * (LONG - len(values))]], np.int32)

    long = len(tokens)
    edges = ([0] * long, [split] * long, [long] * long)
    return Stream(*map(padded, (tokens, [*range(long)], *edges)))


@functools.partial(jax.jit, static_argnums=0)
def logits(made, weights, batch):
    return made.apply({"params": weights}, batch)


def alone(name: str, question: Question) -> np.ndarray:
    """Nats of each target, float64, of one question by itself, from the model's logits."""
    made, weights = model(name)
    given, said = [*question.given], [*question.said]
    source = decoder = edges = None
    if name == "encoder":
        source, target = stream(given, len(given)), said
    elif name == "encoder_decoder":
        source, decoder = stream(given, len(given)), stream([LETTERS.start, *said[:-1]], 0)
        edges = (np.zeros((1, LONG), np.int32), np.full((1, LONG), len(given), np.int32))
        target = said
    else:
        target = given + said
        split = min(len(given) + 1, len(target)) if given else 0
        decoder = stream([LETTERS.start, *target[:-1]], split)
    row = stream(target, 0).tokens_BL
    learnt = row, np.ones((1, LONG), np.float32), np.zeros(1, np.int32)
    batch = Batch(source, decoder, *(edges or (None, None)), *learnt)
    logits_LV = np.asarray(logits(made, weights, batch))[0, : len(target)].astype(np.float64)
    normal_L = np.log(np.exp(logits_LV).sum(axis=1))
    return (normal_L - logits_LV[np.arange(len(target)), target])[-len(said) :]


@pytest.mark.parametrize("name, form", PAIRS)
def test_nats_are_those_of_the_logits_of_each_question_by_itself(name, form):
    spans = [Span(LEFT[:cut], (3, 2, 2)[: 1 + cut], RIGHT) for cut in (1, 2, 0)]
    found = scorer(name).spans(spans, Format(form)).nats_S
    kind = model(name)[0].architecture.kind
    for span, nats in zip(spans, found, strict=True):
        shown = Span(span.left, span.middle, span.right if Format(form).reads_right else ())
        asked = Format(form).questions(shown, kind, LETTERS)
        wanted = sum(alone(name, one) @ one.counts for one in asked)
        assert nats == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name, form", PAIRS)
def test_the_probabilities_of_all_strings_sum_to_one(name, form):
    """Every string of two ids, and no formula: what is counted is a distribution."""
    strings = list(itertools.product(range(LETTERS.size), repeat=2))
    spans = [Span(LEFT, one, RIGHT) for one in strings]
    nats_S = scorer(name).spans(spans, Format(form)).nats_S
    assert np.exp(-nats_S).sum() == pytest.approx(1, abs=1e-4)
    assert nats_S.std() > 0.1, "or each might be as likely"


@pytest.mark.parametrize("name", ["causal_decoder", "prefix_decoder"])
def test_a_causal_text_is_the_sum_of_its_parts(name):
    left, middle = (2, 3), (4, 2, 3, 3, 2)
    whole = scorer(name).spans([Span(left, middle)], Format("causal")).nats_S[0]
    for cut in range(1, len(middle)):
        parts = [Span(left, middle[:cut]), Span(left + middle[:cut], middle[cut:])]
        assert scorer(name).spans(parts, Format("causal")).nats_S.sum() == pytest.approx(whole)


def test_a_longer_middle_than_a_row_is_said_in_pieces_that_add_up():
    middle = (4, 2, 3, 3, 2, 2, 4, 3) * 2
    narrow, wide = (scorer("causal_decoder", *sides) for sides in ((10, 11), (30, 30)))
    cut, whole = (one.spans([Span((2,), middle)], Format("causal")) for one in (narrow, wide))
    assert cut.is_cut_S.all() and not whole.is_cut_S.any()
    assert cut.notes(Format("causal")) == ("100% cut to fit 21 tokens",)
    assert whole.notes(Format("causal")) == ()
    # The first piece is the same; the others lack what is far from them.
    first = wide.spans([Span((2,), middle[:8])], Format("causal")).nats_S[0]
    rest = narrow.spans([Span((2, *middle[:8]), middle[8:])], Format("causal")).nats_S[0]
    assert cut.nats_S[0] == pytest.approx(first + rest, rel=1e-5)


def test_a_bound_of_one_token_is_exact_and_of_two_is_what_it_should_be_on_average():
    one = [Span(LEFT, (token,), RIGHT) for token in range(LETTERS.size)]
    exact, bound = (
        scorer("encoder").spans(one, Format(name)).nats_S for name in ("unmasking", "bound")
    )
    np.testing.assert_allclose(bound, exact, rtol=1e-5)
    two = [Span(LEFT, pair, RIGHT) for pair in itertools.product((2, 3, 4), repeat=2)]
    draws = [scorer("encoder").spans(two, Format("bound"), seed).nats_S for seed in range(12)]
    assert np.mean(draws) == pytest.approx(expected_bound(two), rel=0.02)


def expected_bound(spans: list[Span]) -> float:
    """Of texts of two hidden tokens: half of the time both are masked, else either of them."""
    total = 0.0
    for span in spans:
        both, (first, second) = Format("unmasking").questions(span, "encoder", LETTERS), span.middle
        masked = alone("encoder", both[0])
        place = len(span.left)
        left_known = Question((*span.left, first, LETTERS.mask, *span.right), both[0].said, None)
        right_known = Question((*span.left, LETTERS.mask, second, *span.right), both[0].said, None)
        single = 2 * np.mean(
            [alone("encoder", left_known)[place + 1], alone("encoder", right_known)[place]]
        )
        total += 0.5 * masked[place : place + 2].sum() + 0.5 * single
    return total / len(spans)


def test_what_is_best_is_what_no_other_string_beats_step_by_step():
    spans = [Span(LEFT, (token,)) for token in range(LETTERS.size)]
    scores = scorer("causal_decoder").spans(spans, Format("causal"))
    assert scores.is_best_S.sum() == 1
    assert scores.is_best_S.argmax() == scores.nats_S.argmin()


def test_it_says_how_far_it_is_and_takes_nothing_for_nothing():
    asked, passed = scorer("encoder"), []
    asked._passed = passed.append
    asked.spans([Span(LEFT, (2, 3), RIGHT)] * 3, Format("unmasking"))
    assert sum(passed) == 6
    assert len(asked.spans([], Format("unmasking")).nats_S) == 0


def test_what_asks_for_nothing_and_what_is_too_long_are_refused():
    with pytest.raises(ValueError, match="span 1 asks for nothing"):
        scorer("encoder").spans([Span(LEFT, (2,)), Span(LEFT, ())], Format("unmasking"))
    long = Question((), (2,) * 33, np.ones(33))
    with pytest.raises(ValueError, match="of 0 and 33 tokens is longer than Row"):
        scorer("causal_decoder").questions([long])


def test_a_mark_that_the_table_has_no_row_for_is_refused():
    """Which would be looked up as nan, and would be printed as a number."""
    beyond = Question((), (2, 12), np.ones(2))
    with pytest.raises(ValueError, match="with id 12, and its table has 12 rows"):
        scorer("causal_decoder").questions([beyond])
