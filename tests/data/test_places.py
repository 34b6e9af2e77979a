"""A place gives back what was put there, here and in a bucket, whole or not at all."""

import hashlib
import os
import uuid

import numpy as np
import pytest

from archlab.data.places import Place


@pytest.fixture(params=["here", "file", "memory"])
def place(request, tmp_path):
    name = {"here": f"{tmp_path}/a", "file": f"file://{tmp_path}/a"}
    return Place(name.get(request.param, f"memory://{uuid.uuid4()}/a"))


def test_what_was_written_is_read(place):
    assert place.files() == {}
    place.write("one", b"0123456789")
    with place.create("two") as file:
        file.write(b"ab")
        file.write(b"cd")
    (place / "deep").write("three", b"x")
    assert {name: file.size for name, file in place.files().items()} == {"one": 10, "two": 4}
    assert place.read("two") == b"abcd" and (place / "deep").read("three") == b"x"
    assert place.ranges([("one", 2, 5), ("two", 0, 1), ("one", 9, 10)]) == [b"234", b"a", b"9"]
    assert place.ranges([]) == []
    assert place.digest("one") == hashlib.sha256(b"0123456789").hexdigest()
    place.write("one", b"new")
    assert place.read("one") == b"new"


def test_what_is_removed_is_gone(place):
    place.write("one", b"1")
    (place / "deep").write("two", b"2")
    (place / "deep").remove()
    place.remove("none")
    place.remove("one")
    assert place.files() == (place / "deep").files() == {}
    with pytest.raises(FileNotFoundError):
        place.read("one")
    place.remove()
    place.remove()


def test_a_mark_follows_the_file(place):
    place.write("one", b"0123456789")
    first = place.files()["one"]
    assert place.files()["one"] == first
    place.write("one", b"0123456780")
    assert place.files()["one"].mark != first.mark


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    place = Place(str(tmp_path))
    place.write("one", b"before")
    with pytest.raises(RuntimeError, match="the disk is gone"):
        with place.create("one") as file:
            file.write(b"half")
            raise RuntimeError("the disk is gone")
    assert place.read("one") == b"before" and os.listdir(tmp_path) == ["one"]


def test_a_folder_here_is_mapped(tmp_path):
    place = Place(str(tmp_path))
    place.write("one", np.arange(5, dtype="<u2").tobytes())
    assert place.is_here and not Place(f"file://{tmp_path}").is_here
    mapped = place.map("one", "<u2")
    assert type(mapped) is np.ndarray and mapped.tolist() == [0, 1, 2, 3, 4]
    assert not mapped.flags.writeable


def test_a_place_that_cannot_be_reached_is_refused():
    with pytest.raises(ValueError, match="nowhere://a cannot be reached"):
        Place("nowhere://a").files()
