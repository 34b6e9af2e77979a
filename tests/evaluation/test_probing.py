import numpy as np
import pytest

from archlab.evaluation import probing
from archlab.evaluation.probing import Probe

WORDS = ("red", "blue", "old", "new", "far", "near", "hot", "cold")


def drawn(many: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts of a word and a number, labelled by whether the number is even."""
    random = np.random.default_rng(seed)
    texts = [f"{random.choice(WORDS)} {number}" for number in range(many)]
    return texts, [str(number % 2) for number in range(many)]


def planted(texts, layer: int, pooling: int, learns_words: bool = False) -> np.ndarray:
    """Noise, but for one layer and one pooling, which tell a text's label or its first word."""
    random = np.random.default_rng(7)
    found = random.normal(size=(len(texts), 3, 3, 8))
    for number, text in enumerate(texts):
        word, value = text.split()
        told = WORDS.index(word) if learns_words else int(value) % 2
        found[number, layer, pooling, told] += 20
    return found.astype(np.float32)


@pytest.fixture
def files(tmp_path):
    for name, many, seed in (("train.tsv", 300, 0), ("test.tsv", 120, 1)):
        rows = zip(*drawn(many, seed), strict=True)
        (tmp_path / name).write_text("\n".join("\t".join(row) for row in rows))
    return tmp_path


def lines(files, monkeypatch, **planting):
    monkeypatch.setattr(probing, "pooled", lambda subject, texts: planted(texts, **planting))
    return Probe("train.tsv", "test.tsv", hidden=16).measure(None, files)


def test_what_was_planted_is_found_where_it_was(files, monkeypatch):
    linear, selective, deep, deep_selective = lines(files, monkeypatch, layer=1, pooling=2)
    for line in (linear, deep):
        assert line.found.value > 0.95 and line.notes == ("layer 2", "last")
        assert line.chance == pytest.approx(0.5, abs=0.02) and line.found.items == 120
    for line in (selective, deep_selective):
        assert line.found.value > 0.25, "the control's labels are not in this layer"


def test_a_layer_that_tells_words_tells_the_control(files):
    """Else selectivity would say nothing."""
    (texts, labels), (asked, _) = drawn(300, 0), drawn(120, 1)
    known, new = (planted(one, 0, 0, learns_words=True)[:, 0, 0] for one in (texts, asked))
    control, wanted = ([probing._control(text, labels) for text in one] for one in (texts, asked))
    assert len(set(control)) == 2
    probe = Probe("train.tsv", "test.tsv")
    assert np.mean(probe._said(known, new, control, 0) == np.asarray(wanted)) > 0.95
    odd = [text.split()[1][-1] in "13579" for text in texts]
    assert abs(np.mean(probe._said(known, known, labels, 0) == np.where(odd, "1", "0")) - 0.5) < 0.2


def test_a_control_label_follows_from_the_first_word():
    labels = ["a"] * 30 + ["b"] * 10
    said = [probing._control(f"word{number} x", labels) for number in range(2000)]
    assert said == [probing._control(f"word{number} y z", labels) for number in range(2000)]
    assert said.count("b") / 2000 == pytest.approx(0.25, abs=0.04), "as often as it is one"


@pytest.mark.parametrize(
    "train, test, said",
    [
        ("x\t0\n" * 20, "x\t0\n" * 20, "has one label, '0'; two can be told"),
        ("x\t0\ny\t1\n" * 20, "x\t2\n" * 20, "has label '2', of which none is learnt"),
        ("x\t0\ny\t1\n" * 3, "x\t0\n" * 20, "has 6 texts; a probe takes 10 at least"),
    ],
    ids=["one label", "a new label", "few texts"],
)
def test_what_can_be_no_probe_is_refused(tmp_path, train, test, said):
    (tmp_path / "train.tsv").write_text(train)
    (tmp_path / "test.tsv").write_text(test)
    with pytest.raises(ValueError, match=said):
        Probe("train.tsv", "test.tsv").measure(None, tmp_path)
