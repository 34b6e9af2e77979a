"""Experiments are found by name and by path, and the nearest is named where there is none."""

import pytest

from archlab import experiments


def test_home_has_words_and_sentences():
    assert (experiments.home() / "gin" / "size" / "tiny.gin").is_file()
    assert (experiments.home() / "experiments" / "quickstart.gin").is_file()


@pytest.mark.parametrize(
    "name", ["quickstart", "quickstart.gin", "experiments/quickstart", "experiments/quickstart.gin"]
)
def test_a_name_is_enough_from_anywhere(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert experiments.find(name) == experiments.home() / "experiments" / "quickstart.gin"


def test_a_file_of_the_user_goes_before_ours(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart.gin").write_text("")
    assert experiments.find("quickstart.gin").resolve() == tmp_path / "quickstart.gin"


def test_what_is_not_there_is_suggested(tmp_path):
    for wrong in ("quikstart", "experiments/quikstart.gin", "Quickstart"):
        with pytest.raises(ValueError, match="did you mean 'quickstart'?"):
            experiments.find(wrong)
    (tmp_path / "mine.gin").write_text("")
    with pytest.raises(ValueError, match="did you mean 'mine'?"):
        experiments.find(tmp_path / "mein.gin")
    with pytest.raises(
        ValueError, match="no experiment '', did you mean|no experiment ''; there are"
    ):
        experiments.find("")
    with pytest.raises(
        ValueError, match="no experiment 'quickstart.foo', did you mean 'quickstart'"
    ):
        experiments.find("quickstart.foo")
    with pytest.raises(ValueError, match="is a directory"):
        experiments.find(".")
    with pytest.raises(ValueError, match="is a directory"):
        experiments.find(tmp_path)
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ValueError, match="its name would end in .gin"):
        experiments.find(tmp_path / "mine.txt")


def test_the_headline_is_the_first_sentence(tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text("\n# It learns version 1.1. Then it ends.\nRun.seed = 1\n")
    assert experiments.headline(path) == "It learns version 1.1"
    path.write_text("Run.seed = 1\n")
    assert experiments.headline(path) == ""
