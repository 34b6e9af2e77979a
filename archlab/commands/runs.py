"""What is done with runs: report on them, continue a text with one."""

from pathlib import Path
from typing import Annotated

import typer

from archlab.commands.app import Rows, Run, Runs, Seed, Step, app, note


@app.command()
def report(
    runs: Runs,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where to write.", show_default="report/ in the first run"
        ),
    ] = None,
) -> None:
    """Writes one page about runs: curves, ledgers, examples, texts.

    \b
    archlab report runs/quickstart
    archlab report runs/smoke_* --out report
    """
    from archlab.report.page import report as write

    print(write(runs, out or runs[0] / "report"))


@app.command()
def generate(
    run: Run,
    prompt: Annotated[
        list[str], typer.Option(metavar="TEXT", help="What to continue; may be given many times.")
    ] = [],  # noqa: B006 - typer's way of saying "may be given many times"
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help='Many, a line like {"prompt": "a text"} each.'),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Write lines there, not here.")
    ] = None,
    tokens: Annotated[int, typer.Option(help="At most how many to add.")] = 64,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest, 1 draws.")] = 0.0,
    top_k: Annotated[int, typer.Option(help="Draw of so many of the likeliest; 0 is all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw of the likeliest with this share.")] = 1.0,
    beams: Annotated[int, typer.Option(help="Alternatives kept, to find a likelier text.")] = 1,
    penalty: Annotated[float, typer.Option(help="How much beams favour a long text.")] = 0.0,
    order: Annotated[
        str, typer.Option(help="An encoder's: left, confident or random.", show_default="left")
    ] = "",
    passes: Annotated[
        int, typer.Option(help="An encoder's, to fill all.", show_default="one for each token")
    ] = 0,
    seed: Seed = 0,
    rows: Rows = 8,
    step: Step = None,
) -> None:
    """Continues texts with a trained run.

    What it says is kept beside the run too, for its report.

    \b
    archlab generate runs/quickstart --prompt "def main(" --tokens 100
    archlab generate runs/quickstart --prompts many.jsonl --out said.jsonl --beams 4 --penalty 0.6
    archlab generate runs/quickstart --prompt "import" --temperature 0.8 --top-p 0.9 --seed 7
    """
    from archlab import compiled
    from archlab.evaluation import runs as subjects
    from archlab.generation import files, generations
    from archlab.generation import generate as evaluation
    from archlab.generation.manner import Manner

    if bool(prompt) == bool(prompts):
        raise ValueError("say what to continue: --prompt TEXT, or --prompts FILE.jsonl")
    manner = Manner(tokens, temperature, top_k, top_p, beams, penalty, seed, order, passes)
    asked = files.read(prompts) if prompts else [{files.PROMPT: one} for one in prompt]
    compiled.keep(note)
    read = subjects.read(run, run.name, step)
    words, kind = read.words, read.model.architecture.kind
    given = [words.encode(one[files.PROMPT]) for one in asked]
    found = evaluation.generate(
        read.model,
        read.weights,
        words,
        given,
        manner,
        rows,
        is_shifted=kind == "encoder" and read.format().is_shifted,
    )
    said = [(one, words.decode(one.ids)) for one in found]
    texts = [(one[files.PROMPT], text) for one, (_, text) in zip(asked, said, strict=True)]
    try:
        generations.add(run, read.step, manner, texts)
    except OSError as error:
        note(f"what was said is not kept beside the run, for its report: {error}")
    if out is not None:
        out.write_text("".join(f"{line}\n" for line in files.lines(asked, said)))
    elif prompts:
        print(*files.lines(asked, said), sep="\n")
    else:
        for one, text in texts:
            print(one + text)
