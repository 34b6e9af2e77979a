"""What cannot be said of the text, or of how it is encoded, is refused."""

import dataclasses

import pytest

from archlab.data.options import ROADS, Data, Work


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Data(broken_shards=-1), "Data.broken_shards=-1; it is 0 or more"),
        (lambda: Work(workers=0), "workers=0; it is 1 or more"),
        (lambda: Work(shards=0), "shards=0; it is 1 or more"),
    ],
)
def test_numbers_that_cannot_be_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_each_road_has_a_name_of_its_own_and_none_is_forced():
    assert ROADS == ("windows", "examples", "streaming")
    assert Data().road == "" and dataclasses.replace(Data(), road="examples").road in ROADS
