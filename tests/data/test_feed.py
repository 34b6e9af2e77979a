"""The feeding process hands over a task's examples as they are, and ends when nobody reads."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data import feed, jobs, roads, streamed
from archlab.data.recipes import quiet

IDS = st.lists(st.integers(0, 2**31 - 1), max_size=5)


@given(st.lists(st.tuples(IDS, IDS, st.booleans()), max_size=12), st.integers(1, 5))
def test_windows_hold_every_example(examples, window):
    given_ = []
    for inputs, targets, is_weighed in examples:
        one = {"targets": np.asarray(targets, np.int32)}
        if inputs:
            one["inputs"] = np.asarray(inputs, np.int32)
        if is_weighed:
            one["targets_weights"] = np.arange(len(targets) + 2) / 4  # SeqIO does not cut them
        given_.append(one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "WINDOW", window)
        made = list(feed.windows(iter(given_)))
    found = []
    for given_S, learnt_S, inputs_M, targets_L, weights_L in made:
        left, right = np.cumsum(given_S), np.cumsum(learnt_S)
        assert 0 < len(given_S) <= window and (left[-1], right[-1]) == (
            len(inputs_M),
            len(targets_L),
        )
        found += zip(
            *(
                np.split(flat, edges[:-1])
                for flat, edges in ((inputs_M, left), (targets_L, right), (weights_L, right))
            ),
            strict=True,
        )
    assert len(found) == len(examples)
    for (inputs, targets, weights), (ids, said, is_weighed) in zip(found, examples, strict=True):
        assert (inputs.tolist(), targets.tolist()) == (ids, said)
        wanted = [n / 4 for n in range(len(said))] if is_weighed else [1.0] * len(said)
        assert weights.tolist() == wanted


def test_weights_that_are_missing_are_refused():
    one = {"targets": np.arange(3), "targets_weights": np.ones(2)}
    with pytest.raises(ValueError, match="3 targets and 2 weights"):
        next(feed.windows([one]))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no task 'mine'"), "no task 'mine'"),
        (KeyError("text"), "KeyError: 'text'"),
        (OSError("\n{{function_node x}} {{y}}no such file\n\t [[node]]"), "OSError: no such file"),
        (RuntimeError(""), "RuntimeError: "),
    ],
)
def test_an_error_is_said_in_one_line(error, said):
    assert feed.failure(error) == said


def fed(monkeypatch, examples, request=None):
    """What `feed` writes of a task that makes these examples, a list for each reading."""
    turns = iter(examples)
    monkeypatch.setattr(jobs, "register", lambda request: None)
    monkeypatch.setattr(roads, "stream", lambda *asked: iter(next(turns)))
    row = {"inputs": 9, "targets": 9, "kind": "decoder"}
    out = io.BytesIO()
    feed.feed({"task": "mine", "split": "train", "row": row, "seed": 0, **(request or {})}, out)
    return out.getvalue().split(b"\n", 1)


def some(*numbers):
    return [{"targets": np.full(3, number)} for number in numbers]


@pytest.mark.parametrize(
    ("examples", "is_repeatable"),
    [
        ([some(1, 2), some(1, 2), []], True),
        ([some(1, 2), some(1, 3), []], False),
        ([some(1, 2), some(1), []], False),
        ([[{"targets": np.ones(3)}], [{"targets": np.ones(3), "inputs": np.ones(1)}], []], False),
    ],
)
def test_it_is_said_whether_a_second_reading_is_the_same(monkeypatch, examples, is_repeatable):
    first, rest = fed(monkeypatch, examples)
    assert json.loads(first) == {"is_repeatable": is_repeatable} and rest == b""


def test_arrays_follow_as_bytes(monkeypatch):
    _, rest = fed(monkeypatch, [some(1), some(1), some(7, 8)])
    counts, _, arrays = rest.partition(b"\n")
    assert json.loads(counts) == {"examples": 2, "inputs": 0, "targets": 6}
    assert np.frombuffer(arrays[:32], "<i8").tolist() == [0, 0, 3, 3]
    assert np.frombuffer(arrays[32:56], "<i4").tolist() == [7, 7, 7, 8, 8, 8]
    assert np.frombuffer(arrays[56:], "<f4").tolist() == [1.0] * 6


def test_a_task_without_examples_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="no examples of train"):
        fed(monkeypatch, [[], [], []])


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
child.stdin.write(b"{}\\n")
child.stdin.flush()
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(100)
"""
CHILD = """
import sys, time
from archlab.data import feed
def forever(request, out):
    print("a step's own words")
    out.write(b"begun\\n")
    out.flush()
    time.sleep(100)
feed.feed = forever
sys.exit(feed.main())
"""


CHATTING = """
import sys, threading, time
from archlab.data import feed
def chat():
    while True:
        print("a thread's own words" * 9)
def fails(request, out):
    for _ in range(4):
        threading.Thread(target=chat, daemon=True).start()
    time.sleep(0.1)
    raise ValueError("this is wrong")
feed.feed = fails
status = feed.main()
time.sleep(0.1)
feed.os._exit(status)
"""


def test_what_is_wrong_is_said_whatever_other_threads_print():
    asked, asking = os.pipe()  # it ends where nobody asks any more
    os.write(asking, b"{}\n")
    command = [sys.executable, "-c", CHATTING]
    child = subprocess.run(command, stdin=asked, env=quiet(), capture_output=True, text=True)
    os.close(asked)
    os.close(asking)
    assert child.returncode == 2 and json.loads(child.stdout) == {"wrong": "this is wrong"}
    assert "a thread's own words" in child.stderr


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # one that has ended may wait for a reader
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_it_ends_when_its_reader_is_killed():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, env=quiet(), text=True
    )
    try:
        pid = int(parent.stdout.readline())
        assert is_there(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until = time.monotonic() + 20
        while is_there(pid) and time.monotonic() < until:
            time.sleep(0.05)
        assert not is_there(pid)
    finally:
        parent.kill()
        parent.communicate()


def test_the_reader_and_the_feed_speak_of_the_same_windows():
    assert feed.WINDOW == streamed.WINDOW
