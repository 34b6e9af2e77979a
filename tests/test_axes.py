import dataclasses

import pytest

from archlab import axes
from archlab.size import Size


def test_a_letter_stands_for_one_word_and_a_word_for_one_letter():
    assert len(set(axes.WORDS.values())) == len(axes.WORDS)
    assert all(len(letter) == 1 and letter.isupper() for letter in axes.WORDS)


def test_every_extent_of_a_size_has_a_letter():
    fields = {field.name for field in dataclasses.fields(Size)}
    others = {"encoder_layers", "base_embed", "base_kv"}  # of the other stack, of another model
    assert fields - set(axes.WORDS.values()) == others


@pytest.mark.parametrize(
    "name, letters, words",
    [
        ("query_DHK", "DHK", ("embed", "heads", "kv")),
        ("is_seen_BLM", "BLM", ("batch", "length", "memory")),
        ("table_VD", "VD", ("vocab", "embed")),
    ],
)
def test_a_name_ends_in_its_dimensions(name, letters, words):
    assert axes.letters(name) == letters
    assert axes.words(name) == words
