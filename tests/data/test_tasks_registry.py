"""Tasks and mixtures are registered once, found by name, and refused in words."""

import pytest
import seqio

from archlab.data import files, roads, tasks
from archlab.data.documents import Documents
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.recipes import Data
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
LINES = ["the cat", "", "sees é 犬"]


@pytest.fixture(scope="module", autouse=True)
def listed(tmp_path_factory):
    """A file of lines, registered as `listed_…`."""
    path = tmp_path_factory.mktemp("listed") / "lines.txt"
    path.write_text("\n".join(LINES) + "\n")
    source = seqio.TextLineDataSource({"train": str(path)})
    tasks.register("listed", source)
    return source


def test_a_mixture_is_its_tasks_with_their_rates(listed):
    seqio.MixtureRegistry.add("inner", [("listed_prefix_lm", 1), ("listed_span_corruption", 3)])
    seqio.MixtureRegistry.add("outer", [("inner", 2), ("listed_causal_lm", 6)])
    for name, wanted in [
        ("inner", {"listed_prefix_lm": 1 / 4, "listed_span_corruption": 3 / 4}),
        ("outer", {"listed_prefix_lm": 1, "listed_span_corruption": 3, "listed_causal_lm": 12}),
        ("listed_masked_lm", {"listed_masked_lm": 1}),
    ]:
        parts = roads.resolve(name)
        total, whole = sum(part.rate for part in parts), sum(wanted.values())
        found = {part.task.name: part.rate / total for part in parts}
        assert found == pytest.approx({task: rate / whole for task, rate in wanted.items()})
        assert {part.objective for part in parts} == {
            task.removeprefix("listed_") for task in wanted
        }
    first = roads.resolve("inner")[0]
    documents = Documents(first.task, first.text, "train", first.vocabulary)
    ids = [documents.encode(one)[0].tolist() for one in documents.read()]
    assert ids == [V.encode(line) for line in LINES]


def test_registering_twice_changes_nothing_and_differently_is_refused(listed):
    names = [f"listed_{objective}" for objective in OBJECTIVES]
    assert tasks.register("listed", listed) == names
    another = seqio.TextLineDataSource({"train": "another.txt"})
    function = seqio.FunctionDataSource(lambda split, shuffle_files: None, ["train"])
    for source in (another, function):
        with pytest.raises(ValueError, match="'listed_causal_lm' is registered already"):
            tasks.register("listed", source)
    for _ in range(2):
        tasks.register_all(Data(), V)
    assert {"folder_masked_lm", "python_stdlib_prefix_lm", "c4_causal_lm"} <= {
        *seqio.TaskRegistry.names()
    }
    with pytest.raises(ValueError, match="'folder_causal_lm' is registered already"):
        tasks.register("folder", folder="/another")


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: roads.resolve("listed_causal_ml"), "did you mean 'listed_causal_lm'"),
        (lambda: tasks.register("foldr"), "no source 'foldr', did you mean 'folder'"),
        (lambda: tasks.register("lines2", objectives=["casual_lm"]), "no source 'lines2'"),
        (
            lambda: tasks.register("folder", objectives=["casual_lm"]),
            "no objective 'casual_lm', did you mean 'causal_lm'",
        ),
    ],
)
def test_what_is_not_known_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_lone_surrogates_and_nothing_do_not_stop_the_reading(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a\\ud800b"}\n{"text": ""}\n{"text": "c"}\n')
    own = files.own("folder", str(tmp_path))
    found = own.get_dataset("train", shuffle=False)
    ids = [one["targets"].tolist() for one in tasks.Encode(V)(found).as_numpy_iterator()]
    assert ids == [V.encode("a?b"), V.encode("c")]
    assert own.counts == {"kept": 2, "empty": 1}
