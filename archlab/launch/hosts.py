"""Machines of one's own: several by ssh, or this one alone with several processes."""

import contextlib
import dataclasses
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from archlab import experiments
from archlab.launch.call import Call, Job, line
from archlab.launch.machines import OTHERWISE, Machines, worst
from archlab.refusal import Refusal

LOOK = 0.2  # seconds between two looks at what runs here
_HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9_.:-]*")


@dataclasses.dataclass(frozen=True)
class Hosts(Machines):
    """Machines with ssh, a disk that all share, and archlab installed.

    A run outlives the connection that started it, and each machine starts its process again where
    another start may end otherwise.

    Args:
      hosts: as ssh takes them, "one" or "me@one"; the first is where they meet.
      folder: of archlab there, which paths are relative to.
      program: what archlab is called there, from that folder.
      port: on which the first listens.
      chip: what computes there, as `archlab plan` calls it; "" where that does not matter.
      each: chips of one machine; 0 where it is not known.

    Raises:
      ValueError: no host, one twice, or what ssh would not take for one.

    Source: OpenSSH's manual pages, ssh and ssh_config.
    """

    hosts: tuple[str, ...]
    folder: str = "archlab"
    program: str = ".venv/bin/archlab"
    port: int = 8476
    chip: str = ""
    each: int = 0

    def __post_init__(self):
        object.__setattr__(self, "hosts", tuple(self.hosts))
        if not self.hosts or len(set(self.hosts)) != len(self.hosts):
            said = f"Hosts.hosts={list(self.hosts)}; it is one machine or more, each once"
            raise Refusal(said, "Hosts.hosts")
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                said = f"Hosts.hosts has {host!r}; a host is written as one, or as me@one"
                raise Refusal(said, "Hosts.hosts")
        if not self.folder:
            raise Refusal("Hosts.folder=''; it is a folder there", "Hosts.folder")
        self._words("program")
        if not 0 < self.port < 2**16:
            raise Refusal(f"Hosts.port={self.port}; it is in [1, {2**16})", "Hosts.port")

    @property
    def chips(self) -> tuple[str, int]:
        """The kind of chip, and how many."""
        return self.chip, len(self.hosts) * self.each

    def launched(self, job: Job) -> list[Call]:
        """What starts a run: a call to each machine.

        Args:
          job: the run.

        Returns:
          The calls.

        Raises:
          ValueError: a secret is in no variable of this process, whose variable ssh sends.
        """
        job.check_secrets()
        meet = f"{self.hosts[0].rpartition('@')[2]}:{self.port}"
        calls = []
        for number, host in enumerate(self.hosts):
            command = (str(job.starts), *job.command(self.program))
            if len(self.hosts) > 1:
                command += joined(meet, len(self.hosts), number)
            calls.append(self._call(host, "start", job, *command))
        return calls

    def followed(self, job: Job) -> list[Call]:
        """What shows what the first machine says, who speaks for all.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        return [self._call(self.hosts[0], "follow", job)]

    def cleaned(self, job: Job) -> list[Call]:
        """What stops the run on each machine, saved.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        return [self._call(host, "stop", job) for host in self.hosts]

    def run(self, job: Job, say: Callable[[str], None], stop: Callable[[], bool]) -> int:
        """Starts a run on all machines, or on none.

        Args:
          job: the run.
          say: told what one would want to know.
          stop: asked whether to.

        Returns:
          The exit status.
        """
        calls = self.launched(job)
        for number, call in enumerate(calls):
            try:
                call.run()
            except ValueError:
                for other in self.cleaned(job)[:number]:
                    other.status()
                raise
        return 0

    def _call(self, host: str, verb: str, job: Job, *more: str) -> Call:
        sent = [f"-oSendEnv={name}" for name in job.secrets] if verb == "start" else []
        there = line(("bash", "-s", "--", verb, job.name, self.folder, *more))
        about = {"start": "starts", "follow": "what the run says, from", "stop": "stops"}[verb]
        words = ("ssh", "-oBatchMode=yes", *sent, "--", host, there)
        script = experiments.home() / "experiments" / "launch" / "host.sh"
        return Call(words, f"{about} {host}", file=script)


@dataclasses.dataclass(frozen=True)
class Local(Machines):
    """This machine, with several processes, which this command stays with.

    Args:
      processes: how many.
      port: on which the first listens; 0 takes a free one.

    Raises:
      ValueError: a number that cannot be.
    """

    processes: int = 2
    port: int = 0

    def __post_init__(self):
        self._counts(processes=1)
        if not 0 <= self.port < 2**16:
            raise Refusal(f"Local.port={self.port}; it is in [0, {2**16})", "Local.port")

    @property
    def is_elsewhere(self) -> bool:
        """Whether paths mean something else there."""
        return False

    def launched(self, job: Job) -> list[Call]:
        """What starts a run: a call for each process, which run together.

        Args:
          job: the run.

        Returns:
          The calls.

        Raises:
          ValueError: a secret is in no variable of this process, whose variables theirs are.
        """
        job.check_secrets()
        command = job.command(sys.executable, "-m", "archlab")
        if self.processes == 1:
            return [Call(command, "the run")]
        meet = f"localhost:{self.port or _free()}"
        return [
            Call((*command, *joined(meet, self.processes, number)), f"process {number}, with all")
            for number in range(self.processes)
        ]

    def run(self, job: Job, say: Callable[[str], None], stop: Callable[[], bool]) -> int:
        """Stays until the run is done, and hands on that it is to stop.

        Args:
          job: the run.
          say: told what one would want to know.
          stop: asked whether to.

        Returns:
          The exit status.
        """
        for left in reversed(range(job.starts)):
            # Ctrl-C is heard here, and handed on once: a second signal would not let them save.
            began = [call.begin(own_session=True) for call in self.launched(job)]
            with contextlib.ExitStack() as ends:
                for one in began:
                    ends.callback(_end, one)
                is_stopped = False
                while any(one.poll() is None for one in began):
                    if stop() and not is_stopped:
                        is_stopped = True
                        for one in began:
                            one.terminate()
                    time.sleep(LOOK)
            status = worst([one.wait() for one in began])
            if is_stopped or status < OTHERWISE or not left:
                return status
            say(f"ended with status {status}; starts again, {left} left")
        raise AssertionError("a job starts once or more")


def joined(meet: str, processes: int, process: int) -> tuple[str, ...]:
    """The words by which one of several processes finds the others.

    Args:
      meet: host and port of the first.
      processes: how many there are.
      process: the number of this one, from 0.

    Returns:
      Words of `archlab train`.
    """
    return (f"--coordinator={meet}", f"--processes={processes}", f"--process={process}")


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()


def _free() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]
