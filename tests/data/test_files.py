"""Files of one's own are a SeqIO source: every document in one split, whoever reads which part."""

import json

import datasets
import pytest
import seqio

from archlab.data import files, jobs, roads, sources, tasks
from archlab.data.cut import Share
from archlab.data.options import Data
from archlab.data.store import opened


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Three files of lines; a registry of its own."""
    for registry in (seqio.TaskRegistry, seqio.MixtureRegistry):
        monkeypatch.setattr(registry, "_REGISTRY", {})
    for part in range(3):
        lines = [json.dumps({"body": f"{part} {n}", "reply": f"to {n}"}) for n in range(50)]
        (tmp_path / f"part-{part}.jsonl").write_text("\n".join(lines))
    return tmp_path


def texts(source, split, part=None):
    found = source.get_dataset(split, shuffle=False, shard_info=part).as_numpy_iterator()
    return [tuple(text.decode() for text in one.values()) for one in found]


def test_the_splits_are_those_of_a_folder_of_text(home):
    """Held out by the same rule: the name of a document is drawn."""
    source = files.source(str(home), text="body")
    own = sources.Source("own", home, tuple(f"part-{n}.jsonl" for n in range(3)), ("body",))
    for split in sources.SPLITS:
        wanted = [(one.text,) for one in own.documents(split)]
        assert texts(source, split) == wanted and wanted
    assert source.counts["kept"] == len(wanted)
    both = {one for split in sources.SPLITS for one in texts(source, split)}
    assert both == {(f"{part} {n}",) for part in range(3) for n in range(50)}


@pytest.mark.parametrize("path", ["", "*/*.txt"])
def test_a_document_stays_on_its_side_when_another_folder_comes(tmp_path, path):
    for name in [f"a/{n}.txt" for n in range(99)]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    source = files.source(str(tmp_path / path))
    before = set(texts(source, "validation"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.txt").write_text("b/x")
    assert before and set(texts(source, "validation")) - {("b/x",)} == before


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_hold_each_document_once(home, parts):
    source = files.source(f"{home}/*.jsonl", inputs="body", targets="reply", held_out=4)
    for split in sources.SPLITS:
        cut = [texts(source, split, seqio.ShardInfo(part, parts)) for part in range(parts)]
        assert sorted(one for part in cut for one in part) == sorted(texts(source, split))
        assert all(cut)
    assert source.list_shards("train") == tuple(f"part-{n}.jsonl" for n in range(3))


def test_splits_of_its_own_are_left_as_they_are(home):
    paths = {"train": [f"{home}/part-0.jsonl", f"{home}/part-2.jsonl"]}
    assert files.source(paths, text="body").splits == ("train",)
    source = files.source({**paths, "validation": f"{home}/part-1.jsonl"}, text="body")
    assert {text[0] for (text,) in texts(source, "train")} == {"0", "2"}
    assert texts(source, "validation") == [(f"1 {n}",) for n in range(50)]
    assert files.source(str(home), "body", held_out=0).splits == ("train",)


def test_what_hugging_face_saved_is_read_in_its_order(home):
    rows = [{"text": f"row {n}"} for n in range(30)]
    datasets.Dataset.from_list(rows).save_to_disk(home / "saved", num_shards=12)
    source = files.source({"train": str(home / "saved")})
    assert texts(source, "train") == [(one["text"],) for one in rows]


def test_the_same_words_name_the_same_source(home):
    one, other = files.source(str(home)), files.source(str(home))
    assert one is other is not files.source(str(home), held_out=9)
    tasks.register("mine", one)
    tasks.register("mine", other)
    with pytest.raises(ValueError, match="registered already"):
        tasks.register("mine", files.source(str(home), text="body"))


def test_the_store_is_of_the_files_as_they_are(home):
    """In as many shards as there are files; another one when a file or the field changes."""
    request = {"data": vars(Data(cache=str(home / "cache"))), "encoding": "0", "shards": 3}

    def job(name, field):
        tasks.register(name, files.source(f"{home}/*.jsonl", text=field), objectives=["causal_lm"])
        (part,) = roads.resolve(f"{name}_causal_lm")
        return jobs.of(part, request)["train"]

    paths = {job("a", "body").path, job("b", "reply").path}
    whole = job("a", "body")
    whole.writer.begin()
    assert whole.writer.cut.parts == 3
    for part in range(3):
        whole.write(Share(part), lambda *done: None)
    one = opened(whole.finish())
    assert len(one.manifest["shards"]) == 3
    assert one.documents == one.manifest["counts"]["kept"] == 150 - len(held(home))
    (home / "part-3.jsonl").write_text("{}")
    assert len({*paths, job("a", "body").path, job("b", "reply").path}) == 4


def held(home):
    return texts(files.source(f"{home}/*.jsonl", text="body"), "validation")


@pytest.mark.parametrize(
    "path", ["", "part-*.jsonl", "part-1.jsonl", "[odd]", "**/b.jsonl", "\udcff.jsonl"]
)
def test_a_change_of_any_file_is_seen(home, path):
    (home / "[odd]").mkdir()
    for name in ("[odd]/a.jsonl", "[odd]/b.jsonl", "\udcff.jsonl"):  # the last is no UTF-8
        (home / name).write_text('{"body": "text"}')
    paths = [str(home / path)]
    for changed in sources.found(paths):
        before = [sources.marked(pattern) for pattern in sources.patterns(paths)]
        changed.write_text('{"body": "another text"}')
        assert [sources.marked(pattern) for pattern in sources.patterns(paths)] != before


def test_what_cannot_be_named_is_refused(home):
    for given, said in [
        ({"paths": {"validation": "a"}}, "splits validation; there are train and validation"),
        ({"paths": {"train": "a", "test": "b"}}, "splits train, test; there are"),
        ({"paths": "a", "held_out": 1}, "held_out=1; one document in 2 or more, or 0 for none"),
        ({"paths": "a", "inputs": "b"}, "inputs='b' and targets='': a pair has both"),
    ]:
        with pytest.raises(ValueError, match=said):
            files.source(**given)
    gone = files.source(str(home / "none*.jsonl"))
    with pytest.raises(ValueError, match=r"none\*.jsonl' is no file, no pattern of files"):
        gone.list_shards("train")
