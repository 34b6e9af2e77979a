"""What files are is seen of them, and what is not read is refused with what would be right."""

import json

import datasets
import pytest
import tensorflow_datasets

from archlab.data import kinds, records
from tests.data.test_records import written


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(path, *objects):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(one) for one in objects))


@pytest.mark.parametrize(
    "name, kind",
    [
        ("a.json.gz", records.LINES),
        ("a.parquet", records.ROWS),
        ("a.arrow", records.ROWS),
        ("a.tfrecord-00000-of-00001", records.EXAMPLES),
    ],
)
def test_fields_of_text_are_found_in_every_kind(home, name, kind):
    path = written(home / name, ["first", "second", None])
    found = kinds.look([name])
    assert (found.kind, found.splits, found.files) == (kind, {"train": (str(path),)}, 1)
    assert found.fields == {"body": "first"}


def test_a_field_is_text_if_most_records_have_it(home):
    rows = [
        {"id": n, "title": "t", "body": "b" * n, "note": "seldom" if n < 2 else None}
        for n in range(9)
    ]
    lines(home / "a.jsonl", *rows, ["no object"])
    assert kinds.look(["a.jsonl"]).fields == {"title": "t", "body": "b"}


def test_fields_are_those_of_all_files(home):
    lines(home / "data" / "a.jsonl", {"title": "t"})
    for name in ("b.jsonl", "c.jsonl"):
        lines(home / "data" / name, {"body": "b"})
    assert kinds.look(["data"]).fields == {"body": "b"}
    lines(home / "data" / "d.jsonl", {"title": "t"})
    with pytest.raises(ValueError, match="a.jsonl and 3 more; they have body, title"):
        kinds.look(["data"])


def test_whole_files_have_no_fields(home):
    (home / "notes").mkdir()
    for name in ("notes/a.txt", "notes/b.txt"):
        (home / name).write_text("text")
    found = kinds.look(["notes"])
    assert (found.kind, found.fields, found.files) == (records.TEXT, {}, 2)
    assert found.splits == {"train": (str(home / "notes"),)} and not found.notes
    assert kinds.look(["notes/a.txt"]).notes == ("a file is one text, so none is held out",)


@pytest.mark.parametrize(
    "names, train, validation, left",
    [
        (["train.jsonl", "dev.jsonl"], "train.jsonl", "dev.jsonl", ""),
        (["c4-train.00.json", "c4-train.01.json", "c4-validation.00.json"],
         "c4-train.0*.json", "c4-validation.00.json", ""),
        (["train/a.jsonl", "train/b.jsonl", "valid/a.jsonl"], "train", "valid/a.jsonl", ""),
        (["x_train.jsonl", "x_val.jsonl", "x_test.jsonl"],
         "x_train.jsonl", "x_val.jsonl", "left out: x_test.jsonl"),
        (["train.jsonl", "test.jsonl"], "train.jsonl", None, "left out: test.jsonl"),
        (["train.jsonl", "more.jsonl"], "", None, ""),
        (["train.jsonl"], "", None, ""),
        (["test.jsonl"], "", None, ""),
        (["latest.jsonl", "training.jsonl"], "", None, ""),  # which are other words
    ],
)  # fmt: skip
def test_splits_are_those_that_all_names_say(home, names, train, validation, left):
    for name in names:
        lines(home / "data" / name, {"text": name})
    found = kinds.look(["data"])
    where = {"train": train, "validation": validation}
    wanted = {
        split: (str(home / "data" / name),) for split, name in where.items() if name is not None
    }
    assert found.splits == wanted
    assert found.notes == ((left,) if left else ())


def test_many_files_are_named_by_a_pattern(home):
    for number in range(30):
        lines(home / f"part-{number:02}.jsonl", {"text": "x"})
    names = sorted(path.name for path in home.iterdir())
    assert kinds.look(names).splits == {"train": (str(home),)}
    lines(home / "other.jsonl", {"text": "x"})
    assert kinds.look(names).splits == {"train": (f"{home}/part-*.jsonl",)}
    few = names[:-1]
    assert kinds.look(few).splits == {"train": tuple(str(home / name) for name in few)}
    assert kinds.look(["part-*.jsonl"]).splits == {"train": (f"{home}/part-*.jsonl",)}


def test_what_hugging_face_saved(home):
    one = datasets.Dataset.from_list([{"text": "x", "label": 1}] * 9)
    one.save_to_disk("one")
    datasets.DatasetDict(train=one, validation=one, test=one).save_to_disk("all")
    datasets.DatasetDict(test=one).save_to_disk("test")
    found = kinds.look(["one"])
    assert (found.kind, found.fields) == (records.ROWS, {"text": "x"})
    assert found.splits == {"train": (str(home / "one"),)}
    found = kinds.look(["all"])
    assert found.splits == {name: (f"{home}/all/{name}",) for name in ("train", "validation")}
    assert (found.files, found.notes) == (2, ("left out: test",))
    with pytest.raises(ValueError, match="no split 'train', but test; name one of its folders"):
        kinds.look(["test"])


def test_what_tensorflow_datasets_prepared(home):
    features = tensorflow_datasets.features
    for name, config in (("mine", None), ("yours", "en")):
        tensorflow_datasets.dataset_builders.store_as_tfds_dataset(
            name,
            "1.2.0",
            features.FeaturesDict(
                {"body": features.Text(), "label": features.ClassLabel(num_classes=2)}
            ),
            {
                "train": [(0, {"body": "words", "label": 1})],
                "test": [(0, {"body": "b", "label": 0})],
            },
            config,
            home / "tfds",
            "Words.",
        )
    for where in ("tfds/mine", "tfds/mine/1.2.0"):
        found = kinds.look([where])
        assert (found.kind, found.name, found.folder) == (
            kinds.PREPARED,
            "mine:1.2.0",
            str(home / "tfds"),
        )
        assert (found.fields, found.splits) == ({"body": "words"}, {"train": ("train",)})
        assert found.notes == ("left out: test",)
    assert kinds.look(["tfds/yours/en"]).name == "yours/en:1.2.0"
    with pytest.raises(ValueError, match="name one version of one data set"):
        kinds.look(["tfds"])
    (home / "tfds/mine/1.2.0/dataset_info.json").write_text("{}")
    with pytest.raises(ValueError, match="1.2.0 is no data set of TensorFlow Datasets"):
        kinds.look(["tfds/mine"])


@pytest.mark.parametrize(
    "name, said",
    [
        ("~no_such_user/a", "'~no_such_user/a' is no file, no"),
        ("none", "'none' is no file, no pattern of files and no folder with text"),
        ("a.csw", "'a.csw' is no file, no .* text, did you mean 'a.csv'"),
        ("empty", "'empty' is no file, no pattern of files and no folder with text"),
        ("a.csv", "a.csv is not read: write a JSON object for each of its rows; what is read is "),
        ("a.tar.gz", "unpack it; what is read is"),
        ("a.jsonl.zst", "pack it with gzip"),
        ("a.pdf", "write its text into a .txt file"),
        ("a.bin", "a.bin is not read: what is read is .txt, .jsonl"),
        (
            "array.json",
            "no field holds text in most of the first JSON lines of .*, each an object like",
        ),
        ("numbers.jsonl", "no field holds text in .* of .*numbers.jsonl; they have n, of$"),
        ("nothing.jsonl", "nothing.jsonl is empty: it holds no JSON lines"),
        ("mixed", "mixed: 1 of JSON lines and 1 of text; name files of one kind"),
    ],
)
def test_what_is_not_read_is_refused(home, name, said):
    (home / "empty").mkdir()
    for file in ("a.csv", "a.tar.gz", "a.jsonl.zst", "a.pdf", "a.bin", "nothing.jsonl"):
        (home / file).write_text("")
    (home / "array.json").write_text(json.dumps([{"text": "x"}, {"text": "y"}], indent=0)[:-1])
    lines(home / "numbers.jsonl", {"n": 1, "of": None})
    lines(home / "mixed" / "a.jsonl", {"text": "x"})
    (home / "mixed" / "b.txt").write_text("x")
    with pytest.raises(ValueError, match=said):
        kinds.look([name])


@pytest.mark.parametrize(
    "file, content, said",
    [
        ("dataset_dict.json", "{", "dataset_dict.json is not JSON"),
        ("dataset_dict.json", "[]", "it, where names should be, is missing or odd"),
        ("dataset_dict.json", "{}", "splits is missing or odd"),
        ("dataset_dict.json", '{"splits": [1]}', "splits.0 is missing or odd"),
        ("dataset_dict.json", '{"splits": []}', "dataset_dict.json names no splits"),
        ("state.json", "{", "state.json is not JSON"),
        ("state.json", '{"_data_files": [{}]}', "_data_files.0.filename is missing or odd"),
        ("dataset_info.json", "{", "own is no data set of TensorFlow Datasets"),
    ],
)
def test_a_data_set_that_is_damaged_is_named(home, file, content, said):
    (home / "own").mkdir()
    (home / "own" / file).write_text(content)
    with pytest.raises(ValueError, match=said):
        kinds.look(["own"])
