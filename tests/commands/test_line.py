"""What a mistake on the command line says."""

import os
import subprocess
import sys

import pytest

from archlab import commands, experiments, run
from tests import corpus


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["trian", "quickstart"], "there is no command 'trian', did you mean 'train'?"),
        (["l'ist"], "there is no command \"l'ist\", did you mean 'list'?"),
        (["shwo", "x"], "did you mean 'show'?"),
        (["reprot"], "did you mean 'report'?"),
        (["confg"], "did you mean 'config'?"),
        (["lst"], "did you mean 'list'?"),
        (["genrate"], "did you mean 'generate'?"),
        (["--hepl"], "did you mean '--help'?"),
        (["train", "quickstart", "--ot", "x"], "archlab train has no --ot, did you mean '--out'?"),
        (["train", "quickstart", "--sett", "x"], "did you mean '--set'?"),
        (["train", "quickstart", "--modul", "x"], "did you mean '--module'?"),
        (["train", "quickstart", "--resume", "3"], "did you mean '--resume-from'?"),
        (["train", "quickstart", "--debg"], "did you mean '--debug'?"),
        (["show", "x", "--architecure", "y"], "did you mean '--architecture'?"),
        (["show", "x", "--input", "3"], "did you mean '--inputs'?"),
        (["generate", "x", "--promt", "y"], "did you mean '--prompt'?"),
        (["generate", "x", "--temprature", "1"], "did you mean '--temperature'?"),
        (["train"], "missing argument 'EXPERIMENT'; see archlab train --help"),
        (["generate", "x", "--beam", "4"], "did you mean '--beams'?"),
        (["generate", "x", "--prompt", "a", "--tokens", "many"], "'--tokens'"),
        (["train", "quickstart", "twice"], "extra argument"),
        (["train", "quikstart"], "no experiment 'quikstart', did you mean 'quickstart'?"),
        (["config", "experiments/smoke_encodr.gin"], "did you mean 'smoke_encoder'?"),
        (["config", "quickstart", "--set", "Size.layer=6"], "did you mean 'layers'?"),
        (["train", "quickstart", "--set", "Size.layers"], "write it as Key=value"),
        (["show", "python_stdlib_causal_lm", "--architecture", "encodr"], "is not one of"),
        (["show", "python_stdlib_causal_lm", "--count", "0"], "count=0"),
        (["generate", "nowhere", "--prompt", "a"], "there is no run directory nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["train", ""], "no experiment ''"),
        (["config", "quickstart.foo"], "no experiment 'quickstart.foo'"),
        (["config", "quickstart", "--set", "Schedule.peak=1e999"], "it takes a number"),
        (["show", "x", "--architecture", "prefx_decoder"], "did you mean 'prefix_decoder'?"),
        (["show", "x", "--set", "Data.tdfs=x"], "did you mean 'tfds'?"),
        (["show", "x", "--set", "Size.layers=2"], "only Data.… has, here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line(fails, arguments, said):
    assert said in fails(*arguments)


@pytest.mark.parametrize(
    "line, said",
    [
        ("Size.layer = 6", ":6: Size has no 'layer', did you mean 'layers'?"),
        ("import os", ":6: 'import os': gin files import nothing"),
        ("Run.seed = [1", "Expected ',' or ']'"),
        ("Size.layers = 3", ":6: Size.layers is bound already, in gin/size/small.gin:3"),
    ],
)
def test_a_mistake_in_a_file_is_one_line(fails, tmp_path, line, said):
    path = tmp_path / "mine.gin"
    text = (experiments.home() / "experiments" / "quickstart.gin").read_text()
    includes = [one for one in text.splitlines() if one.startswith("include")]
    path.write_text("\n".join([*includes, line, *text.splitlines()[9:]]))
    assert str(path) in fails("config", str(path))
    assert said in fails("train", str(path))


def raising(error):
    def train(*given):
        raise error

    return train


def test_debug_shows_where_it_comes_from(monkeypatch, capsys):
    monkeypatch.setattr(run, "train", raising(ValueError("late")))
    assert commands.main(["train", "quickstart", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said and "test_line.py" in said
    assert said.endswith("archlab: error: late\n")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(run, "train", raising(AssertionError("ours")))
    with pytest.raises(AssertionError, match="ours"):
        commands.main(["train", "quickstart"])


def test_what_the_command_starts_finds_no_json_of_the_users(tmp_path):
    """As installed, beside text that a process of its own encodes, whatever else lies there."""
    (tmp_path / "json.py").write_text("raise SystemExit('the json of the user')")
    corpus.written(tmp_path / "texts", 3)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "archlab"
    program.write_text("import sys\nfrom archlab.commands import main\nsys.exit(main())\n")
    env = {**os.environ, "PYTHONPATH": str(experiments.home())}
    words = ["cache", "folder_causal_lm", "--out", "encoded", "--set", "Data.folder=texts"]
    command = [sys.executable, program, *words]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.glob("encoded/recipes/*.json"))


def test_where_few_letters_are_known_the_others_are_question_marks(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "archlab", "config", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"],
        capture_output=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(experiments.home()),
            "PYTHONIOENCODING": "ascii",
            "PYTHONUTF8": "1",
        },
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"archlab: error: no experiment 'caf?'")
