import pytest

from archlab.evaluation import passages
from archlab.evaluation.passages import FAR, Passage, drawn, word
from tests import corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(corpus.written(tmp_path_factory.mktemp("texts"), documents=120))


def test_they_are_stretches_of_held_out_text_that_begin_with_words(folder):
    held = [one.text for one in passages._held_out("folder", folder)]
    found = drawn("folder", folder, 20, left=40, middle=10, right=20, seed=0)
    assert len(found) == 20
    for one in found:
        whole = one.left + one.middle + one.right
        assert any(whole in text for text in held)
        assert one.middle[0] == " " and one.right[0] == " "
        assert 40 <= len(one.left) <= 40 + FAR and 1 < len(one.middle) <= 10 + FAR
        assert len(one.right) == 20


def test_every_document_gives_one_before_any_gives_two(folder):
    held = [one.text for one in passages._held_out("folder", folder)]
    found = drawn("folder", folder, len(held), 30, 8, 0, 1)
    given = [{at for at, text in enumerate(held) if one.left + one.middle in text} for one in found]
    assert set().union(*given) == {*range(len(held))}


def test_they_are_the_same_whenever_they_are_drawn(folder):
    given = ("folder", folder, 9, 30, 8, 8)
    assert drawn(*given, 5) == drawn(*given, 5) != drawn(*given, 6)


def test_bytes_are_those_of_utf8():
    assert Passage("é", "aé☃").bytes == 6


def test_a_text_without_words_is_cut_where_it_was_meant_to_be():
    assert word("x" * 500, 100) == 100


def test_no_source_and_too_little_text_are_refused(folder):
    with pytest.raises(ValueError, match="source='books' is not one of python_stdlib, folder"):
        drawn("books", "", 1, 9, 9, 9, 0)
    with pytest.raises(ValueError, match="holds out no document of 90064 characters"):
        drawn("folder", folder, 1, 90_000 - 2, 1, 1, 0)
