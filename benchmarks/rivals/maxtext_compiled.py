"""MaxText's own training step, compiled for a topology: run in the environment that it is in.

    python maxtext_compiled.py OUT [MaxText's settings]

OUT.hlo is the program's text, OUT.json what its memory takes.
"""

import json
import sys
from pathlib import Path

import maxtext
from maxtext.trainers.pre_train import train_compile

BASE = Path(maxtext.__file__).parent / "configs" / "base.yml"
SIZES = ("argument", "output", "alias", "temp", "generated_code")


def main(out: str, settings: list[str]) -> None:
    """Args: out: path without its end. settings: KEY=VALUE."""
    compile_ = train_compile.jit_and_compile

    def written(*given, **named):
        made = compile_(*given, **named)
        Path(f"{out}.hlo").write_text(made.as_text())
        said = made.memory_analysis()
        sizes = {name: getattr(said, f"{name}_size_in_bytes") for name in SIZES}
        Path(f"{out}.json").write_text(json.dumps(sizes))
        return made

    train_compile.jit_and_compile = written
    train_compile.main(["train_compile", str(BASE), *settings])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
