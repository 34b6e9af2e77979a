"""What is done with models that live elsewhere: bring them here, take ours there."""

from pathlib import Path
from typing import Annotated

import typer

from archlab.commands import completion
from archlab.commands.app import Run, Seed, Step, app, note


@app.command(name="import")
def import_(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of a Hugging Face model, or of archlab's own.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run directory to make.")],
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
    run: Run,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make.")],
    step: Step = None,
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


@app.command()
def surgery(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The run directory to make.")],
    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The one to make.",
            show_default="as it is",
            autocompletion=completion.architectures,
        ),
    ] = None,
    layers: Annotated[
        int | None, typer.Option(help="Of each stack.", show_default="as they are")
    ] = None,
    encoder_layers: Annotated[
        int | None, typer.Option(help="Of the encoder of two.", show_default="as they are")
    ] = None,
    vocab: Annotated[
        int | None, typer.Option(help="Rows of the table.", show_default="as they are")
    ] = None,
    cross: Annotated[
        str, typer.Option(help="Attention to the encoder begins as: self, fresh, silent.")
    ] = "self",
    depth: Annotated[str, typer.Option(help="More layers: stack, interleave, silent.")] = "stack",
    table: Annotated[str, typer.Option(help="More rows of the table: mean, fresh.")] = "mean",
    seed: Seed = 0,
    step: Step = None,
) -> None:
    """Makes a run of another architecture or size of a run.

    \b
    archlab surgery runs/flan_t5_base --architecture encoder --out runs/flan_encoder
    archlab surgery runs/small --layers 12 --depth silent --out runs/deep
    """
    from archlab import trained
    from archlab.bridge import runs
    from archlab.surgery import operation
    from archlab.surgery.choices import Surgery

    read = trained.load(run, step)
    had = read.model.architecture
    wanted = {"layers": layers, "encoder_layers": encoder_layers, "vocab": vocab}
    model, outcome = operation.operate(
        runs.of(read),
        had.named(architecture or had.name),
        {name: many for name, many in wanted.items() if many is not None},
        Surgery(cross, depth, table),
        seed,
    )
    origin = {"run": str(run), "step": read.step, "surgery": outcome.as_dict()}
    learnt = {runs.STAGE: [list(one) for one in read.objectives]}
    runs.make(model, out, out.resolve().name, {"origin": origin, "objectives": learnt})
    print("\n".join(outcome.lines()))
    print(f"{out}: {model.architecture.name} of {model.parameters:,} parameters")
