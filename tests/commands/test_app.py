"""The program helps, quickly."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from archlab import commands, experiments
from archlab.commands.app import app

VERBS = typer.main.get_command(app).commands
WHOLE = {**VERBS, "vocabulary train": VERBS["vocabulary"].commands["train"]}
del WHOLE["vocabulary"]
# Of these it is the verb that says what is made, or what of.
OWN_WORDS = {"--out", "--architecture", "--dry-run"}


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


def examples():
    """Every line of help that begins with the program's name."""
    texts = {name: verb.help for name, verb in (WHOLE | VERBS).items()}
    return [
        line.strip()
        for text in texts.values()
        for line in text.splitlines()
        if line.strip().startswith("archlab ")
    ]


@pytest.mark.parametrize("line", dict.fromkeys(examples()))
def test_every_example_is_a_command_line(line):
    _, verb, *words = shlex.split(line)
    if verb == "vocabulary":
        verb = f"{verb} {words.pop(0)}"
    WHOLE[verb].make_context(verb, words)


def test_the_readme_and_the_docs_show_command_lines():
    home = experiments.home()
    shown = []
    for path in (home / "README.md", *sorted((home / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"```sh[^\n]*\n(.*?)```", text, re.DOTALL)
        lines = [line.removeprefix(".venv/bin/") for block in blocks for line in block.splitlines()]
        shown += [(path.name, line) for line in lines if line.startswith("archlab ")]
    assert len(shown) > 50
    for name, line in shown:
        _, verb, *words = (word for word in shlex.split(line, comments=True) if word != "…")
        if verb == "--install-completion":  # the program's own, and not a verb's
            continue
        verb = f"{verb} {words.pop(0)}" if verb == "vocabulary" else verb
        try:
            WHOLE[verb].make_context(verb, words)
        except typer.TyperException as error:
            raise AssertionError(f"{name}: {line}") from error


def flags():
    """Every flag, with each verb that has it."""
    found = {}
    for name, verb in WHOLE.items():
        for one in verb.params:
            for flag in one.opts:
                if flag.startswith("--"):
                    found.setdefault(flag, {})[name] = one
    return found


@pytest.mark.parametrize("flag", [flag for flag, verbs in flags().items() if len(verbs) > 1])
def test_a_flag_means_one_thing_everywhere(flag):
    verbs = flags()[flag]
    assert len({(one.bare_type(), one.multiple) for one in verbs.values()}) == 1 or flag == "--out"
    if flag not in OWN_WORDS:
        assert len({(one.metavar, one.help) for one in verbs.values()}) == 1, verbs
    if flag == "--out":
        assert all(re.fullmatch(r"DIR|FILE\.\w+", one.metavar) for one in verbs.values())


def test_a_flag_has_words_and_no_second_name():
    for flag, verbs in flags().items():
        for verb, one in verbs.items():
            assert re.fullmatch(r"--[a-z]+(-[a-z]+)*", flag) and len(one.opts) == 1, (verb, flag)
            assert one.help and one.help.endswith((".", "…", ")", "?")), (verb, flag, one.help)


def test_a_run_is_named_run_and_an_experiment_experiment():
    said = {
        one.name: one.metavar
        for verb in WHOLE.values()
        for one in verb.params
        if one.param_type_name == "argument"
    }
    assert said["run"] == "RUN" and said["runs"] == "RUN..." and said["experiment"] == "EXPERIMENT"


def test_alone_it_helps(capsys):
    assert commands.main([]) == 0
    alone = capsys.readouterr().out
    assert commands.main(["--help"]) == 0
    assert alone == capsys.readouterr().out
    assert all(f"  {verb} " in alone for verb in VERBS)
    assert "..." not in alone.split("Commands:")[1]
