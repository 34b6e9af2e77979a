import numpy as np
import pytest

from archlab.evaluation.formats import Format
from archlab.evaluation.incontext import Copy, Regression, Relabel
from archlab.evaluation.scorer import Scores
from tests.evaluation.test_measures import WORDS, subject


class Told:
    """Costs what a rule says of the text before and the piece; nothing is computed."""

    def __init__(self, rule):
        self._rule = rule

    def spans(self, spans, form, seed=0):
        nats = [self._rule(WORDS.decode(one.left), WORDS.decode(one.middle)) for one in spans]
        nats_S = np.asarray(nats, float)
        return Scores(nats_S, nats_S < 1, np.zeros(len(nats), bool), 32)


def asked(rule, *formats, kind="decoder"):
    made = subject(*(formats or [Format("causal")]), kind=kind)
    object.__setattr__(made, "scorer", Told(rule))
    return made


def test_a_copy_is_what_followed_the_same_words_before(tmp_path):
    def rule(left, middle):
        words = left.split()
        return 0.5 if words[len(words) // 2] == middle.strip() else 2.0

    accuracy, nats = Copy(items=9, words=5).measure(asked(rule), tmp_path)
    assert accuracy.found.value == 1.0 and accuracy.found.items == 9
    assert nats.found.value == 0.5 / 4  # a space and three letters
    accuracy, _ = Copy(items=9, words=5).measure(asked(lambda left, middle: 2.0), tmp_path)
    assert accuracy.found.value == 0.0


def test_chance_of_a_copy_is_that_of_random_letters(tmp_path):
    _, nats = Copy(items=2, letters=3).measure(asked(lambda *_: 3 * np.log(26)), tmp_path)
    assert nats.found.value == pytest.approx(nats.chance)


def test_a_line_is_fitted_through_the_points(tmp_path):
    def rule(left, middle):
        *points, last = left.split("\n")
        pairs = np.asarray([[int(word) for word in one.split()[1::2]] for one in points])
        slope, start = np.polyfit(*pairs.T, 1)
        return abs(slope * int(last.split()[1]) + start - int(middle))

    measure = Regression(items=40, shots=6, seed=3)
    with np.errstate(all="ignore"):
        accuracy, error = measure.measure(asked(rule), tmp_path)
    assert accuracy.found.value > 0.9, "all but points that lie above one another"
    assert error.found.value < 0.3 < error.chance
    always = Regression(items=400).measure(asked(lambda left, middle: int(middle)), tmp_path)
    assert 0 < always[0].found.value < 0.3


def test_a_new_label_is_read_off_the_shots(tmp_path):
    rows = [f"good{number}\t1\nbad{number}\t0" for number in range(20)]
    (tmp_path / "a.tsv").write_text("\n".join(rows))

    def rule(left, middle):
        *shots, last = left.split("\n")
        meant = {one.split()[0][:3]: one.split()[1] for one in shots}
        return 0.0 if meant.get(last[:3]) == middle.strip() else 1.0

    (line,) = Relabel("a.tsv", items=30, shots=8).measure(asked(rule), tmp_path)
    assert line.found.value > 0.9 and line.chance == 0.5
    (line,) = Relabel("a.tsv", items=200).measure(asked(lambda *_: 1.0), tmp_path)
    assert 0.35 < line.found.value < 0.65


@pytest.mark.parametrize(
    "own, kind, wanted",
    [
        ("prefix", "decoder", ["prefix", "causal"]),
        ("causal", "decoder", ["causal"]),
        ("sentinel", "encoder_decoder", ["sentinel", "prefix"]),
        ("unmasking", "encoder", ["unmasking"]),
    ],
)
def test_each_is_asked_in_its_own_format_and_plainly(tmp_path, own, kind, wanted):
    found = Copy(items=2).measure(asked(lambda *_: 1.0, Format(own), kind=kind), tmp_path)
    assert [one.asked for one in found[::2]] == wanted


def test_more_labels_than_words_and_fewer_texts_than_shots_are_refused(tmp_path):
    (tmp_path / "a.tsv").write_text("a\t1\nb\t2\nc\t3\n")
    with pytest.raises(ValueError, match="labels 1, 2, 3, and there are words for 2 of them"):
        Relabel("a.tsv").measure(asked(lambda *_: 1.0), tmp_path)
    with pytest.raises(ValueError, match="has 3 texts; 4 shots take more"):
        Relabel("a.tsv", labels=("a", "b", "c")).measure(asked(lambda *_: 1.0), tmp_path)
