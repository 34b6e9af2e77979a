"""Corpora are read as TensorFlow Datasets prepared them, from a small copy made here."""

import os
import re
import socket

import pytest
import seqio
import tensorflow_datasets as datasets

from archlab import commands
from archlab.data import corpora, recipes, roads, tasks
from archlab.data.documents import Documents
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, Work
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
C4 = ("text", "url", "content-type", "content-length", "timestamp")  # the fields it really has
PAGES = {"de": 90, "sw": 10, "zh-Latn": 3}
WRITTEN_IN = ("Python", "Rust", "C++")


def documents(what, many, fields):
    """Examples whose every field says what it is of."""
    return [{field: f"{what} {number} {field} é犬" for field in fields} for number in range(many)]


def texts(what, many, field="text"):
    return {one[field] for one in documents(what, many, [field])}


def stored(where, name, config, version, splits):
    """Has TensorFlow Datasets write a data set, as it would have written the real one."""
    fields = next(iter(splits.values()))[0]
    datasets.dataset_builders.store_as_tfds_dataset(
        name,
        version,
        datasets.features.FeaturesDict({field: datasets.features.Text() for field in fields}),
        {split: list(enumerate(examples)) for split, examples in splits.items()},
        config,
        where,
        "A small copy.",
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A directory of data sets, named, versioned and split like the real ones."""
    where = tmp_path_factory.mktemp("prepared")
    web = {
        "train": documents("web", 30, C4),
        "validation": documents("held out", 5, C4),
    }
    stored(where, "c4", "en", "3.1.0", web)
    stored(where, "c4", "en", "2.2.0", {**web, "train": documents("old", 7, C4)})
    # What was prepared years ago does not say its fields; the builder's code does.
    (where / "c4" / "en" / "2.2.0" / "features.json").unlink()
    languages = {}
    for language, many in PAGES.items():
        languages[language] = documents(language, many, C4)
        languages[f"{language}-validation"] = documents(f"held out {language}", 2, C4)
    stored(where, "c4", "multilingual", "3.1.0", languages)
    articles = documents("article", 200, ["title", "text"])
    stored(where, "wikipedia", "20230601.en", "1.0.0", {"train": articles})
    files = documents("file", 300, ["content", "path"])
    for number, one in enumerate(files):
        one["lang"] = WRITTEN_IN[number % len(WRITTEN_IN)]
    stored(where, "stack", None, "1.2.0", {"train": files})
    own = {"train": documents("mine", 20, ["body"]), "test": documents("test", 4, ["body"])}
    stored(where, "mine", None, "1.0.0", own)
    return where


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """As in a process of its own, without a network."""

    def refused(*arguments):
        raise AssertionError(f"the network was asked for {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    monkeypatch.setattr(seqio.MixtureRegistry, "_REGISTRY", {})


def data(prepared, **settings):
    defaults = {"code": "stack:1.2.0", "languages": "de, sw zh-Latn"}
    return Data(tfds=str(prepared), **{**defaults, **settings})


def read(name, split):
    """The documents of a task, through the door that the build process uses."""
    (part,) = roads.resolve(name)
    documents = Documents(part.task, part.text, split, part.vocabulary)
    found = [V.decode(documents.encode(one)[0]) for one in documents.read()]
    assert len({*found}) == len(found)
    return {*found}


def test_registering_reads_nothing_and_list_names_what_is_registered(monkeypatch, capsys):
    def refused(*arguments, **settings):
        raise AssertionError(f"asked for {arguments}")

    with monkeypatch.context() as patch:
        patch.setattr(datasets, "builder", refused)
        patch.setattr(corpora, "_place", refused)
        for _ in range(2):
            tasks.register_all(Data(tfds="/nowhere"), V)
    assert commands.main(["list"]) == 0
    said = capsys.readouterr().out.partition("tasks, ")[2]
    known = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
    listed = {word.strip(",") for word in said.split() if word.strip(",") in known}
    # It names sources and objectives, of which tasks are made; pairs have no objective.
    assert listed == {"folder_supervised", "python_stdlib_supervised"}
    sources = ["python_stdlib", "folder", "c4", "wikipedia", "code", "multilingual"]
    for source in sources:
        assert f" {source}," in said or f" {source}\n" in said
        assert {f"{source}_{objective}" for objective in OBJECTIVES} <= known
    # Xue et al. 2021 name 101 languages, and six of them in Latin script as well.
    several = [one for one in known if re.fullmatch("multilingual_.+_causal_lm", one)]
    assert len(several) == 101 + 6


@pytest.mark.parametrize("objective", ["causal_lm", "span_corruption", "masked_lm", "fim"])
def test_each_corpus_through_its_tasks(prepared, objective):
    before = sorted(os.walk(prepared))
    tasks.register_all(data(prepared, code_languages="python, c++"), V)
    assert read(f"c4_{objective}", "train") == texts("web", 30)
    assert read(f"c4_{objective}", "validation") == texts("held out", 5)
    # One document in a hundred is held out of what has no validation, and all are in one of both.
    train, held_out = (read(f"wikipedia_{objective}", split) for split in ("train", "validation"))
    assert (len(train), len(held_out)) == (198, 2)
    assert train | held_out == texts("article", 200)
    train, held_out = (read(f"code_{objective}", split) for split in ("train", "validation"))
    files = {f"file {number} content é犬" for number in range(300) if number % 3 != 1}
    assert train | held_out == files and len(train) + len(held_out) == 200
    for language, many in PAGES.items():
        task = f"multilingual_{language.replace('-', '_')}_{objective}"
        assert read(task, "train") == texts(language, many)
        assert read(task, "validation") == texts(f"held out {language}", 2)
    assert sorted(os.walk(prepared)) == before  # nothing was downloaded


def test_languages_come_at_the_rates_of_xue_et_al(prepared):
    tasks.register_all(data(prepared), V)
    parts = roads.resolve("multilingual_prefix_lm")
    total = sum(part.rate for part in parts)
    found = {part.task.name: part.rate / total for part in parts}
    # 90^0.3 = 3.857, 10^0.3 = 1.995 and 3^0.3 = 1.390, of 7.243.
    by_hand = {"de": 0.5326, "sw": 0.2755, "zh_Latn": 0.1919}
    assert found == pytest.approx(
        {f"multilingual_{language}_prefix_lm": rate for language, rate in by_hand.items()}, abs=1e-4
    )


def test_other_languages_are_refused_in_a_process_that_has_some(prepared):
    tasks.register_all(data(prepared), V)
    with pytest.raises(ValueError, match="'multilingual_causal_lm' is registered already, with"):
        tasks.register_all(data(prepared, languages="de"), V)


def test_another_version_is_a_setting(prepared):
    tasks.register_all(data(prepared, c4="c4/en:2.2.0"), V)
    assert read("c4_causal_lm", "train") == texts("old", 7)


def test_a_set_of_ones_own(prepared, monkeypatch):
    monkeypatch.setenv("HOME", str(prepared.parent))
    where = f"~/{prepared.name}"
    tasks.register("mine", corpora.tfds("mine:1.0.0", text="body", data_dir=where), V)
    assert len(read("mine_causal_lm", "train")) == 20 and not read("mine_causal_lm", "validation")
    # The same words are the same source, so that a module may run twice.
    tasks.register("mine", corpora.tfds("mine:1.0.0", text="body", data_dir=where), V)
    split = corpora.tfds("mine:1.0.0", "body", where, ("train[:50%]+test", "train[50%:]"))
    tasks.register("split", split, V)
    train, held_out = (read("split_causal_lm", one) for one in ("train", "validation"))
    assert len(train) == 14 and len(held_out) == 10
    assert train | held_out == texts("mine", 20, "body") | texts("test", 4, "body")


def test_pairs_of_ones_own(prepared):
    named = ("c4/en:3.1.0", "text", str(prepared))
    source = corpora.tfds(*named, inputs="url", targets="text")
    assert source is not corpora.tfds(*named)
    assert source.facts != corpora.tfds(*named, inputs="text", targets="url").facts
    found = source.get_dataset("validation", shuffle=False).as_numpy_iterator()
    assert {(one["inputs"].decode(), one["targets"].decode()) for one in found} == {
        (one["url"], one["text"]) for one in documents("held out", 5, C4)
    }
    with pytest.raises(ValueError, match="inputs='url' and targets='': a pair has both"):
        corpora.tfds(*named, inputs="url")


def test_seqios_own_readers_accept_it(prepared):
    tasks.register_all(data(prepared), V)
    task = seqio.get_mixture_or_task("c4_causal_lm")
    assert task.num_input_examples("validation") == 5 and len(task.source.list_shards("train")) == 1
    tokens = sum(len(V.encode(one)) + 1 for one in texts("web", 30))
    for shard in (None, seqio.ShardInfo(0, 1)):
        found = task.get_dataset({"targets": 64}, "train", shuffle=True, seed=1, shard_info=shard)
        lengths = [len(one["targets"]) for one in found.as_numpy_iterator()]
        assert sum(lengths) == tokens // 64 * 64


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (["c4/en:3.0.1"], "^c4/en:3.0.1 is not in DIR; nor is it built any more: name c4/en:3.1.0"),
        (["c4/en:2.2.1"], "and prepare it: tfds build --data_dir=DIR c4/en:3.1.0$"),
        (["wikipedia/20230601.de:1.0.0"], "tfds build --data_dir=DIR wikipedia/20230601.de:1.0.0"),
        (["pg19:0.1.1"], "^pg19:0.1.1 is not in DIR; prepare it: tfds build --data_dir=DIR pg19:0"),
        (["c4/eng:3.1.0"], "c4 has no configuration 'eng', did you mean 'en'\\?$"),
        (["c4:3.1.0"], "c4 has no configuration ''; there are en, "),
        (["yours:1.0.0"], "no yours of its own: where your builder is, tfds build --data_dir=DIR$"),
        (["mine:1.0.0"], "^mine:1.0.0 has no text in a field 'text'; there are body$"),
        (["mine:1.0.0", "bodi"], "field 'bodi', did you mean 'body'"),
        (["c4/multilingual:3.1.0"], "has no split 'train'"),
        (["mine:1.0.0", "body", ("tran[:9%]", "test")], "no split 'tran', did you mean 'train'"),
        ([""], "^no data set is named; say which: --set Data.code=NAME:VERSION$"),
        (["c4/en"], "^'c4/en' is no data set and version; say NAME:VERSION"),
        (["c4/en:3.*.*"], "is no data set and version"),
        (["c4 en:3.1.0"], "'c4 en:3.1.0' is no data set and version"),
        (["c4/en/a=1:3.1.0"], "is no data set and version"),
        (["huggingface:c4/en:3.1.0"], "is no data set and version"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(prepared, source, words):
    name, text, splits, *_ = [*source, None, None]
    with pytest.raises(ValueError, match=words.replace("DIR", str(prepared))) as error:
        corpora.tfds(name, text or "text", str(prepared), splits).get_dataset("train")
    assert "\n" not in str(error.value)


def test_from_settings_to_rows(prepared, monkeypatch):
    asked = ["c4_span_corruption", "multilingual_causal_lm", "code_causal_lm"]
    monkeypatch.undo()  # another process is started, through a pipe
    found = recipes.prepare(asked, data(prepared, code_languages="rust")).wait()
    files = "".join(f"file {number} content é犬" for number in range(1, 300, 3))
    for name, kind in zip(asked, ("encoder_decoder", "decoder", "decoder"), strict=True):
        rows = Rows(found[name], 48, 16, kind, seed=0, stage=0)
        assert {*rows.batch(0, 64).objective_B} == {*range(len(rows.objectives))}
    (store,) = found["code_causal_lm"].stores("train")
    documents = V.decode(store.chunk(0, store.tokens)[0]).split("<end>")[:-1]
    assert len(documents) > 90 and all(one in files for one in documents)
    assert found["multilingual_causal_lm"].has("validation")


def test_a_data_set_that_was_found_is_looked_for_again(tmp_path, monkeypatch):
    """Until it is encoded, it may be removed."""
    monkeypatch.undo()
    own = data(tmp_path / "sets", cache=str(tmp_path / "cache"))
    files = {"train": documents("file", 100, ["content", "lang"])}
    stored(tmp_path / "sets", "stack", None, "1.2.0", files)
    for folder, said in (("sets", ""), ("away", f"stack:1.2.0 is not in {tmp_path / 'sets'};")):
        (tmp_path / "sets").rename(tmp_path / folder)
        (found,) = recipes.prepare(["code_causal_lm"], own, work=Work(encode=False)).wait().values()
        absent = found.content["tasks"][0]["absent"]
        assert absent.startswith(said) and bool(absent) == bool(said)


def test_what_is_missing_ends_the_command_with_a_line(tmp_path, monkeypatch, capfd):
    monkeypatch.undo()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert commands.main(["show", "multilingual_causal_lm"]) == 2
    out, error = capfd.readouterr()
    assert out == "" and error.count("\n") == 1
    assert error.startswith(f"archlab: error: c4/multilingual:3.1.0 is not in {tmp_path}, and Data")
    assert error.endswith("prepare it: tfds build c4/multilingual:3.1.0\n")
