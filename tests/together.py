"""Processes that run `archlab` together, forked from one that has imported it.

They are as real as those of a shell, but that importing, which takes longer than what they do, is
done once, and so that whoever reads text for them is forked too (`forked.py`). `python -m
tests.together` is the process they come from.
"""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests import forked, xla

HOME = Path(__file__).parent.parent
DEVICES = 4  # of all processes of a run
LONG = 300  # seconds that no run takes


@dataclasses.dataclass(frozen=True)
class Process:
    """One that was started.

    Args:
      number: of the operating system.
      out: file that its standard output goes to.
      errors: file that its standard error goes to.
      origin: which it was forked from.
    """

    number: int
    out: Path
    errors: Path
    origin: subprocess.Popen

    def status(self) -> int:
        """Waits for its end; the negative of a signal's number where one ended it."""
        return _asked(self.origin, {"wait": self.number})


@contextlib.contextmanager
def origin() -> Iterator[subprocess.Popen]:
    """A process that forks others."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.together"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HOME,
        env={**os.environ, "PYTHONPATH": str(HOME)},
    ) as process:
        yield process
        process.stdin.close()


def started(origin: subprocess.Popen, folder: Path, each: list[list[str]]) -> list[Process]:
    """Starts processes that share the devices, each with a command."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    found, many = [], len(each)
    for number, words in enumerate(each):
        own = ["--coordinator", f"localhost:{port}", "--processes", str(many)]
        own += ["--process", str(number), "--patience", "10"]
        out, errors = (folder / f"{time.monotonic_ns()}.{kind}" for kind in ("out", "err"))
        env = {"XLA_FLAGS": devices(many)}
        asked = {"words": words + own, "env": env, "out": str(out), "errors": str(errors)}
        found.append(Process(_asked(origin, asked), out, errors, origin))
    return found


def devices(many: int) -> str:
    """What XLA is told by each of many processes that share the devices."""
    return xla.flags(DEVICES // many)


def _asked(origin: subprocess.Popen, request: dict) -> int:
    origin.stdin.write(json.dumps(request) + "\n")
    origin.stdin.flush()
    return json.loads(origin.stdout.readline())


def _run(request: dict) -> int:
    os.environ.update(request["env"])
    for file, stream in ((request["out"], 1), (request["errors"], 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    signal.alarm(LONG)
    return commands.main(request["words"])


def _serve() -> int:
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                return _run(request)
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    import archlab.run  # noqa: F401 - what every process would import
    from archlab import commands, compiled, config  # noqa: F401

    subprocess.Popen = forked.popen()
    sys.exit(_serve())
