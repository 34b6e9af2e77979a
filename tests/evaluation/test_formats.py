import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archlab.data.chance import Chance
from archlab.data.examples import Text
from archlab.data.objectives.denoising import Denoising
from archlab.data.objectives.objective import Objective
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.row import KINDS, Row
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation.formats import FORMATS, SPARE, Format, Span, of

WORDS = Vocabulary()
TOKENS = st.lists(st.integers(3, 200), max_size=12).map(tuple)
SOME = st.lists(st.integers(3, 200), min_size=1, max_size=12).map(tuple)


@given(TOKENS, SOME, TOKENS, st.sampled_from(FORMATS), st.sampled_from(KINDS), st.booleans())
def test_what_counts_is_the_middle_and_nothing_else(left, middle, right, name, kind, is_shifted):
    form = Format(name, is_shifted=is_shifted)
    asked = form.questions(Span(left, middle, right), kind, WORDS)
    counted = np.concatenate([np.repeat(one.said, one.counts > 0) for one in asked])
    assert {*counted.tolist()} <= {*middle}
    assert all(len(one.said) == len(one.counts) for one in asked)
    if name == "bound":
        # Each draw counts as the whole, whatever its number of masks.
        each = [one.counts.sum() for one in asked]
        assert np.allclose(each, len(middle) / len(asked))
    else:
        assert counted.tolist() == [*middle]


@given(TOKENS, SOME, TOKENS, st.integers(2, 9), st.integers(1, 5))
def test_windows_say_all_of_it_and_show_only_what_was_said(left, middle, right, context, piece):
    cut = Span(left, middle, right).windows(context, piece)
    assert sum((one.middle for one in cut), ()) == middle
    said: tuple[int, ...] = ()
    for one in cut:
        before = left + said
        assert one.left == before[len(before) - len(one.left) :]
        assert one.right == right[: len(one.right)]
        assert len(one.left) + len(one.right) <= context and len(one.middle) <= piece
        is_whole = (one.left, one.right) == (before, right) and len(cut) == 1
        assert one.is_cut == (not is_whole)
        # No place is left empty while there is more to show.
        assert len(one.left) + len(one.right) == min(context, len(before) + len(right))
        said += one.middle


@given(SOME, st.sampled_from(FORMATS), st.sampled_from(KINDS), st.integers(0, 30))
def test_what_is_cut_to_fit_fits(middle, name, kind, many):
    row, span = Row(14, 14, kind), Span((5,) * many, middle * 3, (6,) * many)
    form = Format(name, "R", is_shifted=True)
    assume(form.suits(kind))
    for one in form.fitted(span, row):
        for asked in form.questions(one, kind, WORDS):
            if asked.is_in_place:
                assert len(asked.given) <= row.total
            else:
                assert row.holds(len(asked.given), len(asked.said))


def test_a_row_without_room_is_refused():
    with pytest.raises(ValueError, match="too short to ask anything of"):
        Format("prefix").fitted(Span((3,), (4,)), Row(SPARE, 9, "encoder_decoder"))


def test_a_sentinel_stands_where_span_corruption_puts_it():
    """The objective itself hides one span of a text of ten; the same span is asked for."""
    text = np.arange(10, 20, dtype=np.int32)
    objective, row = Denoising(rate=0.3, mean=3.0, is_rolled=True, mode="R"), Row(16, 8, "decoder")
    held = Text(np.append(text, WORDS.end).astype(np.int32), np.asarray([11]), np.zeros(1, int), 1)
    for seed in range(40):
        chance = Chance((seed,), 0, 1)
        (inputs, targets), *_ = objective.examples(held, chance, row, WORDS).listed()
        hidden = [*map(int, targets[1:-2])]
        if targets[0] != WORDS.sentinel(0) or WORDS.end in hidden:
            continue  # the text begins or ends hidden
        begin = hidden[0] - 10
        left, right = text[:begin], text[begin + 3 :]
        span = Span(*(tuple(map(int, one)) for one in (left, hidden, right)))
        (asked,) = of(objective).questions(span, "decoder", WORDS)
        # What was joined ends in an end of its own, besides the one that closes the inputs.
        assert [*asked.given, WORDS.end] == inputs.tolist()
        assert [*asked.said] == targets.tolist()[: len(asked.said)]
        return
    raise AssertionError("no draw was as wanted")


def test_every_objective_says_how_its_models_are_asked():
    said = {name: of(objective).said for name, objective in OBJECTIVES.items()}
    assert {
        "causal_lm": "causal",
        "prefix_lm_half": "prefix",
        "span_corruption": "sentinel",
        "mass": "whole",
        "deshuffle": "prefix",
        "ul2_x8": "sentinel <X>",
        "ul2_s": "prefix <S>",
        "masked_lm_30": "unmasking",
        "masked_diffusion": "bound",
        "fim_spm": "infilling",
    }.items() <= said.items()
    assert of(OBJECTIVES["mntp"]).is_shifted


def test_what_is_no_format_and_what_no_objective_are_refused():
    with pytest.raises(ValueError, match="format 'plain' is not one of causal, prefix"):
        Format("plain")
    with pytest.raises(ValueError, match="Objective says nothing"):
        of(Objective())
