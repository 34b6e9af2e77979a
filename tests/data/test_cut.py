"""Every shard is one worker's, however many there are."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.data import cut as module
from archlab.data.cut import Cut, Share, shares
from archlab.data.places import Place


@given(parts=st.integers(1, 12), workers=st.integers(1, 12), shards=st.integers(0, 30))
def test_each_shard_is_in_one_share(parts, workers, shards):
    divided = shares(parts, workers)
    assert len(divided) == workers
    owners = {
        (share.part, shard): []
        for share in (share for own in divided for share in own)
        for shard in range(shards)
    }
    assert len(owners) == parts * shards
    for worker, own in enumerate(divided):
        for share in own:
            for shard in range(share.stripe, shards, share.stripes):
                owners[share.part, shard].append(worker)
    assert all(len(found) == 1 for found in owners.values())


def test_the_example():
    assert shares(2, 1) == [[Share(0), Share(1)]]
    assert shares(2, 3) == [[Share(0, 0, 2)], [Share(1)], [Share(0, 1, 2)]]


@pytest.mark.parametrize("size, width", [(2**16, 2), (2**16 + 1, 4), (250_112, 4)])
def test_the_width_of_a_token_follows_the_vocabulary(size, width):
    assert Cut(size, 1).width == width and Cut(size, 1).kind == f"<u{width}"


@pytest.mark.parametrize("read, shards", [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_shards_of_a_part(read, shards):
    assert Cut(384, 1, 1, 4).shards(read) == shards


def test_a_cut_is_found_again_unless_it_is_damaged(tmp_path):
    place, cut = Place(str(tmp_path / "a")), Cut(384, 1, 3, 7, 5)
    assert module.begun(place) is None
    module.keep(place, cut)
    assert module.begun(place) == cut
    path = tmp_path / "a" / "building" / "plan.json"
    path.write_bytes(path.read_bytes().replace(b"7", b"8"))
    assert module.begun(place) is None
    module.keep(place, dataclasses.replace(cut, documents=8))
    assert module.begun(place).documents == 8


def test_what_stands_in_the_way_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is in the way: it holds files, and is no token store"):
        module.begun(Place(str(tmp_path)))
