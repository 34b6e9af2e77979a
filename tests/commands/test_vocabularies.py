"""A vocabulary is trained from the command line, and what is wrong is said."""

import pytest

from archlab import commands
from archlab.data.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vocabulary"], "archlab vocabulary: missing command; see archlab vocabulary --help"),
        (["vocabulary", "trian"], "there is no command 'trian', did you mean 'train'?"),
        (["vocabulary", "train", "x"], "missing option '--out'"),
        (["vocabulary", "train", "python", "--out", "x"], "no source 'python', did you mean"),
        (["vocabulary", "train", "folder", "--out", "x.model"], "--folder DIR"),
        (["vocabulary", "train", "python_stdlib", "--out", "x"], "x does not end in .model"),
    ],
)
def test_what_is_wrong_is_said(words, said, capsys):
    assert commands.main(words) == 2
    assert said in capsys.readouterr().err


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
