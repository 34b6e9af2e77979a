"""Words stay words on their way through programs and shells."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab.launch.call import Call, Job, line, word

NASTY = [
    "",
    "a b",
    "it's",
    'say "x"',
    "$(touch pwned)",
    "`id`",
    "a;b",
    "$HOME",
    "-x",
    "*",
    "a\nb\\",
]


def echoed(script: str, *more: str) -> list[str]:
    done = subprocess.run(["bash", "-c", script, *more], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_a_shell_gives_the_same_words_back(words):
    assert echoed(line(["printf", "%s\\0", "first", *words]))[1:] == words


def test_a_program_gets_the_words_and_a_shell_would_hand_it_the_same(fakes):
    fakes.add("gcloud", 'cat >>"$FAKES/given"')
    call = Call(("gcloud", *NASTY), text='{\n  "END": "$(x)"\n}')
    call.run()
    subprocess.run(["bash", "-c", str(call)], check=True)
    assert fakes.calls() == [["gcloud", *NASTY]] * 2
    # A shell ends the text with a line's end.
    assert (fakes.folder / "given").read_text() == f"{call.text}{call.text}\n"


def test_a_file_may_be_the_standard_input(fakes, tmp_path):
    fakes.add("ssh", "cat")
    (tmp_path / "a b").write_text("given")
    call = Call(("ssh",), file=tmp_path / "a b")
    assert call.output() == "given"
    assert subprocess.check_output(["bash", "-c", str(call)], text=True) == "given"


def test_what_is_not_there_or_fails_is_said(fakes):
    fakes.add("gcloud", "exit 3")
    assert Call(("gcloud",)).status() == 3
    with pytest.raises(ValueError, match="gcloud ended with status 3: gcloud 'a b'"):
        Call(("gcloud", "a b")).run()
    fakes.alone()
    with pytest.raises(ValueError, match="xpk is not installed; `pip install xpk` installs it"):
        Call(("xpk",)).run()
    with pytest.raises(ValueError, match="other is not installed"):
        Call(("other",)).begin()


@pytest.mark.parametrize("name", ["", "A", "a b", "a-", "-a", "1a", "a;b", "$(x)", "a" * 41])
def test_a_name_is_one_that_every_place_takes(name):
    with pytest.raises(ValueError, match="--name="):
        Job(name, "quickstart", "runs/x")


def test_secrets_are_names(monkeypatch):
    with pytest.raises(ValueError, match="the names of variables alone"):
        Job("a", "quickstart", "out", secrets=("TOKEN=hunter2",))
    with pytest.raises(ValueError, match="Launch.starts=0; it is 1 or more"):
        Job("a", "quickstart", "out", starts=0)
    job = Job("a", "quickstart", "out", secrets=("TOKEN",))
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(ValueError, match="TOKEN, which is not set here"):
        job.check_secrets()
    monkeypatch.setenv("TOKEN", "hunter2")
    job.check_secrets()


@pytest.mark.parametrize("value", ["", "-oProxyCommand=x", "a b", "a\nb", " "])
def test_what_is_no_word_is_refused(value):
    with pytest.raises(ValueError, match="begins with no hyphen"):
        word("CloudTPU.zone", value)
    word("CloudTPU.zone", "us-west4-a")
    word("CloudTPU.project", "", may_be_empty=True)
