"""Text is encoded once, by another process, and anew when it has changed."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from archlab.data import recipes as module
from archlab.data import writer
from archlab.data.cut import Cut
from archlab.data.exam import Exam
from archlab.data.recipes import Data, Preparation, Recipe, Work, prepare
from archlab.data.reports import Report
from archlab.data.row import PAIR, Row
from archlab.data.sources import SPLITS
from archlab.data.streamed import Streamed
from archlab.refusal import Refusal
from tests.data.conftest import written


@pytest.fixture
def no_process(monkeypatch):
    def started(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", started)


def program(folder, text, status):
    """A program in place of Python, that says something and ends."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def requests_are_here(monkeypatch, tmp_path_factory):
    """Others write requests too, and this machine's place for them is everybody's."""
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path_factory.mktemp("requests")))


def requests():
    return {name for name in os.listdir(module.tempfile.gettempdir()) if name.endswith(".json")}


def test_a_second_time_starts_no_process(recipes, corpus, no_process):
    data, modules = corpus
    found = prepare(["folder_causal_lm", "both"], data, modules).wait()
    assert found["folder_causal_lm"] == recipes["causal_lm"] and found["both"] == recipes["both"]
    assert found["both"].digest == recipes["both"].digest


def test_what_a_recipe_says(recipes):
    one = recipes["both"]
    assert one.objectives == ["folder_prefix_lm", "folder_span_corruption"]
    assert [task["rate"] for task in one.content["tasks"]] == [1, 3]
    assert one.has("train") and one.has("validation")
    assert one.vocabulary.size == 384
    for split in ("train", "validation"):
        first, second = one.stores(split)
        assert first == second  # two tasks of one text have one store
        first.verify()
    assert len({recipe.digest for recipe in recipes.values()}) == len(recipes)
    texts = [recipe.texts for recipe in recipes.values()]  # all are made of one folder
    assert all(found == texts[0] for found in texts)
    kept = {f"folder {split}": one.stores(split)[0].manifest["sha256"] for split in SPLITS}
    assert texts[0] == kept


@pytest.mark.parametrize("change", ["folder", "vocabulary", "modules", "mixture", "code"])
def test_whatever_decides_the_text_asks_for_a_process(
    recipes, corpus, tmp_path, change, monkeypatch
):
    data, modules = corpus
    monkeypatch.setattr(sys, "executable", program(tmp_path, "echo started", 2))
    mixture = "both"
    if change == "folder":
        data = Data(folder=str(written(tmp_path / "text")))
    elif change == "vocabulary":
        data = Data(folder=data.folder, vocabulary="other.model")
    elif change == "modules":
        modules = ()
    elif change == "mixture":
        mixture = "folder_other"
    else:
        (tmp_path / "mixtures.py").write_text("changed")
        monkeypatch.chdir(tmp_path)
        modules = ("mixtures",)
    with pytest.raises(ValueError, match="^started$"):
        prepare([mixture], data, modules).wait()


def test_changed_text_is_encoded_anew(tmp_path):
    data = Data(folder=str(written(tmp_path / "text", 9)))
    digests = []
    for number in range(2):
        digests.append(prepare(["folder_causal_lm"], data).wait()["folder_causal_lm"].digest)
        (tmp_path / "text" / "more.txt").write_text(f"more text {number}")
    assert digests[0] != digests[1]


def test_an_unknown_mixture_is_refused_in_one_line(corpus):
    preparation = prepare(["folder_casual_lm"], *corpus)
    with pytest.raises(Refusal, match="'folder_casual_lm' .*, did you mean .*_lm'") as error:
        preparation.wait()
    assert "\n" not in str(error.value) and "\t" not in str(error.value)
    assert error.value.about == "folder_casual_lm"


@pytest.mark.parametrize(
    "begin",
    [
        lambda: prepare(["folder_new"], Data()).wait(),
        lambda: Streamed({"task": "new"}, (0, 0, 0), Row(12, 16, PAIR), 384).oddities(),
        lambda: Exam("new", Row(12, 16, PAIR), {}),
    ],
    ids=["build", "feed", "examiner"],
)
def test_whoever_reads_text_has_no_accelerator_and_one_hash(begin, tmp_path, monkeypatch):
    """Whatever this process has of its own, which it passes on besides."""
    own = ["CUDA_VISIBLE_DEVICES=", "JAX_PLATFORMS=cpu", "PYTHONHASHSEED=0"]
    own += ["TF_CPP_MIN_LOG_LEVEL=3", "MINE=another"]
    for said in own:
        monkeypatch.setenv(said.partition("=")[0], "another")
    # All but the build, which is told the path of a file, are asked a line.
    says = f'env > {tmp_path}/said\n[ -n "$5" ] || read line\necho \'{{"wrong": "odd"}}\''
    monkeypatch.setattr(sys, "executable", program(tmp_path, says, 2))
    with pytest.raises(ValueError, match="odd"):
        begin()
    assert {*own} <= {*(tmp_path / "said").read_text().splitlines()}


def test_a_process_that_breaks_is_told_with_its_last_words(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", program(tmp_path, "echo no memory >&2", 3))
    with pytest.raises(RuntimeError, match="encoding the text broke:\nno memory"):
        prepare(["folder_new"], *corpus).wait()


def test_closing_stops_the_process(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", program(tmp_path, "exec sleep 1000", 0))
    preparation = prepare(["folder_new"], *corpus)
    preparation.close()
    assert preparation._process.returncode < 0
    preparation.close()  # a second time does nothing
    Preparation({}, None).close()


def test_what_the_process_reports_is_passed_on(corpus, tmp_path, monkeypatch):
    one = Report("a-train", 3, 40, 2.0, 7)
    (tmp_path / "said").write_text(f"{one.line()}\nsomething else\n{one.line()}\nwrong\n")
    monkeypatch.setattr(sys, "executable", program(tmp_path, f"cat {tmp_path}/said", 2))
    told = []
    with pytest.raises(ValueError, match="^wrong$"):
        prepare(["folder_new"], *corpus).wait(told.append)
    assert told == [one, one]


def test_the_cache_is_where_it_is_said_to_be(recipes, corpus, tmp_path, no_process):
    """Whoever moves a cache, or says it in another way, finds what is in it."""
    data, modules = corpus
    home = module.store.root()
    there = dataclasses.replace(data, cache=home)
    assert prepare(["both"], there, modules).wait()["both"] == recipes["both"]
    with pytest.raises(AssertionError, match="a process was started"):
        prepare(["both"], dataclasses.replace(data, cache=str(tmp_path)), modules)


@pytest.fixture
def damaged(recipes, tmp_path):
    """A recipe whose text for training has two shards, the second changed in one bit."""
    pairs = [(np.asarray([number + 5]), 1) for number in range(4)]
    path = writer.write(tmp_path / "one", pairs, Cut(384, 1, 1, 2)).path
    content = (tmp_path / "one" / "00000-00001.bin").read_bytes()
    (tmp_path / "one" / "00000-00001.bin").write_bytes(bytes([content[0] ^ 1]) + content[1:])
    task = {**recipes["causal_lm"].content["tasks"][0], "stores": {"train": path}}
    return {**recipes["causal_lm"].content, "tasks": [task]}


def test_a_broken_shard_is_refused_before_anything_is_read(damaged):
    with pytest.raises(ValueError, match="00000-00001.bin has changed since it was written"):
        Recipe("mine", damaged).digest  # noqa: B018


def test_a_broken_shard_is_left_out_where_one_may_be(damaged):
    one = Recipe("mine", damaged, broken_shards=1)
    assert one.stores("train")[0].documents == 2
    assert one.stores("train")[0] is one.stores("train")[0]  # it is looked at once
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.store, "opened", lambda path, many: module.store.Store(path))
        assert Recipe("mine", damaged).digest != one.digest


def test_numbers_that_cannot_be_are_refused():
    for make, match in [
        (lambda: Data(broken_shards=-1), "Data.broken_shards=-1; it is 0 or more"),
        (lambda: Work(workers=0), "workers=0; it is 1 or more"),
        (lambda: Work(shards=0), "shards=0; it is 1 or more"),
    ]:
        with pytest.raises(ValueError, match=match):
            make()


def test_what_a_process_is_about_is_handed_on(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", program(tmp_path, "printf 'odd\\tData.folder\\n'", 2))
    with pytest.raises(Refusal, match="^odd$") as error:
        prepare(["folder_new"], *corpus).wait()
    assert error.value.about == "Data.folder"


def test_a_process_that_reads_nothing_is_told_all_the_same(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", program(tmp_path, "exec <&-; echo odd", 2))
    many = [f"folder_{'x' * 9000}_{number}" for number in range(30)]  # more than a pipe holds
    with pytest.raises(ValueError, match="^odd$"):
        prepare(many, *corpus).wait()


def test_modules_are_told_by_what_they_hold(recipes, corpus, no_process, monkeypatch):
    data, (path,) = corpus
    monkeypatch.chdir(os.path.dirname(path))
    for spelled in ("mixtures.py", "./mixtures.py", "mixtures"):
        found = prepare(["both"], data, (spelled,)).wait()["both"]
        assert found.digest == recipes["both"].digest
        assert {**found.content, "request": 0} == {**recipes["both"].content, "request": 0}


ORPHAN = """
import sys
from archlab.data.recipes import Data, prepare
preparation = prepare(["folder_causal_lm"], Data(sys.argv[1]), (sys.argv[2],))
print(preparation._process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_ends_with_the_one_that_asked(corpus, tmp_path, ended):
    slow = tmp_path / "slow.py"
    slow.write_text(
        f"import pathlib, time\npathlib.Path({str(tmp_path)!r}, 'up').touch()\ntime.sleep(1000)\n"
    )
    asker = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, corpus[0].folder, str(slow)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    child = int(asker.stdout.readline())
    until = time.monotonic() + 120
    while not (tmp_path / "up").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert os.path.exists(f"/proc/{child}")
    asker.send_signal(ended)
    asker.communicate()
    until = time.monotonic() + 20
    while os.path.exists(f"/proc/{child}") and time.monotonic() < until:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{child}")
