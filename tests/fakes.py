"""Programs of others, faked on the PATH: they keep what they were called with, and answer."""

import os
from pathlib import Path

import pytest

HEAD = """#!/bin/bash
# The next line of a file of answers, which the last one stays.
answer() {
  local file=$FAKES/answers/${0##*/}.$1
  [[ -f $file ]] || return 0
  head -n 1 "$file"
  [[ $(wc -l <"$file") -lt 2 ]] || sed -i 1d "$file"
}
printf '%s\\0' "$(($# + 1))" "${0##*/}" "$@" >>"$FAKES/calls"
"""


class Fakes:
    """Fake programs, in front of all others.

    Args:
      folder: that they and what they keep are in.
      monkeypatch: pytest's.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder, self._monkeypatch = folder, monkeypatch
        (folder / "bin").mkdir(parents=True)
        (folder / "answers").mkdir()
        monkeypatch.setenv("FAKES", str(folder))
        monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def add(self, name: str, body: str = "", **answers: list[object]) -> None:
        """Makes a program, of lines of bash, with a list of answers for each word it asks for."""
        path = self.folder / "bin" / name
        path.write_text(f"{HEAD}{body}\n")
        path.chmod(0o755)
        for word, lines in answers.items():
            said = "".join(f"{one}\n" for one in lines)
            (self.folder / "answers" / f"{name}.{word}").write_text(said)

    def alone(self) -> None:
        """Leaves nothing else on the PATH."""
        self._monkeypatch.setenv("PATH", str(self.folder / "bin"))

    def calls(self) -> list[list[str]]:
        """What was called, program and words, in order."""
        kept = self.folder / "calls"
        words = kept.read_text().split("\0")[:-1] if kept.exists() else []
        found = []
        while words:
            many = int(words.pop(0))
            found.append(words[:many])
            words = words[many:]
        return found
