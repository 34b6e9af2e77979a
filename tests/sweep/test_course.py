"""Runs are taken one after another; what is finished is left, and what fails leaves the others."""

import signal
import sys
import threading
import time

import pytest

from archlab.sweep import course, grid
from tests.runs_written import whole, write

CELLS = grid.cells(["Run.seed=0:4"])


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A course whose processes run a line of Python each, in place of training."""

    def made(**lines):
        own = course.Course("quickstart", tmp_path, CELLS, ("--set=Size.layers=2",))
        seeds = {cell.name: lines.get(f"seed_{i}", "pass") for i, cell in enumerate(CELLS)}
        monkeypatch.setattr(own, "command", lambda cell: (sys.executable, "-c", seeds[cell.name]))
        return own

    return made


def test_a_cell_is_trained_by_the_same_command(tmp_path):
    words = course.Course("quickstart", tmp_path, CELLS, ("--set=Size.layers=2",)).command(CELLS[1])
    assert words[:5] == (sys.executable, "-m", "archlab", "train", "quickstart")
    assert words[5:] == (f"--out={tmp_path / 'seed=1'}", "--set=Size.layers=2", "--set=Run.seed=1")


def test_what_is_finished_is_left_and_what_fails_leaves_the_others(made, tmp_path):
    write(tmp_path / "seed=1", whole())
    file = tmp_path / "touched"
    own = made(
        seed_0="raise SystemExit(2)",
        seed_1="raise SystemExit(9)",
        seed_2="import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        seed_3=f"open({str(file)!r}, 'w')",
    )
    said = []
    assert own.take(lambda: False, said.append) == {"seed=0": 2, "seed=2": -signal.SIGKILL}
    assert file.exists()
    assert said == [
        *["1 of 4: seed=0", "seed=0 ended with status 2; the others go on"],
        "2 of 4: seed=1 is finished",
        *["3 of 4: seed=2", "seed=2 ended by signal 9; the others go on"],
        "4 of 4: seed=3",
    ]


def test_who_is_asked_to_stop_tells_the_one_that_trains_once(made, tmp_path):
    heard, asked = tmp_path / "heard", threading.Event()
    own = made(
        seed_0=f"""
import pathlib, signal, sys, time
heard = []
def hear(*_):
    heard.append(1)
signal.signal(signal.SIGTERM, hear)
pathlib.Path({str(heard)!r}).touch()
while not heard:
    time.sleep(0.01)
time.sleep(0.5)
pathlib.Path({str(heard)!r}).write_text(str(len(heard)))
sys.exit(75)
"""
    )

    def stop():
        if heard.exists():
            asked.set()
        return asked.is_set()

    said = []
    assert own.take(stop, said.append) == {}
    assert heard.read_text() == "1" and said == ["1 of 4: seed=0"]


def test_the_end_reaches_the_one_that_trains(made):
    own = made(seed_0="import time; time.sleep(60)")
    taken = []
    stopped = threading.Event()
    thread = threading.Thread(target=lambda: taken.append(own.take(stopped.is_set, lambda _: None)))
    thread.start()
    while own._process is None:
        time.sleep(0.01)
    stopped.set()
    own.end()
    thread.join(30)
    assert taken == [{}]
