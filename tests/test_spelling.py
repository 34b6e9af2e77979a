"""Every word with one letter wrong is given back right."""

import string

from hypothesis import given
from hypothesis import strategies as st

from archlab.spelling import nearest, not_one_of

WORDS = ("layers", "embed", "heads", "vocabulary", "span_corruption")


@given(
    word=st.sampled_from(WORDS),
    place=st.integers(0, 20),
    letter=st.sampled_from(string.ascii_letters + "_"),
    change=st.sampled_from(["swap", "drop", "add", "other", "case"]),
)
def test_one_wrong_letter_is_put_right(word, place, letter, change):
    place %= len(word) - 1
    wrong = {
        "swap": word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        "drop": word[:place] + word[place + 1 :],
        "add": word[:place] + letter + word[place:],
        "other": word[:place] + letter + word[place + 1 :],
        "case": word.upper(),
    }[change]
    assert nearest(wrong, WORDS) == f", did you mean {word!r}?"


def test_far_words_are_listed_and_none_is_nothing():
    assert nearest("xyz", WORDS) == f"; there are {', '.join(sorted(WORDS))}"
    assert nearest("xyz", []) == ""


def test_what_is_none_of_them():
    words = ["rope", "none"]
    assert not_one_of("rop", words) == "'rop' is not one of rope, none, did you mean 'rope'?"
    assert not_one_of("xyzzy", words) == "'xyzzy' is not one of rope, none"
