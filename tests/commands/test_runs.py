"""What is handed on about runs, and what comes back."""

import types
from pathlib import Path

from archlab import commands, trained
from archlab.evaluation import generate


def test_generate_continues_the_prompt(monkeypatch, capsys):
    words = types.SimpleNamespace(
        encode=lambda text: [ord(letter) for letter in text],
        decode=lambda ids: "".join(map(chr, ids)),
        end=1,
        size=384,
        start=2,
    )
    read = types.SimpleNamespace(model="model", weights="weights", vocabulary=words)
    monkeypatch.setattr(trained, "load", lambda folder, step: {(Path("a"), 7): read}[folder, step])

    def continued(model, weights, prompt, tokens, end, allowed, temperature, seed, start):
        assert (model, weights, end, allowed, start) == ("model", "weights", 1, 384, 2)
        return [*prompt[:tokens], ord(str(temperature)[0]), ord(str(seed))]

    monkeypatch.setattr(generate, "generate", continued)
    options = ["--tokens", "2", "--temperature", "3", "--seed", "4", "--step", "7"]
    assert commands.main(["generate", "a", "--prompt", "xyz", *options]) == 0
    assert capsys.readouterr().out == "xyzxy34\n"
