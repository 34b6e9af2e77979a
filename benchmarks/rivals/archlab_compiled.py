"""archlab's training step, compiled for a topology: run in the environment that MaxText is in.

    python -m benchmarks.rivals.archlab_compiled OUT EXPERIMENT TOPOLOGY

OUT.hlo is the program's text, OUT.json what its memory takes, and how often the head's loop turns.
"""

import json
import sys
from pathlib import Path

from archlab import config
from archlab.compilation import Compilation


def main(out: str, experiment: str, topology: str) -> None:
    """Args: out: path without its end. experiment: a gin file. topology: as v5e:4x4."""
    one = Compilation(config.read(experiment).run, 0, topology)
    made = one.said
    Path(f"{out}.hlo").write_text(made["text"])
    Path(f"{out}.json").write_text(json.dumps({**made["bytes"], "turns": one.turns}))


if __name__ == "__main__":
    main(*sys.argv[1:])
