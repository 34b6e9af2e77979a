"""Files of prompts, and of what was said after them: lines of JSON."""

import json
from collections.abc import Iterable
from pathlib import Path

from archlab import form
from archlab.generation.generate import Text

PROMPT = "prompt"
EXAMPLE = json.dumps({PROMPT: "a text"})


def read(path: Path) -> list[dict]:
    """Reads prompts.

    Example:
      {"prompt": "def main(", "id": 17}

    Args:
      path: of a file of lines, each an object with a text called `PROMPT` and whatever else.

    Returns:
      The objects; empty lines are none.

    Raises:
      ValueError: a line is something else, which is named, or there are none.
      OSError: the file cannot be read.
    """
    found = []
    for number, one in form.objects(path, path.read_bytes(), EXAMPLE):
        if form.wrong(one, {PROMPT: str}) is not None:
            raise ValueError(f"{path}:{number} is not like {EXAMPLE}")
        found.append(one)
    if not found:
        raise ValueError(f"{path} holds no lines; each is to be like {EXAMPLE}")
    return found


def lines(prompts: Iterable[dict], said: Iterable[tuple[Text, str]]) -> Iterable[str]:
    """Writes what was said beside its prompt.

    Example:
      {"prompt": "def main(", "id": 17, "text": "self):", "tokens": 2, "nats": -1.5, "ended": true}

    Args:
      prompts: from `read`.
      said: after each, as ids and as text.

    Returns:
      Lines, without their ends: what stood there, with the text, how many tokens it has, the log of
      its probability, and whether the model ended it or it was cut.
    """
    for prompt, (found, text) in zip(prompts, said, strict=True):
        more = {
            "text": text,
            "tokens": len(found.ids),
            "nats": found.nats,
            "ended": found.is_ended,
        }
        yield json.dumps({**prompt, **more}, ensure_ascii=False)
