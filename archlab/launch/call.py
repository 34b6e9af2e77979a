"""Calls: other people's programs, with words that no shell reads on the way.

What is called is a list of words, so a name with blanks, quotes or `$( )` stays one word. Where a
program takes a line for a shell, as ssh does, `line` writes one that gives the same words back.
"""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from archlab.refusal import Refusal

# Where a program comes from, for the error when it is not there.
INSTALLED = {
    "gcloud": "https://cloud.google.com/sdk/docs/install says how to install it",
    "kubectl": "`gcloud components install kubectl` installs it",
    "xpk": "`pip install xpk` installs it",
    "ssh": "it is in the package openssh-client",
    "sbatch": "it is on the login nodes of a cluster that Slurm runs",
    "scancel": "it is on the login nodes of a cluster that Slurm runs",
}
END = "END"  # of a text that is handed over; no line of JSON is this
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a program.

    Example:
      >>> str(Call(("echo", "$(date)")))
      "echo '$(date)'"

    Args:
      words: the program and its arguments.
      about: what it is for, in a line.
      text: its standard input, which is JSON; "" leaves it that of this process.
      file: its standard input; None leaves it that of this process.
    """

    words: tuple[str, ...]
    about: str = ""
    text: str = ""
    file: Path | None = None

    def __str__(self):
        """What a shell would take for the same."""
        said = line(self.words)
        if self.file:
            return f"{said} < {shlex.quote(str(self.file))}"
        return f"{said} << '{END}'\n{self.text}\n{END}" if self.text else said

    def begin(self, own_session: bool = False) -> subprocess.Popen:
        """Starts it, and does not wait.

        Args:
          own_session: whether Ctrl-C does not reach it.

        Returns:
          The process.

        Raises:
          ValueError: the program is not installed.
        """
        self._find()
        return subprocess.Popen(self.words, start_new_session=own_session)

    def status(self) -> int:
        """Runs it to its end, and shows what it says.

        Returns:
          Its exit status.

        Raises:
          ValueError: the program is not installed.
        """
        return self._run().returncode

    def run(self) -> None:
        """Runs it to its end, and shows what it says.

        Raises:
          ValueError: the program is not installed, or it fails.
        """
        self._must(self._run())

    def output(self) -> str:
        """Runs it to its end.

        Returns:
          What it writes on standard output.

        Raises:
          ValueError: the program is not installed, or it fails.
        """
        done = self._run(stdout=subprocess.PIPE)
        self._must(done)
        return done.stdout.strip()

    def _run(self, stdout: int | None = None) -> subprocess.CompletedProcess:
        self._find()
        if self.file:
            with self.file.open() as file:
                return subprocess.run(self.words, stdin=file, stdout=stdout, text=True, check=False)
        given = self.text or None
        return subprocess.run(self.words, input=given, stdout=stdout, text=True, check=False)

    def _find(self) -> None:
        program = self.words[0]
        if shutil.which(program) is None:
            raise ValueError(f"{program} is not installed; {INSTALLED.get(program, 'install it')}")

    def _must(self, done: subprocess.CompletedProcess) -> None:
        if done.returncode:
            said = line(self.words)
            raise ValueError(f"{self.words[0]} ended with status {done.returncode}: {said}")


def line(words: tuple[str, ...] | list[str]) -> str:
    """Writes words as a shell reads them.

    Example:
      >>> print(line(["echo", "two words", ""]))
      echo 'two words' ''

    Args:
      words: any.

    Returns:
      One line, or as many as the words have.
    """
    return shlex.join(words)


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be run somewhere.

    Args:
      name: of what is made for it; lower-case letters, digits and hyphens, 40 at most.
      experiment: a name, or a path that is there too.
      out: the run directory, there.
      more: further words of `archlab train`.
      secrets: names of environment variables whose values the run needs.
      starts: how often it may start without getting to its end, where machines stay.

    Raises:
      ValueError: a name that would not do everywhere, or no start.
    """

    name: str
    experiment: str
    out: str
    more: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    starts: int = 3

    def __post_init__(self):
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"--name={self.name!r}; lower-case letters, digits and hyphens, a letter first "
                "and no hyphen last, 40 at most"
            )
        for secret in self.secrets:
            if not _VARIABLE.fullmatch(secret):
                said = f"Launch.secrets names {secret!r}; the names of variables alone, no values"
                raise Refusal(said, "Launch.secrets")
        if self.starts < 1:
            raise Refusal(f"Launch.starts={self.starts}; it is 1 or more", "Launch.starts")

    def command(self, *program: str) -> tuple[str, ...]:
        """The words that train it.

        Args:
          program: what `archlab` is called there.

        Returns:
          The program's words, and those behind it.
        """
        return (*program, "train", self.experiment, f"--out={self.out}", *self.more)

    def check_secrets(self) -> None:
        """Refuses secrets that the run would have of this process, which lacks one.

        Raises:
          ValueError: a variable is not set.
        """
        missing = [name for name in self.secrets if name not in os.environ]
        if missing:
            said = f"Launch.secrets names {missing[0]}, which is not set here; the run has it of us"
            raise Refusal(said, "Launch.secrets")


def word(setting: str, value: str, may_be_empty: bool = False) -> None:
    """Refuses what cannot be a name, an address or a path of a machine.

    Args:
      setting: as gin calls it.
      value: of the setting.
      may_be_empty: whether it may.

    Raises:
      ValueError: it is empty, begins with a hyphen, as options do, or has blanks in it.
    """
    if not value and may_be_empty:
        return
    if not value or value.startswith("-") or value.split() != [value]:
        said = f"{setting}={value!r}; it is a word without blanks that begins with no hyphen"
        raise Refusal(said, setting)
