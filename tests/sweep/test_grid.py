"""Every choice is a cell, with a name that is its own and that any file system takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.sweep import grid


def test_grids_multiply():
    found = grid.cells(["Size.layers=2,4", "Run.seed = 0:3"])
    assert [cell.overrides for cell in found] == [
        [f"Size.layers={layers}", f"Run.seed={seed}"] for layers in (2, 4) for seed in range(3)
    ]
    assert found[-1].name == "layers=4,seed=2" and found[-1].but_seed == "layers=4"
    assert grid.cells(["Run.seed=5"])[0].but_seed == ""


@pytest.mark.parametrize(
    "text, values",
    [
        ("a.b=1,1,2,1:3", ["1", "2"]),
        ("a.b=-2:1,7", ["-2", "-1", "0", "7"]),
        ("a.b=[1,2],(3,'x,y')", ["[1,2]", "(3,'x,y')"]),
        ("a.b='a,b' , \"it's\"", ["'a,b'", '"it\'s"']),
        ("a.b=it's,6\"", ["it's", '6"']),
        ("a.b=@x/Stage(),None", ["@x/Stage()", "None"]),
        ("a.b=gs://c:4/d,0.1", ["gs://c:4/d", "0.1"]),
        ("a.b=1=2", ["1=2"]),
    ],
)
def test_values_are_parted_by_commas(text, values):
    assert [cell.settings["a.b"] for cell in grid.cells([text])] == values


@pytest.mark.parametrize(
    "grids, overrides, words",
    [
        ([], [], "--grid Size.layers=2,4"),
        (["Size.layers"], [], "write it as Key=value,value"),
        (["layers=2"], [], "write it as Key=value,value"),
        (["Size.layers=2,,4"], [], "a value is empty"),
        (["Size.layers="], [], "a value is empty"),
        (["Data.folder='a,b"], [], "a quote or a bracket is not closed"),
        (["Run.expect=[1,2"], [], "a quote or a bracket is not closed"),
        (["Run.expect=1],2"], [], "a quote or a bracket is not closed"),
        (["Run.seed=3:3"], [], "3:3 is empty"),
        (["Run.seed=0:9999999999"], [], "0:9999999999 is more than 1000 runs"),
        (["Run.seed=0:100", "Size.layers=1:12"], [], "that makes 1,100 runs"),
        (["Run.seed=1", "Run.seed=2"], [], "said already"),
        (["Run.seed=1"], ["Run.seed = 2"], "said already"),
    ],
)
def test_what_is_no_grid_is_refused(grids, overrides, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        grid.cells(grids, overrides)


def test_a_name_is_as_short_as_tells_apart_and_the_same_in_any_order():
    settings = {"span/Stage.rows": "8", "Size.layers": "2", "lm/Stage.rows": "4"}
    assert grid.named(settings) == "layers=2,lm.rows=4,span.rows=8"
    assert grid.named(dict(reversed(settings.items()))) == grid.named(settings)
    both = {"lm/Stage.rows": "1", "lm/Other.rows": "1"}
    assert grid.named(both) == "lm.Other.rows=1,lm.Stage.rows=1"
    assert grid.named({"Architecture.norm_place": '"post"'}) == "norm_place=post"


@given(
    st.lists(
        st.text(min_size=1, max_size=300), min_size=2, unique_by=lambda text: text.strip("'\"")
    )
)
def test_names_are_different_and_safe(values):
    names = [grid.named({"Data.folder": value, "Run.seed": "1"}) for value in values]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9._+,=-]{1,200}", name) and not name.startswith(".")


def test_a_name_of_many_keys_is_cut_and_still_its_own():
    names = {
        grid.named({f"Some.setting_with_a_long_name_{i}": "1" for i in range(20)} | {"Z.z": z})
        for z in "12"
    }
    assert len(names) == 2 and all(len(name) == 200 for name in names)
