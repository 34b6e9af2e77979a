import io
import math
import re
import time

from rich.console import Console

from archlab.progress import Progress

STAGES = [("spans", 100), ("prefix", 50)]


def shown(done: int = 0, width: int = 200, **settings):
    clock = iter(range(0, 10_000_000, 4))
    console = Console(file=io.StringIO(), width=width, highlight=False, soft_wrap=True, **settings)
    progress = Progress(STAGES, done, console, clock=lambda: float(next(clock)))
    return progress, console.file


def test_plain_lines_are_few_and_the_last_of_a_stage_is_always_there():
    progress, said = shown()
    with progress:
        progress.begin()  # 0 s; each step below is 4 s later
        for step in (10, 20, 30, 100):
            progress.step(0, step, {"a": 2.0}, 1234.5, 0.25)
    lines = said.getvalue().splitlines()
    assert lines == [
        "0:56 left · spans 10/100 · loss 2.000 · 1,234 tokens/s · data wait 25%",
        "0:08 left · spans 100/100 · loss 2.000 · 1,234 tokens/s · data wait 25%",
    ]


def test_the_time_left_is_reckoned_from_this_process_own_steps():
    progress, said = shown(done=100)
    progress.begin()
    progress.step(1, 25, {}, 1.0, 0.0)
    assert "prefix 25/50" in said.getvalue() and "0:04 left" in said.getvalue()


def test_without_a_beginning_the_first_step_shown_is_it():
    progress, said = shown()
    progress.step(0, 100, {}, 1.0, 0.0)
    progress.step(1, 50, {}, 1.0, 0.0)
    assert "time left not known yet" in said.getvalue().splitlines()[0]
    progress, said = shown()
    progress.step(0, 90, {}, 1.0, 0.0)  # 0 s
    progress.step(0, 100, {}, 1.0, 0.0)  # 4 s later, for 10 steps
    assert "0:20 left" in said.getvalue().splitlines()[1]


def test_a_loss_that_is_not_finite_is_said():
    progress, said = shown()
    progress.step(0, 100, {"a": math.nan, "b": math.inf}, 1.0, 0.0)
    assert "a loss nan · b loss inf" in said.getvalue()


def test_the_last_step_is_done():
    progress, said = shown()
    progress.begin()
    progress.step(1, 50, {"b": 1.0}, 1.0, 0.0)
    assert said.getvalue().startswith("done · prefix 50/50 · ")


def test_hours_are_said():
    progress, said = shown()
    progress.begin()
    for _ in range(1000):
        progress._clock()
    progress.step(0, 50, {}, 1.0, 0.0)
    assert "2:13:28 left" in said.getvalue()


def test_a_terminal_sees_every_step_in_place_and_what_is_said_stays():
    progress, said = shown(force_terminal=True)
    with progress:
        progress.begin()
        progress.say("a line [with brackets]")
        for step in (10, 20):
            progress.step(0, step, {"a": 2.0}, 1.0, 0.0)
    assert "a line [with brackets]" in said.getvalue()
    assert "spans 10/100" in said.getvalue() and "spans 20/100" in said.getvalue()


def test_a_narrow_terminal_keeps_what_matters_most():
    progress, said = shown(width=80, force_terminal=True)
    losses = {"python_stdlib_prefix_lm": 2.0, "python_stdlib_span_corruption": 3.0}
    with progress:
        progress.begin()
        progress.step(0, 10, losses, 1234.5, 0.25)
    line = next(one for one in said.getvalue().splitlines() if "10/100" in one)
    assert "left · spans 10/100 · python_stdlib_prefix_lm loss 2.000" in line
    assert len(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", line)) <= 80


def test_what_takes_a_while_is_said_at_once_and_then_how_long_it_took():
    progress, said = shown()
    with progress:
        progress.wait("compiling")  # 0 s
        assert said.getvalue() == "compiling …\n"
        progress.begin()  # 4 s
    assert said.getvalue().splitlines() == ["compiling …", "compiling: 0:04"]


def test_a_terminal_counts_while_it_waits():
    progress, said = shown(force_terminal=True)
    with progress:
        progress.wait("compiling")
        while "0:12 · compiling …" not in said.getvalue():  # redrawn without being asked
            time.sleep(0.05)
        progress.begin()
        progress.step(0, 10, {}, 1.0, 0.0)
    assert "compiling: 0:" in said.getvalue()
    assert "compiling …" not in said.getvalue().rpartition("10/100")[2]
