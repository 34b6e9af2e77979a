"""Labels that are chosen by models whose answers are known."""

import numpy as np
import pytest

from archlab.data.labelling import Labelled
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation.classes import accuracy, chosen
from tests.evaluation.test_measures import Known, subject

WORDS = Vocabulary()
LABELS = ["neg", "pos", "so-so"]


def knowing(kind: str, row: Row, cheap: dict[str, int]):
    """A model that knows the label of a text, by its first letter."""

    class Knowing(Known):
        def questions(self, questions):
            found = []
            for one in questions:
                text = WORDS.decode(one.given).removeprefix("<mask>")
                label = LABELS[cheap[text[0]]]
                right = (
                    WORDS.sentinel(cheap[text[0]])
                    if one.is_in_place
                    else [*WORDS.encode(label), WORDS.end]
                )
                said = one.said[0] if one.is_in_place else [*one.said]
                assert len(one.counts) == len(one.said)
                found.append(float(said != right) * np.sum(one.counts))
            return np.asarray(found), np.zeros(len(found), bool)

    made = subject(kind=kind)
    object.__setattr__(made, "row", row)
    object.__setattr__(made, "scorer", Knowing(row, lambda token: 1.0))
    return made


@pytest.mark.parametrize("kind", ["decoder", "encoder_decoder", "encoder"])
def test_the_likeliest_label_is_chosen_of_texts_that_are_cut_to_fit(kind):
    asked = knowing(kind, Row(12, 8, kind), {"a": 2, "b": 0, "c": 1})
    assert chosen(asked, ["a", "b text", "c" * 50, "ab"], LABELS).tolist() == [2, 0, 1, 2]


def test_accuracy_stands_beside_the_commonest_label_and_chance():
    asked = knowing("encoder", Row(0, 30, "encoder"), {"a": 2, "b": 0, "c": 1})
    test = Labelled(["a", "b", "c", "a"], ["so-so", "pos", "pos", "so-so"])
    line = accuracy(asked, "labels", LABELS, test, "pos")
    assert line.found.value == 0.75 and line.chance == 0.5 and line.found.items == 4
    assert (line.asked, line.notes) == ("label head", ("0.333 at random",))
