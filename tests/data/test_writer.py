"""Whoever writes a store, however often they are stopped: the same bytes, or none."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data import cut as cuts
from archlab.data import writer
from archlab.data.cut import Cut, Share, shares
from archlab.data.places import Place
from archlab.data.store import Store, opened
from archlab.data.vocabulary import Vocabulary
from archlab.data.writer import Empty, Writer

END = 1
TEXT = [f"{number} " * (number % 5) for number in range(23)]  # some hold nothing


def encode(text):
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32) + 3, len(text.encode())


def ids(*documents):
    return [(np.asarray(one, np.int32), len(one)) for one in documents]


def parts(many):
    """The documents of each part."""
    return [TEXT[part::many] for part in range(many)]


def content(path):
    """Every file of a store, and what is in it."""
    place = Place(str(path))
    return {name: place.read(name) for name in place.files()}


def built(path, cut, workers=1, stop=None):
    """A store written by workers, one after another, each stopped after so many documents."""
    one, texts = Writer(Place(str(path)), cut), parts(cut.parts)
    one.begin()
    for own in shares(cut.parts, workers):
        for share in own:
            one.write(share, lambda share=share: texts[share.part], encode)
    return one.finish({"source": "mine"})


@given(
    many=st.integers(1, 4), workers=st.integers(1, 6), documents=st.integers(1, 30), data=st.data()
)
def test_the_bytes_are_the_same_whoever_wrote_them(many, workers, documents, data):
    cut, folder = Cut(384, END, many, documents), f"memory://{uuid.uuid4()}"
    wanted = content(built(f"{folder}/one", cut).path)
    path, texts = f"{folder}/other", parts(many)
    again = Writer(Place(path), cut)
    again.begin()
    every = [share for own in shares(many, workers) for share in own]
    for share in data.draw(st.permutations(every)):
        left = data.draw(st.integers(0, 30))

        def stopped(text):
            nonlocal left
            left -= 1
            if left < 0:
                raise InterruptedError
            return encode(text)

        try:
            again.write(share, lambda share=share: texts[share.part], stopped)
        except InterruptedError:
            Writer(Place(path), cut).write(share, lambda share=share: texts[share.part], encode)
    again.finish({"source": "mine"})
    assert content(path) == wanted
    kept = [text for part in texts for text in part if text]
    one = opened(path)
    assert one.documents == len(kept) and one.bytes.tolist() == [len(text) for text in kept]
    text = Vocabulary().decode(one.chunk(0, one.tokens)[0])
    assert text == "".join(f"{one}<end>" for one in kept)
    Place(folder).remove()


def test_what_is_finished_is_not_written_again():
    cut, place = Cut(384, END, 1, 4), Place(f"memory://{uuid.uuid4()}")
    encoded, told = [], []

    def stopping(text):
        encoded.append(text)
        if len(encoded) == 10:
            raise InterruptedError
        return encode(text)

    one = Writer(place, cut)
    one.begin()
    with pytest.raises(InterruptedError):
        one.write(Share(0), lambda: TEXT, stopping)
    assert one.done()[0] == sum(map(bool, TEXT[:8]))
    with pytest.raises(ValueError, match="is not whole: 00000-00000.bin is not written"):
        Writer(place, Cut(384, END, 1, 5)).finish()  # what another cut wrote counts for nothing
    encoded.clear()
    one.write(Share(0), lambda: TEXT, lambda text: encoded.append(text) or encode(text))
    assert encoded == TEXT[8:]

    def refuse():
        raise AssertionError("the source was read again")

    one.write(Share(0), refuse, encode, tell=lambda *done: told.append(done))
    assert sum(documents for documents, _ in told) == sum(map(bool, TEXT))
    one.finish()
    one.write(Share(0), refuse, encode)  # it is there
    assert one.is_done and not (place / "building").files()


@pytest.mark.parametrize("name", ["00000-00001.json", "00000-00001.index", "00000-00001.bin"])
def test_a_shard_that_was_damaged_meanwhile_is_written_again(name):
    cut, folder = Cut(384, END, 1, 4), f"memory://{uuid.uuid4()}"
    wanted = content(built(f"{folder}/one", cut).path)
    one = Writer(Place(f"{folder}/other"), cut)
    one.begin()
    one.write(Share(0), lambda: TEXT, encode)
    where = one.place if name.endswith("bin") else one.place / "building"
    where.write(name, where.read(name)[:-1])
    with pytest.raises(ValueError, match="the same command"):
        one.finish({"source": "mine"})
    one.write(Share(0), lambda: TEXT, encode)
    one.finish({"source": "mine"})
    assert content(one.place.path) == wanted


SLOW = """
import sys, time
from tests.data.test_writer import END, TEXT, Place, Cut, Share, Writer, encode

def slowly(text):
    time.sleep(0.005)
    return encode(text)

one = Writer(Place(sys.argv[1]), Cut(384, END, 1, 3))
one.begin()
print("begun", flush=True)
one.write(Share(0), lambda: TEXT * 8, slowly)
one.finish({"source": "mine"})
"""


def test_a_writer_that_is_killed_goes_on_to_the_same_bytes(tmp_path):
    cut, draw = Cut(384, END, 1, 3), random.Random(5)
    wanted = Writer(Place(str(tmp_path / "one")), cut)
    wanted.write(Share(0), lambda: TEXT * 8, encode)
    wanted.finish({"source": "mine"})
    path, kills = tmp_path / "other", 0
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    finished = [0]
    while True:
        command = [sys.executable, "-c", SLOW, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            process.stdout.readline()
            if kills < 3:
                time.sleep(draw.uniform(0.15, 0.35))
                process.send_signal(signal.SIGKILL)
        if process.returncode == 0:
            break
        kills += 1
        with pytest.raises(ValueError, match="is no token store"):
            Store(path)
        finished.append(Writer(Place(str(path)), cut).done()[0])
    assert kills == 3 and sorted(set(finished)) == finished  # each time it came further
    assert content(path) == content(tmp_path / "one")
    assert sorted(os.listdir(path)) == sorted(os.listdir(tmp_path / "one"))


def test_two_that_write_the_same_do_not_disturb_each_other(tmp_path):
    cut, path = Cut(384, END, 1, 4), tmp_path / "one"
    wanted = content(built(tmp_path / "alone", cut).path)

    def meanwhile(text):
        if text == TEXT[11]:
            built(path, cut)
        return encode(text)

    one = Writer(Place(str(path)), cut)
    one.begin()
    one.write(Share(0), lambda: TEXT, meanwhile)
    one.finish({"source": "mine"}).verify()
    assert content(path) == wanted and sorted(os.listdir(path)) == sorted(wanted)


@pytest.mark.parametrize("wrong", [-1, 384])
def test_an_id_of_no_vocabulary_is_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="document 2 has ids outside 0 to 383"):
        writer.write(tmp_path / "one", ids([5], [], [6, wrong]), Cut(384, END, 1, 2))
    with pytest.raises(ValueError, match="is no token store"):
        Store(tmp_path / "one")


@pytest.mark.parametrize("documents", [[], [[], []]])
def test_no_text_is_told_apart(tmp_path, documents):
    with pytest.raises(Empty):
        writer.write(tmp_path / "one", ids(*documents), Cut(384, END))
    assert list(tmp_path.iterdir()) == []


def test_shards_without_text_are_no_shards(tmp_path):
    one = writer.write(tmp_path / "one", ids([], [5], [], []), Cut(384, END, 1, 1))
    assert [shard["file"] for shard in one.manifest["shards"]] == ["00000-00001.bin"]
    assert one.manifest["counts"] == {"kept": 1, "empty": 3}
    assert sorted(os.listdir(one.path)) == ["00000-00001.bin", "documents.bin", "manifest.json"]


def test_counts_of_the_source_are_kept(tmp_path):
    one = Writer(Place(str(tmp_path / "one")), Cut(384, END, 2, 2))
    for part in range(2):
        one.write(
            Share(part), lambda: ["", "x"], encode, lambda part=part: {"kept": 2, "broken": part}
        )
    manifest = one.finish({"split": "train"}).manifest
    assert manifest["counts"] == {"kept": 2, "broken": 1, "empty": 2}
    assert manifest["split"] == "train"


def test_digests_are_of_the_files(tmp_path):
    one = built(tmp_path / "one", Cut(384, END, 1, 4))
    for shard in one.manifest["shards"]:
        raw = (tmp_path / "one" / shard["file"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == shard["sha256"]
        assert len(raw) == 2 * shard["tokens"]
    assert cuts.begun(Place(f"{tmp_path}/none")) is None
