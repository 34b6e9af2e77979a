"""What a run was heard to say: generations.jsonl in its directory.

It is read without JAX, so that a report can show it.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from archlab import form
from archlab.generation.manner import Manner

FILE = "generations.jsonl"
FORM = {"step": int, "prompt": str, "text": str, "manner": {}}
DEFAULTS = dataclasses.asdict(Manner())


@dataclasses.dataclass(frozen=True)
class Generation:
    """A text that a run continued.

    Args:
      step: of the checkpoint, in all stages together.
      prompt: what it was given.
      text: what it said.
      manner: how, as `Manner` has it, by name.
    """

    step: int
    prompt: str
    text: str
    manner: dict

    @property
    def question(self) -> tuple[str, str]:
        """What was asked and how, whatever the step."""
        return self.prompt, json.dumps(self.manner, sort_keys=True)

    @property
    def odd(self) -> dict:
        """How it was asked, as far as that is not as usual."""
        return {name: value for name, value in self.manner.items() if value != DEFAULTS.get(name)}


def read(folder: Path) -> list[Generation]:
    """Reads what a run was heard to say.

    Args:
      folder: the run directory.

    Returns:
      Everything, the last last; a line that is half written is none.
    """
    path, found = folder / FILE, []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            said = form.parsed(line)
        except ValueError:
            continue
        if form.wrong(said, FORM) is None:
            found.append(Generation(**{name: said[name] for name in FORM}))
    return found


def add(folder: Path, step: int, manner: Manner, said: Iterable[tuple[str, str]]) -> None:
    """Keeps what a run says; what it has said before, of the same step, is kept once.

    Args:
      folder: the run directory.
      step: of the checkpoint.
      manner: how it was asked.
      said: prompts, each with the text that followed.

    Raises:
      OSError: the directory cannot be written in.
    """
    known = {(one.step, *one.question) for one in read(folder)}
    new = []
    for prompt, text in said:
        one = Generation(step, prompt, text, dataclasses.asdict(manner))
        if (mark := (step, *one.question)) not in known:
            known.add(mark)
            new.append(dataclasses.asdict(one))
    form.add(folder / FILE, new)


def latest(generations: Iterable[Generation]) -> list[Generation]:
    """Keeps of each question the answer of the highest step.

    Args:
      generations: from `read`.

    Returns:
      One for each question, in the order in which they were first asked.
    """
    found: dict[tuple[str, str], Generation] = {}
    for one in generations:
        if one.question not in found or one.step >= found[one.question].step:
            found[one.question] = one
    return list(found.values())
