import json
import math
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

from archlab.record import Record, read


def written(path, *lines):
    record = Record(path)
    for kind, fields in lines:
        record.write(kind, **fields)
    record.close()


def test_each_line_is_json_of_its_own_and_read_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    written(path, ("start", {"parameters": 3}), ("train", {"stage": 0, "step": 1, "loss": 2.5}))
    written(path, ("train", {"stage": 0, "step": 2, "loss": 1.5}))
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["start", "train", "train"]
    assert [line.get("loss") for line in read(path)] == [None, 2.5, 1.5]
    assert all(line["time"] > 0 for line in read(path))


def test_a_repeated_step_is_read_as_it_was_written_last_and_starts_are_all_kept(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for loss in (3.0, 2.0):
        written(
            path,
            ("start", {}),
            ("train", {"stage": 0, "step": 1, "loss": loss}),
            ("evaluate", {"stage": 0, "step": 1, "loss": loss + 10}),
            ("end", {"seconds": loss}),
        )
    found = read(path)
    assert [line["kind"] for line in found] == ["start", "train", "evaluate", "end", "start"]
    assert [line.get("loss") for line in found[1:3]] == [2.0, 12.0]
    assert found[3]["seconds"] == 2.0


NESTED = {"flops": {"body": 3, "head": {"tied": 1}}, "stages": [{"name": "é"}], "loss": 2.5}


def test_a_line_torn_anywhere_loses_nothing_but_itself(tmp_path):
    path = tmp_path / "metrics.jsonl"
    written(path, ("train", {"stage": 0, "step": 1}))
    kept = path.read_bytes()
    written(path, ("train", {"stage": 0, "step": 2, **NESTED}))
    content = path.read_bytes()
    for cut in range(len(kept), len(content)):
        path.write_bytes(content[:cut])
        before = [1, 2] if cut == len(content) - 1 else [1]
        assert [line["step"] for line in read(path)] == before
        written(path, ("train", {"stage": 0, "step": 3}))
        assert [line["step"] for line in read(path)] == [*before, 3]
        lines = path.read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [*before, 3]


def test_a_line_cut_short_above_the_last_is_an_error(tmp_path):
    path = tmp_path / "metrics.jsonl"
    written(path, ("train", {"stage": 0, "step": 1, **NESTED}), ("train", {"stage": 0, "step": 2}))
    first, second = path.read_bytes().splitlines(keepends=True)
    for cut in range(1, len(first) - 1):
        path.write_bytes(first[:cut] + b"\n" + second)
        with pytest.raises(ValueError, match="metrics.jsonl:1 is not JSON"):
            read(path)


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "start"}\nnonsense\n{"kind": "end"}\n')
    with pytest.raises(ValueError, match="metrics.jsonl:2 is not JSON"):
        read(path)
    for broken in (b"3", b"[]", b'{"step": 1}', b'{"kind": 1}'):
        path.write_bytes(b'{"kind": "start"}\n' + broken + b"\n")
        with pytest.raises(ValueError, match="metrics.jsonl:2 is no line of a record"):
            read(path)
    path.write_bytes(b'{"kind": "\xff"}\n')
    with pytest.raises(ValueError, match="metrics.jsonl:1 is not JSON"):
        read(path)
    with pytest.raises(ValueError, match="holds no other.jsonl; is it a run directory"):
        read(tmp_path / "other.jsonl")


def test_what_is_not_finite_is_a_word_in_the_file_and_a_float_when_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    fields = {"loss": math.nan, "loss_by_objective": {"a": -math.inf}, "expect": (2.0, math.inf)}
    written(path, ("train", {"stage": 0, "step": 1, **fields}))

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    json.loads(path.read_text(), parse_constant=refuse)
    line = read(path)[0]
    assert math.isnan(line["loss"]) and line["loss_by_objective"]["a"] == -math.inf
    assert line["expect"] == [2.0, math.inf]


def test_tensorboard_gets_the_same_numbers(tmp_path):
    record = Record(tmp_path / "metrics.jsonl", tmp_path / "tensorboard")
    record.write("train", stage=0, step=5, total_step=12, loss=2.5, flops={"body": 7}, name="x")
    record.close()
    raw = next((tmp_path / "tensorboard").iterdir()).read_bytes()
    found, at = {}, 0
    while at < len(raw):  # TFRecord: length, its checksum, content, its checksum
        (length,) = struct.unpack("<Q", raw[at : at + 8])
        event = Event.FromString(raw[at + 12 : at + 12 + length])
        found |= {value.tag: (event.step, value.simple_value) for value in event.summary.value}
        at += 16 + length
    assert found["train/loss"] == (12, 2.5) and found["train/flops/body"] == (12, 7.0)
    assert "train/name" not in found
