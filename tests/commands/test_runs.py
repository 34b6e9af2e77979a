"""What is handed on about runs, and what comes back."""

import json
import types
from pathlib import Path

import pytest

from archlab import commands
from archlab.evaluation import runs as subjects
from archlab.evaluation.formats import Format
from archlab.generation import generate, generations
from archlab.generation.generate import Text
from archlab.generation.manner import Manner


@pytest.fixture(params=["decoder", "encoder"])
def kind(request):
    return request.param


@pytest.fixture
def said(monkeypatch, kind):
    """What a run was asked, which says each prompt backwards."""
    words = types.SimpleNamespace(
        encode=lambda text: [ord(letter) for letter in text],
        decode=lambda ids: "".join(map(chr, ids)),
    )
    model = types.SimpleNamespace(architecture=types.SimpleNamespace(kind=kind))
    read = types.SimpleNamespace(
        model=model,
        weights="weights",
        words=words,
        step=7,
        format=lambda: Format("bound", "", True),
    )
    known = {(Path("a"), "a", 7): read}
    monkeypatch.setattr(subjects, "read", lambda *run: known[run])
    found = []

    def continued(*of, is_shifted):
        given, manner, rows = of[3:]
        assert of[:3] == (model, "weights", words) and is_shifted == (kind == "encoder")
        found.extend([manner, rows])
        return [Text(prompt[::-1], -0.5, True) for prompt in given]

    monkeypatch.setattr(generate, "generate", continued)
    return found


def test_generate_continues_prompts(said, capsys):
    options = ["--tokens", "2", "--temperature", "3", "--seed", "4", "--step", "7"]
    options += ["--top-k", "5", "--top-p", "0.5", "--rows", "3"]
    assert commands.main(["generate", "a", "--prompt", "xyz", "--prompt", "é", *options]) == 0
    assert capsys.readouterr().out == "xyzzyx\néé\n"
    assert said == [Manner(2, 3.0, 5, 0.5, seed=4), 3]


def test_what_is_said_is_kept_beside_the_run(said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = ["--prompt", "xyz", "--tokens", "2", "--step", "7"]
    assert commands.main(["generate", "a", *options]) == 0
    assert "note: what was said is not kept" in capsys.readouterr().err
    Path("a").mkdir()
    for _ in range(2):
        assert commands.main(["generate", "a", *options]) == 0
    (one,) = generations.read(Path("a"))
    assert (one.step, one.prompt, one.text, one.odd) == (7, "xyz", "zyx", {"tokens": 2})


@pytest.mark.parametrize("out", ["", "said.jsonl"])
def test_generate_continues_a_file(said, capsys, tmp_path, out):
    many = tmp_path / "many.jsonl"
    many.write_text('{"prompt": "ab", "id": 1}\n{"prompt": "c"}\n')
    options = ["--prompts", str(many), "--beams", "4", "--penalty", "0.6", "--step", "7"]
    options += ["--out", str(tmp_path / out)] if out else []
    assert commands.main(["generate", "a", *options]) == 0
    assert said == [Manner(beams=4, penalty=0.6), 8]
    lines = (tmp_path / out).read_text() if out else capsys.readouterr().out
    found = [json.loads(line) for line in lines.splitlines()]
    more = {"nats": -0.5, "ended": True}
    assert found[0] == {"prompt": "ab", "id": 1, "text": "ba", "tokens": 2, **more}
    assert found[1] == {"prompt": "c", "text": "c", "tokens": 1, **more}


@pytest.mark.parametrize(
    "options, wrong",
    [
        ([], "say what to continue: --prompt TEXT, or --prompts FILE.jsonl"),
        (["--prompt", "a", "--prompts", "b"], "say what to continue"),
        (["--prompt", "a", "--beams", "2", "--temperature", "1"], "beams=2 keeps the likeliest"),
        (["--prompts", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_what_is_wrong_is_said_before_the_run_is_read(fails, options, wrong):
    assert wrong in fails("generate", "nowhere", *options)
