"""What is handed on, and what comes back."""

from pathlib import Path

import pytest

from archlab import commands, compiled, finetuning
from archlab.evaluation.estimate import Estimate
from archlab.evaluation.lines import Line
from archlab.train.loop import Stopped


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(compiled, "keep", lambda note: None)


GIVEN = ["finetune", "runs/a", "--train", "t.tsv", "--test", "d.tsv", "--out", "o"]


def test_each_seed_in_a_table_and_what_they_come_to(monkeypatch, capsys):
    asked = []

    def taken(self, out, stop, say):
        asked.append((self, out))
        return {
            f"seed_{seed}": Line(
                "labels", "accuracy", Estimate(value, 0.0, 1.0, 9), 0.5, "label said", ("a note",)
            )
            for seed, value in enumerate((0.5, 0.75, 0.625))
        }

    monkeypatch.setattr(finetuning.Finetuning, "taken", taken)
    more = ["--seeds", "3", "--epochs", "2.5", "--rows", "4", "--rate", "0.01", "--dropout", "0"]
    assert commands.main([*GIVEN, *more]) == 0
    files = Path("runs/a"), Path("t.tsv"), Path("d.tsv")
    assert asked == [(finetuning.Finetuning(*files, 2.5, 4, 0.01, 0.0, 3), Path("o"))]
    said = capsys.readouterr().out
    assert "seed_1" in said and "0.750" in said
    assert "median 0.625, standard deviation 0.125, of 3 seeds" in said
    assert "the commonest label always: 0.500; a note" in said


def test_it_goes_on_where_it_was_stopped(monkeypatch, capsys):
    def taken(self, out, stop, say):
        raise Stopped

    monkeypatch.setattr(finetuning.Finetuning, "taken", taken)
    commands.main(GIVEN)
    assert "the same command goes on in o" in capsys.readouterr().err
