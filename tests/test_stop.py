"""A signal is waited for where somebody asks, and ends the program where nobody does."""

import os
import signal
import subprocess
import sys
import time

import pytest

from archlab.stop import Stop

PROGRAM = """
import hashlib, sys, time
from archlab.stop import Stop
with Stop(lambda: sys.argv[-1]) as stop:
    for number in range(100_000 if sys.argv[1] == "asks" else 0):
        if stop():
            print("saved", flush=True)
            if sys.argv[2] == "ends":
                sys.exit(stop.status)
        if number == 1:
            print("up", flush=True)
        time.sleep(0.01)
    print("up", flush=True)
    # One instruction of Python's, as compiling is: no handler runs while it does.
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
BROKEN = """
import time
from archlab.stop import Stop
def last():
    time.sleep(0.5)
    return "last words"
with Stop(last) as stop:
    print("up", flush=True)
    while not stop.status:
        time.sleep(0.01)
    raise ValueError("the others are gone")
"""
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 75}


def started(*words, program=PROGRAM):
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("number", SIGNALS)
def test_who_asks_ends_by_itself(number):
    process = started("asks", "ends")
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (SIGNALS[number], "saved\n")
    told = "\narchlab: stops after this step; once more, and it stops at once\n"
    assert errors == (told if number == signal.SIGINT else "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_ends_it_at_once(number):
    process = started("asks", "stays", "last words")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "saved\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == SIGNALS[number]
    assert errors.endswith("\narchlab: last words\n")


@pytest.mark.parametrize("number, last", [*zip(SIGNALS, ["last words", ""], strict=True)])
def test_where_nobody_asks_the_first_ends_it_even_within_an_instruction(number, last):
    process = started("never", last)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (SIGNALS[number], f"\narchlab: {last}\n" * bool(last))


def test_what_breaks_while_it_ends_is_not_told():
    process = started(program=BROKEN)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (75, "\narchlab: last words\n")


def test_what_was_before_is_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with Stop() as stop:
        assert not stop() and stop.status == 0
        os.kill(os.getpid(), signal.SIGTERM)
        while not stop():
            time.sleep(0.01)
        assert stop.status == 75
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1
