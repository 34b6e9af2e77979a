"""What is done with models that live elsewhere: bring them here, take ours there."""

from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import app, note


@app.command(name="import")
def import_(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of a Hugging Face model, or of archlab's own.")
    ],
    out: Annotated[Path, typer.Option(help="The run directory to make.")],
) -> None:
    """Makes a run of a Hugging Face model.

    \b
    archlab import ./flan-t5-base --out runs/flan_t5_base
    archlab generate runs/flan_t5_base --prompt "translate English to German: Good morning."
    """
    from archlab.bridge import folders, runs

    model = folders.read(folder)
    runs.make(model, out, folder.resolve().name)
    print(f"{out}: {model.architecture.name} of {model.parameters:,} parameters")
    if model.left:
        note(f"left behind, for nothing here uses them: {', '.join(model.left)}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    step: Annotated[
        int | None, typer.Option(help="The checkpoint.", show_default="the latest")
    ] = None,
    form: Annotated[
        str, typer.Option(help="huggingface, for transformers, or archlab.")
    ] = "huggingface",
) -> None:
    """Writes a run's weights for transformers, as safetensors.

    \b
    archlab export runs/flan_t5_base --out ./mine
    archlab export runs/quickstart --out ./quickstart --form archlab
    """
    from archlab import trained
    from archlab.bridge import folders, runs

    reader = folders.write(runs.of(trained.load(run, step)), out, form)
    print(f"{out}: for {reader}")
