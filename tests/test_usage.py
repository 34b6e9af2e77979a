"""Whatever is wrong with a command line is one line that says what would be right."""

import pytest
import typer

from archlab import usage

app, inner = typer.Typer(name="lab"), typer.Typer()
app.add_typer(inner, name="box")


@app.command()
def train(name: str, steps: int = 1) -> None:
    """Trains."""


@inner.command()
def lift(weight: int) -> None:
    """Lifts."""


@inner.command()
def drop() -> None:
    """Drops."""


@pytest.mark.parametrize(
    "words, said",
    [
        (["trian"], "there is no command 'trian', did you mean 'train'?"),
        (["box", "lfit"], "there is no command 'lfit', did you mean 'lift'?"),
        (["box"], "lab box: missing command; see lab box --help"),
        (["train"], "lab train: missing argument 'name'; see lab train --help"),
        (["train", "a", "--step", "2"], "lab train has no --step, did you mean '--steps'?"),
        (["train", "a", "--quite"], "lab train has no --quite, did you mean '--quiet'?"),
        (["box", "lift", "--x"], "lab box lift has no --x; there are --quiet"),
    ],
)
def test_it_is_one_line(words, said):
    with pytest.raises(typer.TyperException) as caught:
        typer.main.get_command(app).main(words, prog_name="lab", standalone_mode=False)
    assert usage.said(caught.value, ["--quiet"]) == said
