"""Ten thousand documents that nobody would wish for: none crashes, each is counted once."""

import collections
import dataclasses
import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
import seqio

from archlab.data import jobs, roads, sources
from archlab.data.cut import Share
from archlab.data.options import Data
from archlab.data.store import opened
from archlab.data.vocabulary import Vocabulary

MANY = 10_000
MODEL = Path(__file__).parents[3] / "shared" / "data" / "tokenizers" / "t5" / "spiece.model"
SPACES = "\t\n\v\f\r \x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2009\u2028\u2029\u202f\u205f\u3000"
INVISIBLE = "\u200b\u200d\u2060\ufeff\u00ad\x00\x01\x7f\u202e\U000e0001"


def line(text, **fields):
    return json.dumps({"text": text, **fields}).encode()


def hostile(draw):
    """A line of a .jsonl file, and the bucket that it belongs in."""
    some = "".join(chr(draw.randrange(0x20, 0x3000)) for _ in range(draw.randrange(1, 60)))
    kinds = [
        (line(""), "empty"),
        (line("".join(draw.choices(SPACES, k=draw.randrange(1, 9)))), "empty"),
        (line(draw.choice("aZ0é犬\U0001f600~\x00")), "kept"),
        (line("\x00" * draw.randrange(1, 50)), "kept"),
        (line(f"a\x00{some}"), "kept"),
        (line("".join(draw.choices(INVISIBLE, k=5)) + "x"), "kept"),
        (b'{"text": "\\ud800"}', "kept"),
        (b'{"text": "a\\udfff\\ud83d b"}', "kept"),
        (b'{"text": "\\ud83d\\ude00"}', "kept"),
        (line("<extra_id_0> <extra_id_99>"), "kept"),
        (line("<pad></s><unk><S0><mask><end>"), "kept"),
        (line("\u2581\u2581 \u2047"), "kept"),
        (line(some + "!"), "kept"),
        (line("a" * 5000), "kept"),
        (line("e" + "\u0301" * 300), "kept"),
        (b'{"text": "\xff\xfe\x80"}', "invalid_utf8"),
        (b'{"text": "\xed\xa0\x80 \xc0\xaf"}', "invalid_utf8"),
        (b'{"text": "caf\xe9", "more": 1}', "invalid_utf8"),
        (b'{"text": null}', "missing_text"),
        (b'{"text": ["a"]}', "missing_text"),
        (b'{"text": {"text": "a"}}', "missing_text"),
        (b'{"Text": "a"}', "missing_text"),
        (b'"text"', "missing_text"),
        (b"[]", "missing_text"),
        (b"NaN", "missing_text"),
        (b"1e999", "missing_text"),
        (b'{"text": "a"', "broken_json"),
        (b'{"text": "a"} {"text": "b"}', "broken_json"),
        (b'{"text": "a\x01"}', "broken_json"),
        (b"{'text': 'a'}", "broken_json"),
        (b"\xef\xbb\xbf" + line("a"), "broken_json"),
        (b"[" * 2000, "broken_json"),
        (b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "broken_json"),
        (b"\x00\x01\x02", "broken_json"),
        (some.replace("\n", "").encode() + b"{", "broken_json"),
    ]
    return draw.choice(kinds)


def folder(path):
    """Ten thousand of them in files of every kind, and what each counts as."""
    draw, wanted = random.Random(13), collections.Counter()
    path.mkdir()
    files = {
        "ten_million.txt": (b"long " * 2_000_000, "kept"),
        "one_line.jsonl": (line("x" * 1_000_000), "kept"),
        "nothing.txt": (b"", "empty"),
        "spaces.txt": (SPACES.encode() * 1000, "empty"),
        "zeros.txt": (b"\0" * 100_000, "kept"),
        "bytes.txt": (bytes(range(256)) * 100, "invalid_utf8"),
        "wide.txt": ("犬".encode("utf-16"), "invalid_utf8"),
        "packed.txt.gz": (gzip.compress(b"packed"), "kept"),
        "cut.txt.gz": (gzip.compress(b"packed" * 99)[:-5], "broken_gzip"),
        "cut.jsonl.gz": (gzip.compress(line("a") * 99)[:-5], "broken_gzip"),
        "none.jsonl": (b"\n\n", None),
        "-rf *.txt": (b"a name", "kept"),
        "犬\n.txt": (b"a name", "kept"),
    }
    for name, (raw, bucket) in files.items():
        (path / name).write_bytes(raw)
        wanted.update([bucket] if bucket else [])
    left = MANY - sum(wanted.values())
    lines = [hostile(draw) for _ in range(left)]
    wanted.update(bucket for _, bucket in lines)
    for number, ending in enumerate([b"\n", b"\r\n", b"\n\n \n"]):
        raw = ending.join(one for one, _ in lines[number::3])
        (path / f"{number}.jsonl").write_bytes(raw)
    return wanted


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "text"
    return path, folder(path)


def test_the_source_counts_each_once(text):
    path, wanted = text
    assert sum(wanted.values()) == MANY
    found, names = collections.Counter(), []
    for split in sources.SPLITS:
        source = sources.folder(str(path))
        documents = [*source.documents(split)]
        assert all(one.text.strip() for one in documents)
        names += [one.name for one in documents]
        found += source.counts
    assert found == wanted
    assert len(set(names)) == len(names) == sum(found[bucket] for bucket in sources.READ)


@pytest.mark.parametrize("model", ["", *([str(MODEL)] if MODEL.exists() else [])])
def test_the_store_counts_each_once_and_every_id_is_one(text, model, monkeypatch, tmp_path):
    path, wanted = text
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    data = Data(folder=str(path), vocabulary=model, cache=str(tmp_path))
    request = {"data": dataclasses.asdict(data), "modules": [], "encoding": "0"}
    jobs.register(request)
    (part,) = roads.resolve("folder_causal_lm")
    counts, vocabulary, kept = collections.Counter(), Vocabulary(model), 0
    for job in jobs.of(part, request).values():
        job.writer.begin()
        job.write(Share(0), lambda *done: None)
        one = opened(job.finish())
        assert one.manifest["size"] == vocabulary.size
        ids = one.chunk(0, one.tokens)[0]
        assert 0 <= ids.min() and ids.max() < vocabulary.size
        # Whatever a text says, it says it in ids of text.
        assert np.sum(ids == vocabulary.end) == one.documents == len(one.ends)
        assert ids.max() < vocabulary.text
        assert one.bytes.min() > 0
        counts.update(one.manifest["counts"])
        kept += one.documents
    assert sum(counts.values()) == MANY
    assert kept == counts["kept"] + counts["invalid_utf8"]
    moved = counts["empty"] - wanted["empty"]  # a model may find nothing in what is no white space
    assert moved >= 0 and counts["kept"] == wanted["kept"] - moved
    assert moved == 0 or model
    for bucket in wanted.keys() - {"kept", "empty"}:
        assert counts[bucket] == wanted[bucket]
