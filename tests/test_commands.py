"""The commands: what each hands on, and what a mistake on the command line says."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import typer

from archlab import commands, config, experiments, run, trained
from archlab.data.vocabulary import Vocabulary
from archlab.evaluation import generate

VERBS = typer.main.get_command(commands.app).commands


def fails(capsys, *arguments):
    """The one line that a wrong command says."""
    assert commands.main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("archlab: error: ")
    return lines[0]


@pytest.mark.parametrize(
    "arguments, status",
    [(["--help"], 0), (["list"], 0), (["report", "nowhere"], 2), (["trian"], 2)],
)
def test_what_needs_neither_jax_nor_tensorflow_imports_neither(arguments, status, tmp_path):
    program = (
        "import sys; from archlab.commands import main; status = main(sys.argv[1:]);"
        "print(sorted({'jax', 'flax', 'optax', 'tensorflow', 'seqio', 'gin'} & set(sys.modules)));"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(experiments.home())},
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_with_an_example(verb, capsys):
    assert commands.main([verb, "--help"]) == 0
    assert f"\n  archlab {verb}" in capsys.readouterr().out


def test_alone_it_helps(capsys):
    assert commands.main([]) == 0
    alone = capsys.readouterr().out
    assert commands.main(["--help"]) == 0
    assert alone == capsys.readouterr().out
    assert all(f"  {verb} " in alone for verb in VERBS)
    assert "..." not in alone.split("Commands:")[1]


def test_list_names_everything(capsys):
    assert commands.main(["list"]) == 0
    said = capsys.readouterr().out
    home = experiments.home()
    for path in [*home.glob("experiments/*.gin"), *home.glob("gin/*/*.gin")]:
        assert path.stem in said
    assert "python_stdlib_span_corruption" in said


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["trian", "quickstart"], "there is no command 'trian', did you mean 'train'?"),
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
        (["generate", "x"], "missing option '--prompt'"),
        (["generate", "x", "--prompt", "a", "--tokens", "many"], "'--tokens'"),
        (["train", "quickstart", "twice"], "extra argument"),
        (["train", "quikstart"], "no experiment 'quikstart', did you mean 'quickstart'?"),
        (["config", "experiments/smoke_encodr.gin"], "did you mean 'smoke_encoder'?"),
        (["config", "quickstart", "--set", "Size.layer=6"], "did you mean 'layers'?"),
        (["train", "quickstart", "--set", "Size.layers"], "write it as Key=value"),
        (["show", "python_stdlib_causal_lm", "--architecture", "encodr"], "is not one of"),
        (["show", "python_stdlib_causal_lm", "--count", "0"], "count=0"),
        (["generate", "nowhere", "--prompt", "a"], "nowhere is not a run"),
        (["report", "nowhere"], "nowhere"),
        (["vocabulary"], "archlab vocabulary: missing command; see archlab vocabulary --help"),
        (["vocabulary", "trian"], "there is no command 'trian', did you mean 'train'?"),
        (["vocabulary", "train", "x"], "missing option '--out'"),
        (["vocabulary", "train", "python", "--out", "x"], "no source 'python', did you mean"),
        (["vocabulary", "train", "folder", "--out", "x.model"], "--folder DIR"),
        (["vocabulary", "train", "python_stdlib", "--out", "x"], "x does not end in .model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line(capsys, arguments, said):
    assert said in fails(capsys, *arguments)


@pytest.mark.parametrize(
    "line, said",
    [
        ("Size.layer = 6", ":6: Size has no 'layer', did you mean 'layers'?"),
        ("import os", ":6: 'import os': gin files import nothing"),
        ("Run.seed = [1", "Expected ',' or ']'"),
        ("Size.layers = 3", ":6: Size.layers is bound already, in gin/size/small.gin:3"),
    ],
)
def test_a_mistake_in_a_file_is_one_line(capsys, tmp_path, line, said):
    path = tmp_path / "mine.gin"
    text = (experiments.home() / "experiments" / "quickstart.gin").read_text()
    includes = [one for one in text.splitlines() if one.startswith("include")]
    path.write_text("\n".join([*includes, line, *text.splitlines()[9:]]))
    assert str(path) in fails(capsys, "config", str(path))
    assert said in fails(capsys, "train", str(path))


@pytest.fixture
def calls(monkeypatch):
    calls = []
    monkeypatch.setattr(run, "train", lambda *given, **named: calls.append((*given, named)))
    return calls


def test_train_hands_the_experiment_on(calls):
    said = ["--set", "Size.layers=6", "--set", "Run.seed=3", "--module", "a", "--module", "b.py"]
    assert commands.main(["train", "quickstart", *said, "--resume-from", "40"]) == 0
    (given,) = calls
    settings, out, name, text, modules, step, named = given
    read = config.read("quickstart", ["Size.layers=6", "Run.seed=3"])
    assert (settings, text) == (read.run, read.gin_text)
    assert (settings.size.layers, settings.seed) == (6, 3)
    assert (out, name, modules, step) == (Path("runs/quickstart"), "quickstart", ("a", "b.py"), 40)
    assert named == {}


def test_train_writes_where_it_is_told(calls, tmp_path):
    assert commands.main(["train", "quickstart", "--out", str(tmp_path)]) == 0
    assert calls[0][1] == tmp_path


def raising(error):
    def train(*given):
        raise error

    return train


def test_an_error_in_training_is_one_line_with_its_place(monkeypatch, capsys):
    late = ValueError("no task 'python_stdlib_prefix_lm'\n  in the registry")
    monkeypatch.setattr(run, "train", raising(late))
    line = fails(capsys, "train", "quickstart")
    assert "experiments/quickstart.gin:" in line
    assert line.endswith("no task 'python_stdlib_prefix_lm' in the registry")


def test_debug_shows_where_it_comes_from(monkeypatch, capsys):
    monkeypatch.setattr(run, "train", raising(ValueError("late")))
    assert commands.main(["train", "quickstart", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said and "test_commands.py" in said
    assert said.endswith("archlab: error: late\n")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(run, "train", raising(AssertionError("ours")))
    with pytest.raises(AssertionError, match="ours"):
        commands.main(["train", "quickstart"])


def test_an_interrupt_says_how_to_go_on(monkeypatch, capsys):
    monkeypatch.setattr(run, "train", raising(KeyboardInterrupt()))
    assert commands.main(["train", "quickstart"]) == 130
    assert "runs/quickstart" in capsys.readouterr().err


def test_config_counts(capsys):
    assert commands.main(["config", "t5_xxl_then_lm"]) == 0
    said = capsys.readouterr().out
    assert "parameters  11,135,332,352" in said
    stages = [line.split() for line in said.splitlines() if line.startswith("c4_")]
    total = next(line.split() for line in said.splitlines() if line.startswith("total"))
    for column in (1, 2):
        numbers = [int(line[column].replace(",", "")) for line in [*stages, total]]
        assert numbers[0] + numbers[1] == numbers[2]
    assert "Size.layers = 24" in said


def test_generate_continues_the_prompt(monkeypatch, capsys):
    words = types.SimpleNamespace(
        encode=lambda text: [ord(letter) for letter in text],
        decode=lambda ids: "".join(map(chr, ids)),
        end=1,
        size=384,
    )
    read = types.SimpleNamespace(model="model", weights="weights", vocabulary=words)
    monkeypatch.setattr(trained, "load", lambda folder, step: {(Path("a"), 7): read}[folder, step])

    def continued(model, weights, prompt, tokens, end, allowed, temperature, seed):
        assert (model, weights, end, allowed) == ("model", "weights", 1, 384)
        return [*prompt[:tokens], ord(str(temperature)[0]), ord(str(seed))]

    monkeypatch.setattr(generate, "generate", continued)
    options = ["--tokens", "2", "--temperature", "3", "--seed", "4", "--step", "7"]
    assert commands.main(["generate", "a", "--prompt", "xyz", *options]) == 0
    assert capsys.readouterr().out == "xyzxy34\n"


def test_stages_may_be_registered_in_a_module_of_the_user(tmp_path, capsys, monkeypatch):
    text = (experiments.home() / "experiments" / "quickstart.gin").read_text()
    kept = [one for one in text.splitlines() if one.startswith(("include", "Run.precision"))]
    path = tmp_path / "mine.gin"
    named = [one for one in kept if "gin/stage" not in one] + ["Run.stages = 'my_two'"]
    path.write_text("\n".join(named))
    module = tmp_path / "my_two_stages.py"
    module.write_text(
        "from archlab import stages\n"
        "both = [stages.Stage(name, steps=3, targets=8) for name in ('one', 'two')]\n"
        "stages.register('my_two', both)\n"
    )
    assert "my_two" in fails(capsys, "train", str(path), "--out", str(tmp_path / "run"))
    assert commands.main(["config", str(path), "--module", str(module)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in said[-3:]] == [["one", "3"], ["two", "3"], ["total", "6"]]


def test_a_vocabulary_is_trained_on_a_folder(tmp_path, capsys):
    for number in range(60):
        (tmp_path / f"{number}.txt").write_text(f"the cat sees tree {number}\n" * 9)
    out = tmp_path / "new" / "my.model"
    options = ["--folder", str(tmp_path), "--size", "280", "--kind", "bpe"]
    assert commands.main(["vocabulary", "train", "folder", "--out", str(out), *options]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: 280 pieces, ") and "bytes of held-out text" in said
    assert Vocabulary(str(out)).text == 280
    assert commands.main(["vocabulary", "train", "--help"]) == 0
    assert "archlab vocabulary train folder" in capsys.readouterr().out
