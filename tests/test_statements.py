"""Gin text becomes bindings with places; what it may not say is refused (see also house/)."""

import pytest

from archlab import experiments, statements
from archlab.bindings import ConfigError, Place, Reference
from archlab.config import KINDS

TEXT = """\
include 'gin/size/tiny.gin'

span/Stage.tokens = "3M"  # of the first
Run.stages = [
    @span/Stage(),
    @lm/Stage,
]
Run.expect = (1, 2.5)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.gin"


def test_bindings_come_in_order_with_their_places(path):
    path.write_text(TEXT)
    found = statements.closure(path, KINDS)
    sizes, own = found[:-3], found[-3:]
    assert {one.place.file for one in sizes} == {"gin/size/tiny.gin"}
    assert [one.place for one in own] == [Place(str(path), line) for line in (3, 4, 8)]
    assert [one.key for one in own] == ["span/Stage.tokens", "Run.stages", "Run.expect"]
    references = [Reference("span", "Stage"), Reference("lm", "Stage", called=False)]
    assert [one.value for one in own] == ["3M", references, (1, 2.5)]


@pytest.mark.parametrize(
    "word, meant",
    [
        ("true", "True"),
        ("FALSE", "False"),
        ("none", "None"),
        ("float32", "'float32'"),
        ("nan", "'nan'"),
        ("[1, nul]", "'nul'"),
    ],
)
def test_a_bare_word_is_refused_with_what_was_meant(path, word, meant):
    path.write_text(f"Run.seed = 1\nRun.remat = {word}\n")
    with pytest.raises(ConfigError, match=f"bare word, did you mean {meant}\\?$") as caught:
        statements.closure(path, KINDS)
    assert str(caught.value).startswith(f"{path}:2: this is not gin: ")


@pytest.mark.parametrize(
    "text, key, value",
    [
        ("Run.remat=full", "Run.remat", "full"),
        ("Run.remat = 'full'", "Run.remat", "full"),
        ("lm/Stage.rows=4", "lm/Stage.rows", 4),
        ("Data.folder=2024", "Data.folder", "2024"),
        ("Data.folder=a=b", "Data.folder", "a=b"),
        ("Run.tensorboard=true", "Run.tensorboard", "true"),  # the type is looked at later
        ("Run.expect=[1, 2]", "Run.expect", [1, 2]),
        ("Run.data=@Data()", "Run.data", Reference("", "Data")),
    ],
)
def test_an_override_is_a_binding(text, key, value):
    found = statements.override(text, KINDS)
    assert (found.key, found.value) == (key, value)
    assert str(found.place) == f"--set {text}"


def test_a_whole_number_has_its_bounds():
    with pytest.raises(ValueError, match=r"--set Size.layers=9{20}: a whole number of 67 bits"):
        statements.override(f"Size.layers={'9' * 20}", KINDS)


def test_a_file_is_named_as_people_would(path):
    assert statements.shown(path) == str(path)
    assert statements.shown(experiments.home() / "gin" / "x.gin") == "gin/x.gin"
