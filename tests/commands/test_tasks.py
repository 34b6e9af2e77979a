"""What is handed on about tasks, and what comes back."""

from rich.text import Text

from archlab import commands, show
from archlab.data.recipes import Data


def test_show_hands_the_task_on(monkeypatch, capsys):
    calls = []

    def drawn(*given):
        calls.append(given)
        return Text("rows\n")

    monkeypatch.setattr(show, "show", drawn)
    lengths = ["--inputs", "5", "--targets", "7", "--count", "2"]
    more = ["--architecture", "encoder", "--set", "Data.folder=texts", "--module", "a"]
    assert commands.main(["show", "mine", *lengths, *more]) == 0
    assert capsys.readouterr().out == "rows\n"
    assert calls[0][:-1] == ("mine", "encoder", 5, 7, 2, Data("texts"), ("a",))
