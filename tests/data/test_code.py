"""The name of the code changes with whatever decides what is encoded."""

from archlab.data import code
from tests.house.test_layers import imports


def test_each_fact_counts(tmp_path, monkeypatch):
    model, mine = tmp_path / "a.model", tmp_path / "mine.py"
    model.write_text("one")
    mine.write_text("x = 1")
    monkeypatch.chdir(tmp_path)

    def named(modules=(), facts=(), rooms=code.ENCODING):
        return code.digest(tuple(modules), [*facts], tuple(rooms))

    marks = [
        named(),
        named(rooms=code.ALL),
        named(["mine"]),
        named([], [None]),
        named([], ["a.model"]),
    ]
    assert named(["mine"]) == named([str(mine)]) == marks[2]  # however it is spelled
    model.write_text("two")
    mine.write_text("x = 2")
    marks += [named(["mine"]), named([], ["a.model"])]
    assert len(set(marks)) == len(marks)


def below(name):
    """The rooms of data/ that a room imports, and those that these import."""
    found = {room for room in imports(name)[0] if room.startswith("data/")}
    return found.union(*(below(room) for room in found))


def test_the_rooms_that_encode_are_listed():
    """What Text becomes is decided by how it is read, encoded and written, and by what these use.

    Objectives come later, and where a store lies decides nothing.
    """
    needed = {"data/documents", "data/writer", "data/sources", *below("data/vocabulary")}
    needed |= {"data/cut", "data/tasks", "data/corpora", "data/vocabulary"}
    needed |= {"data/records", "data/files", "data/features"}
    needed |= {"data/pairs", "data/supervision", "data/labelling", "data/labels"}
    listed = {"data/" + room.removesuffix(".py") for room in code.ENCODING}
    assert listed == needed
