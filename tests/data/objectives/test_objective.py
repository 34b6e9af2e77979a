"""What an objective cannot fill is refused with numbers; what is odd is told of."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data.objectives.objective import Objective, longest
from archlab.data.row import DECODER, ENCODER, PAIR, Row
from tests.texts import V, chance, plain


@dataclasses.dataclass(frozen=True)
class Made(Objective):
    """An objective that is told what to say of itself."""

    tokens: int = 9
    many: int = 0
    odd: tuple[str, ...] = ()

    def refusal(self, kind):
        return "it is too long; use another" if kind != PAIR else ""

    def raw(self, row, vocabulary):
        return self.tokens

    def sentinels(self, row, vocabulary):
        return self.many

    def oddities(self, row, vocabulary):
        return [*self.odd]


ROW = Row(7, 5, PAIR)


def test_a_healthy_one_passes():
    assert Made(many=V.sentinels).check("mine", ROW, V) == []


def test_oddities_are_said_by_name():
    assert Made(odd=("is odd", "is rare")).check("mine", ROW, V) == [
        "mine: is odd",
        "mine: is rare",
    ]


@pytest.mark.parametrize(("kind", "article"), [(DECODER, "a decoder"), (ENCODER, "an encoder")])
def test_a_kind_that_does_not_fit_is_refused(kind, article):
    match = f"^mine does not fit {article}: it is too long; use another$"
    with pytest.raises(ValueError, match=match):
        Made().check("mine", Row(7, 5, kind), V)


@pytest.mark.parametrize("tokens", [0, 1])
def test_a_row_that_cannot_be_filled_is_refused(tokens):
    with pytest.raises(ValueError, match="^mine cannot fill a row of inputs=7, targets=5$"):
        Made(tokens=tokens).check("mine", ROW, V)


def test_too_few_sentinels_are_refused_with_both_numbers():
    match = f"^mine at inputs=7 needs {V.sentinels + 1} sentinels, and the vocabulary has 121; "
    with pytest.raises(ValueError, match=match):
        Made(many=V.sentinels + 1).check("mine", ROW, V)


def test_an_objective_says_all_of_itself():
    bare = Objective()
    for asked in (
        lambda: bare.refusal(PAIR),
        lambda: bare.raw(ROW, V),
        lambda: bare.examples(plain([5]), chance(1), ROW, V),
    ):
        with pytest.raises(AssertionError, match="^every objective "):
            asked()
    assert bare.sentinels(ROW, V) == 0 and bare.oddities(ROW, V) == []
    assert not bare.takes_pieces(ROW)


@given(
    room=st.integers(0, 60),
    targets=st.integers(0, 60),
    kind=st.sampled_from([PAIR, DECODER]),
    rate=st.floats(0.05, 0.95),
    more=st.integers(0, 5),
)
def test_the_longest_text_is_found(room, targets, kind, rate, more):
    def sides(length):
        hidden = round(length * rate)
        return length - hidden + more, hidden + more

    row = Row(room, targets, kind)
    fitting = [n for n in range(2, 2 * row.total + 3) if row.holds(*sides(n))]
    assert longest(row, sides) == max(fitting, default=0)


def test_a_text_longer_than_its_row_is_found():
    # Where nearly all is hidden behind one sentinel, and the targets have room.
    assert longest(Row(3, 50, PAIR), lambda length: (2, length)) == 50
    assert longest(Row(0, 0, PAIR), lambda length: (1, 1)) == 0
