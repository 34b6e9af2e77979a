"""Processes that read text, forked from one that has imported TensorFlow.

They are as real as those that archlab starts, with its pipes and its environment, but that
importing, which takes longer than what most of them do, is done once. Run as a program, this file
is what they come from, or, given a command, what stands where archlab started one.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parent.parent
MODULES = [f"archlab.data.{name}" for name in ("build", "examiner", "feed")]
AT_IMPORT = "TFDS_DATA_DIR"  # read as TensorFlow Datasets is imported
STARTED = [sys.executable, "-W", "ignore", "-m"]  # how archlab starts them
BYTES = 4  # that say how long a request is
SHARED = "ARCHLAB_TESTS"  # names the folder that processes of one session share


def address() -> str:
    """Of this session's, a socket."""
    return f"{os.environ[SHARED]}/forked"


@contextlib.contextmanager
def origin() -> Iterator[None]:
    """The process that others are forked from; it imports when it is first asked."""
    from archlab.data.recipes import quiet

    env = {**quiet(), "PYTHONPATH": str(HOME)}
    command = [*STARTED, "tests.forked", address()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # What TensorFlow says as it is imported is read only where that went wrong.
    with open(f"{address()}.said", "w") as said:
        process = subprocess.Popen(command, cwd=HOME, env=env, stderr=said, **pipes)
    with process:
        assert process.stdout.readline() == b"listens\n", Path(said.name).read_text()
        yield
        process.stdin.close()


def popen() -> type[subprocess.Popen]:
    """Makes what stands for `subprocess.Popen`: those that read text come from the origin."""

    class Popen(subprocess.Popen):
        def __init__(self, words, *others, **more):
            is_one = isinstance(words, list) and words[:4] == STARTED and words[4] in MODULES
            if is_one and AT_IMPORT not in (more.get("env") or os.environ):
                words = [STARTED[0], "-SE", __file__, address(), *words[4:]]
            super().__init__(words, *others, **more)

    return Popen


def _serve(where: str) -> None:
    """Forks for each request, until whoever asks is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.disable()  # what is imported stays
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(where)
        door.listen()
        print("listens", flush=True)
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
            asked, _ = door.accept()
            for module in MODULES:
                importlib.import_module(module)
            gc.freeze()
            if not os.fork():
                door.close()  # or who asks when the origin is gone would wait for ever
                return _answer(asked)
            asked.close()


def _answer(asked: socket.socket) -> None:
    """Forks once more, into the process that was asked for, and says how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, files, *_ = socket.recv_fds(asked, BYTES, 3)
    request = json.loads(asked.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL))
    process = os.fork()
    if not process:
        asked.close()
        return _run(request, files)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(BrokenPipeError):  # whoever asked was killed
        asked.send(str(status).encode())
    os._exit(0)


def _run(request: dict, files: list[int]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    here = "" if os.environ.get("PYTHONSAFEPATH") else request["folder"]
    more = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = filter(None, [here, *more])
    gc.enable()
    module, *words = request["words"]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _stand(where: str, words: list[str]) -> int:
    """Hands over its command, environment and files, and ends as the process does."""
    request = {"words": words, "env": dict(os.environ), "folder": os.getcwd()}
    said = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as origin:
        origin.connect(where)
        socket.send_fds(origin, [len(said).to_bytes(BYTES, "big")], [0, 1, 2])
        origin.sendall(said)
        answer = origin.recv(16)
    if not answer:
        sys.exit(
            "the process that others are forked from is gone:\n" + Path(where + ".said").read_text()
        )
    status = int(answer)
    if status < 0:
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    where, *words = sys.argv[1:]
    sys.exit(_stand(where, words) if words else _serve(where))
