"""A Beam runner writes what one process writes; `make beam` installs what that takes."""

import dataclasses
import importlib.util
import json
import sys

import pytest
import seqio

from archlab.data import beam, jobs, roads
from archlab.data.cut import Share
from archlab.data.recipes import Data, Work, prepare
from tests.data.conftest import written

# One process in its place, so that what a runner is compared with is tested everywhere.
RUNNERS = ["", *(["DirectRunner"] if importlib.util.find_spec("apache_beam") else [])]


def content(cache):
    files = (path for path in (cache / "stores").rglob("*") if path.is_file())
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return written(tmp_path_factory.mktemp("text"), 40)


@pytest.fixture(scope="module")
def wanted(text, tmp_path_factory):
    cache = tmp_path_factory.mktemp("wanted")
    data = Data(folder=str(text), cache=str(cache))
    prepare(["folder_causal_lm"], data, (), Work(shards=5)).wait()
    return content(cache)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_runner_writes_the_same_bytes(text, wanted, runner, tmp_path):
    data, told = Data(folder=str(text), cache=str(tmp_path)), []
    options = ("--direct_num_workers=1",) if runner else ()
    work = Work(workers=2 if runner else 1, runner=runner, options=options, shards=5, every=0.05)
    found = prepare(["folder_causal_lm"], data, (), work).wait(told.append)
    assert content(tmp_path) == wanted and len(wanted) == 2 * 2 + 5 + 1
    last = {report.name: report.documents for report in told}
    assert sum(last.values()) == 40
    assert found["folder_causal_lm"].has("train")


def test_a_share_is_written_from_the_request_alone(text, wanted, tmp_path, monkeypatch):
    """What a worker of a runner does, who has been told nothing else."""
    monkeypatch.setattr(seqio.TaskRegistry, "_REGISTRY", {})
    request = {
        "data": dataclasses.asdict(Data(folder=str(text), cache=str(tmp_path))),
        **{"modules": [], "encoding": "0", "recipes": {"folder_causal_lm": ""}, "shards": 5},
    }
    jobs.register(request)
    (part,) = roads.resolve("folder_causal_lm")
    every = jobs.of(part, request).values()
    for job in every:
        job.writer.begin()
    seqio.TaskRegistry.reset()
    for job in every:
        for stripe in range(2):
            beam.write(json.dumps(request), (job.path, Share(0, stripe, 2)))
        job.finish()
    assert sorted(content(tmp_path).values()) == sorted(wanted.values())


def test_without_beam_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ValueError, match=r"'DirectRunner' needs Apache Beam .* 'archlab\[beam\]'"):
        beam.run([], {"runner": "DirectRunner"}, None)
