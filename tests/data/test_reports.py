"""A report says how far a store is, in the words and at the times that are asked for."""

from archlab.data import reports
from archlab.data.reports import Report, Tally


def test_a_report_is_read_as_it_was_written():
    one = Report("a-train", 3, 40, 2.0, 7)
    assert reports.read(one.line()) == one and "\n" not in one.line()
    for line in ("", "text", "[]", "5", '{"name": "a"}', '{"other": 5}'):
        assert reports.read(line) is None


def test_what_it_says():
    assert str(Report("a-train", 3000, 40_000, 2.0, 7000)) == (
        "encoding a-train: 3,000 of 7,000 documents, 40,000 tokens; 1,500 documents/s, "
        "20,000 tokens/s"
    )
    assert str(Report("a", 3, 4, 0.0)) == "encoding a: 3 documents, 4 tokens"


def told(every):
    """What a tally says, and its clock."""
    now, said = [0.0], []
    return now, said, Tally(said.append, every, lambda: now[0])


def test_it_says_so_every_now_and_then():
    now, said, tally = told(10)
    tally.begin("a", 50)
    for _ in range(25):
        now[0] += 1
        tally.add("a", 2, 5)
    found = [reports.read(line) for line in said]
    assert [one.documents for one in found] == [20, 40]
    assert [one.tokens for one in found] == [50, 100]
    assert [one.seconds for one in found] == [9, 19]  # from the first
    assert {one.total for one in found} == {50}
    tally.report("a")
    assert reports.read(said[-1]).documents == 50


def test_workers_are_added_up():
    now, said, tally = told(0)
    tally.begin("a")
    tally.put("a", 0, 1, 10)
    tally.put("a", 1, 2, 20)
    tally.put("a", 0, 5, 50)
    assert [reports.read(line).documents for line in said] == [1, 3, 7]
    assert reports.read(said[-1]).tokens == 70


def test_it_may_be_silent():
    _, said, tally = told(None)
    tally.begin("a")
    tally.add("a", 1, 1)
    tally.report("a")
    assert said == []
