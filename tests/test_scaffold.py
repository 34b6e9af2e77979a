"""A module that is written is Python as a person keeps it, and registers what it says."""

import runpy
import subprocess
import sys

import pytest
import seqio

from archlab.data import kinds, pieces
from archlab.scaffold import Scaffold, quoted

ODD = 'it\'s "odd" \\ {name} %s \n犬'


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for registry in (seqio.TaskRegistry, seqio.MixtureRegistry):
        monkeypatch.setattr(registry, "_REGISTRY", {})
    return tmp_path


def found(**changes):
    usual = {"kind": "rows", "splits": {"train": ("/a/b.parquet",)}, "files": 1}
    fields = {"body": "x", "asked": "y", ODD: "z"}
    return kinds.Find(**{**usual, "fields": fields, **changes})


SPLIT = {"train": ("/a/*.jsonl", "/b.jsonl"), "validation": ("/c.jsonl",)}
PREPARED = {"kind": kinds.PREPARED, "name": "mine/en:1.0.0", "folder": "/data"}
FORMS = [
    (found(), ("body",)),
    (found(), (ODD,)),
    (found(), ("asked", "body")),
    (found(fields={}), ()),
    (found(splits={"train": (f"/{ODD}", "/" + "long" * 40)}), ("body",)),
    (found(splits=SPLIT), ("asked", ODD)),
    (found(splits={"train": ("train",), "validation": ("validation",)}, **PREPARED), ("body",)),
    (found(splits={"train": ("train",)}, **PREPARED), ("body", "asked")),
]


def test_what_is_written_is_as_ruff_leaves_it_and_registers_its_tasks(home):
    """By the usual settings of ruff and by others."""
    for number, (one, fields) in enumerate(FORMS):
        scaffold = Scaffold(f"own{number}", one, fields)
        path = home / f"own{number}_tasks.py"
        assert scaffold.write(path)
        runpy.run_path(str(path))
        task = seqio.TaskRegistry.get(scaffold.task)
        assert task.name == f"own{number}_{'supervised' if len(fields) == 2 else 'prefix_lm'}"
        own = getattr(task.source, "facts", ())
        said = [name for names in own[1].values() for name in names] if number > 5 else own[0]
        assert [*said] == [*(fields or ("text",))]
        assert (f"own{number}_ul2" in seqio.MixtureRegistry.names()) == (len(fields) < 2)
    for more in (["format", "--check"], ["format", "--check", "--line-length=100"], ["check"]):
        subprocess.run([sys.executable, "-m", "ruff", *more, "--isolated", "."], check=True)


def test_splits_are_cut_as_they_are_held_out(home):
    for one, held_out, said in [
        (FORMS[7][0], 20, 'splits=("train[:95%]", "train[95%:]"),'),
        (FORMS[7][0], 4, 'splits=("train[:75%]", "train[75%:]"),'),
        (FORMS[7][0], 999, 'splits=("train[:99%]", "train[99%:]"),'),
        (FORMS[7][0], 0, 'splits=("train[:100%]", "train[100%:]"),'),
        (FORMS[0][0], 7, "held_out=7,"),
    ]:
        assert said in Scaffold("mine", one, ("body",), held_out=held_out).text()
    for one in (FORMS[5][0], FORMS[6][0]):  # which are split already
        text = Scaffold("mine", one, ("body",)).text()
        assert "held_out" not in text and "splits=" not in text


def test_nothing_is_written_over_what_is_there(home):
    scaffold, path = Scaffold("mine", found(), ("body",)), home / "deep" / "mine_tasks.py"
    assert scaffold.write(path) and not scaffold.write(path)
    path.write_text(mine := path.read_text() + "# mine\n")
    with pytest.raises(ValueError, match="is there and says something else; --out names another"):
        scaffold.write(path)
    assert path.read_text() == mine
    assert scaffold.write(path, is_forced=True) and path.read_text() != mine
    with pytest.raises(ValueError, match="mine is no Python file"):
        scaffold.write(home / "mine")


def test_a_vocabulary_goes_with_the_commands(home):
    pieces.train(["some text of a few words"] * 20, home / "my.model", 280, "bpe")
    scaffold = Scaffold("mine", found(), ("body",), "my.model")
    assert f'    Vocabulary("{home}/my.model"),\n' in scaffold.text()
    show, train, mixed = scaffold.next(home / "its $(tasks).py")
    module = f"--module '{home}/its $(tasks).py'"
    assert show == f"archlab show mine_span_corruption {module}"
    assert train == (
        f"archlab train own_text {module} --set span/Stage.mixture=mine_span_corruption "
        f"--set lm/Stage.mixture=mine_prefix_lm --set Size.vocab={scaffold.size} --out runs/mine"
    )
    assert scaffold.size % 128 == 0 and "mine_prefix_lm" in mixed


@pytest.mark.parametrize(
    "given, said",
    [
        ({"name": "my-own"}, "'my-own' is no name for tasks"),
        ({"name": "é"}, "'é' is no name for tasks"),
        ({"name": "c4"}, "'c4' names tasks of archlab's own"),
        ({"name": "folder"}, "'folder' names tasks"),
        ({"fields": ("text",)}, "no field of text 'text'; there are asked, body, it's"),
        ({"fields": ("bodi",)}, "no field of text 'bodi', did you mean 'body'\\?"),
        (
            {"found": found(fields={}), "fields": ("x",)},
            "no field of text 'x', since a file is one text",
        ),
        ({"held_out": 1}, "--validation 1 leaves nothing to learn from"),
        ({"vocabulary": "none.model"}, "there is no SentencePiece model at"),
        ({"vocabulary": "none.zip"}, "does not end in .model"),
    ],
)
def test_what_cannot_be_is_refused(home, given, said):
    with pytest.raises(ValueError, match=said):
        Scaffold(**{"name": "mine", "found": found(), "fields": ("body",), **given})


@pytest.mark.parametrize(
    "text", ["plain", ODD, "\udcff.txt", "😀\udcff", "\x00\u2028", '"', "'", '\\"\\\'"']
)
def test_a_literal_is_what_it_stands_for(text):
    assert eval(quoted(text)) == text
