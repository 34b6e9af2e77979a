import math

import pytest

from archlab import topology

pytest.importorskip("libtpu")


def test_every_topology_that_is_named_is_one():
    for chip, layouts in topology.TOPOLOGIES.items():
        for layout in layouts:
            many = math.prod(int(one) for one in layout.split("x"))
            found = topology.devices(f"{chip}:{layout}")
            assert len({device.id for device in found}) == len(found)
            assert len(found) == many and {one.platform for one in found} == {"tpu"}


def test_slices_follow_one_another():
    found = topology.devices("v5e:2x2", slices=2)
    assert [device.slice_index for device in found] == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("name", "slices", "words"),
    [
        ("v5q:2x2", 1, "'v5q' is not one of v5e, v5p, v6e, did you mean 'v5.'.*; as in v5e:16x16"),
        ("v5e:16x61", 1, "'16x61' is not one of 2x2, .*16x16, did you mean '16x16'"),
        ("v5e", 1, "'' is not one of 2x2"),
        ("v5e:2x2", 0, "slices=0; it is 1 or more"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(name, slices, words):
    with pytest.raises(ValueError, match=words):
        topology.devices(name, slices)


def test_without_the_compiler_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(topology.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'archlab\[tpu\]'"):
        topology.devices("v5e:2x2")
