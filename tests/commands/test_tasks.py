"""What is done with a task: its rows are drawn, or written on a page."""

import pytest

from archlab import commands
from archlab.data.options import Data
from archlab.show import sample
from tests.show import by_hand


@pytest.fixture
def taken(monkeypatch):
    """What `show` asks for; it is given a row drawn by hand."""
    asked = []

    def take(*given):
        asked.append(given)
        row = by_hand.read(by_hand.DECODER, "prefix_decoder")
        return sample.Sample(given[0], given[1], given[2], given[3], [row], [], ["odd"])

    monkeypatch.setattr(sample, "take", take)
    return asked


def test_show_draws_what_it_is_asked_for(taken, capsys):
    said = ["--inputs", "5", "--targets", "2", "--count", "3", "--statistics", "9"]
    said += ["--set", "Data.folder=texts", "--module", "a", "--architecture", "causal_decoder"]
    assert commands.main(["show", "x", *said]) == 0
    assert taken == [("x", "causal_decoder", 5, 2, 3, 9, Data("texts"), ("a",))]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("row 0: second") and lines[-1] == "note: odd"


def test_show_writes_a_page_in_place_of_it(taken, tmp_path, capsys):
    path = tmp_path / "rows.html"
    assert commands.main(["show", "x", "--html", str(path)]) == 0
    assert taken == [("x", "prefix_decoder", 64, 32, 1, 256, Data(), ())]
    assert capsys.readouterr().out.splitlines() == [str(path)]
    assert path.read_text().startswith("<!doctype html>")
