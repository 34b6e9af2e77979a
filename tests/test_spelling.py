"""Every word with one letter wrong is given back right."""

import string

from hypothesis import given
from hypothesis import strategies as st

from archlab.spelling import MOST, beside, meant, nearest, not_one_of

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


def test_of_many_far_words_some_are_listed():
    many = [f"word{number:02}" for number in range(MOST + 7)]
    assert nearest("xyz", many).endswith(f", {many[MOST - 1]} and 7 more")


def test_the_fewest_slips_decide_between_words_that_look_alike():
    assert meant("haed", ["shared", "head"]) == "head"
    assert meant("ve_256", ["v5e_256", "v6e_256"]) in ("v5e_256", "v6e_256")
    assert meant("kv-heads", ["heads", "kv_heads"]) == "kv_heads"
    assert meant("4c", ["c4", "code"]) == "c4" and meant("", WORDS) == ""


def test_a_path_is_mended_part_by_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "quickstart").mkdir(parents=True)
    assert beside("rusn/quikstart") == ", did you mean 'runs/quickstart'?"
    assert beside(tmp_path / "run") == f", did you mean '{tmp_path}/runs'?"
    assert beside("runs/../runs/quick-start") == ", did you mean 'runs/../runs/quickstart'?"
    assert beside("runs/xyz") == "" == beside("nowhere/at/all")
    assert beside(f"runs/{'long' * 99}") == "" == beside(f"{'long' * 99}/runs")


def test_what_is_hidden_is_meant_by_who_says_so_alone(tmp_path):
    (tmp_path / ".texts").mkdir()
    assert beside(tmp_path / "texts") == ""
    assert beside(tmp_path / ".text") == f", did you mean '{tmp_path}/.texts'?"


def test_what_is_none_of_them():
    words = ["rope", "none"]
    assert not_one_of("rop", words) == "'rop' is not one of rope, none, did you mean 'rope'?"
    assert not_one_of("xyzzy", words) == "'xyzzy' is not one of rope, none"
