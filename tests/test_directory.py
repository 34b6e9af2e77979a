import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab import directory

CONFIG = {"experiment": "one", "modules": [], "run": {"seed": 0, "keep": 3, "mesh": {"data": -1}}}


def changed(**settings) -> dict:
    return {**CONFIG, "run": {**CONFIG["run"], **settings}}


tree = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
)


@given(st.dictionaries(st.sampled_from("xyz"), tree, min_size=1))
def test_flat_names_lead_back_to_their_values(settings):
    for name, value in directory.flat(settings).items():
        found = settings
        for part in name.split("."):
            found = found[part]
        assert found == value


MADE = {"versions": {"jax": "1", "numpy": "2"}, "python": "3", "devices": ["cpu"] * 8, "data": {}}


def test_a_new_run_is_written_down_and_the_same_run_goes_on(tmp_path):
    assert directory.compare(tmp_path, CONFIG) == [] and not list(tmp_path.iterdir())
    assert directory.settle(tmp_path, CONFIG, "Run.seed = 0\n", MADE) == []
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG
    assert json.loads((tmp_path / "manifest.json").read_text()) == MADE
    assert (tmp_path / "config.gin").read_text() == "Run.seed = 0\n"
    assert directory.compare(tmp_path, CONFIG) == []
    assert directory.settle(tmp_path, CONFIG, "Run.seed = 0\n", MADE) == []


def test_a_setting_that_may_change_is_told_and_kept(tmp_path):
    directory.settle(tmp_path, CONFIG, "", MADE)
    new = changed(keep=5, mesh={"data": 4})
    assert directory.compare(tmp_path, new) == ["run.keep: 3 → 5", "run.mesh.data: -1 → 4"]
    directory.settle(tmp_path, new, "", MADE)
    assert directory.compare(tmp_path, new) == []


@pytest.mark.parametrize("old, new", [(CONFIG, changed(seed=7)), (changed(seed=7), CONFIG)])
def test_any_other_is_refused_and_nothing_is_changed(tmp_path, old, new):
    directory.settle(tmp_path, old, "old", MADE)
    said = f"run.seed: {old['run']['seed']} → {new['run']['seed']}"
    with pytest.raises(ValueError, match=said):
        directory.compare(tmp_path, new)
    assert json.loads((tmp_path / "config.json").read_text()) == old
    assert (tmp_path / "config.gin").read_text() == "old"


def test_a_setting_that_only_one_of_them_has_is_refused_too(tmp_path):
    directory.settle(tmp_path, CONFIG, "", MADE)
    with pytest.raises(ValueError, match="run.fresh: None → 1"):
        directory.compare(tmp_path, changed(fresh=1))


def test_a_run_that_was_killed_before_it_began_may_still_be_another(tmp_path):
    """Killed after any of its writes: the same command goes on, and so does a corrected one."""
    (tmp_path / "straight").mkdir()
    directory.settle(tmp_path / "straight", CONFIG, "text", MADE)
    halves = ["config.gin", "config.tmp", "config.json", "manifest.tmp"]
    for last in range(len(halves) + 1):
        folder = tmp_path / str(last)
        with directory.claim(folder):
            for name in halves[:last]:
                (folder / name).write_text("{")
        with directory.claim(folder):
            assert directory.compare(folder, changed(seed=7)) == []
            directory.settle(folder, CONFIG, "text", MADE)
        for name in ("config.gin", "config.json", "manifest.json"):
            assert (folder / name).read_text() == (tmp_path / "straight" / name).read_text()


def test_a_run_that_has_checkpoints_has_begun(tmp_path):
    directory.settle(tmp_path, CONFIG, "", MADE)
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="run.seed: 0 → 7"):
        directory.compare(tmp_path, changed(seed=7))


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_file_that_is_damaged_is_named(tmp_path, content):
    directory.settle(tmp_path, CONFIG, "", MADE)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="manifest.json is damaged"):
        directory.settle(tmp_path, CONFIG, "", MADE)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match="config.json is damaged"):
        directory.compare(tmp_path, CONFIG)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="config.json is not there"):
        directory.compare(tmp_path, CONFIG)


def test_what_a_run_goes_on_with_and_did_not_begin_with_is_told(tmp_path):
    directory.settle(tmp_path, CONFIG, "", MADE)
    now = {**MADE, "versions": {"jax": "1.1", "numpy": "2"}, "devices": ["cpu"] * 2 + ["TPU"]}
    told = directory.settle(tmp_path, CONFIG, "", now)
    assert told == ["jax: 1 → 1.1", "devices: 8 × cpu → 2 × cpu, 1 × TPU"]
    assert json.loads((tmp_path / "manifest.json").read_text()) == MADE


def test_a_directory_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for name, said in (
        (".", "is not a run directory: it holds thesis.tex"),
        ("thesis.tex", "thesis.tex is a file; --out names a directory"),
    ):
        with pytest.raises(ValueError, match=said), directory.claim(tmp_path / name):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


CLAIM = """
import sys; from pathlib import Path; from archlab import directory
with directory.claim(Path(sys.argv[1])): pass
"""


def claimed_elsewhere(folder) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", CLAIM, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_two_processes_do_not_write_in_one_directory(tmp_path):
    with directory.claim(tmp_path / "run"):
        second = claimed_elsewhere(tmp_path / "run")
        assert second.returncode and "another process is training in" in second.stderr
        assert (tmp_path / "run" / directory.LOCK).exists()
    assert claimed_elsewhere(tmp_path / "run").returncode == 0


def refused(folder):
    with pytest.raises(ValueError, match="refused"), directory.claim(folder):
        raise ValueError("refused")


def test_a_run_that_is_refused_leaves_what_was_there(tmp_path):
    refused(tmp_path / "runs" / "mine")
    assert not list(tmp_path.iterdir())
    (tmp_path / "runs").mkdir()
    refused(tmp_path / "runs" / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]
    (tmp_path / "runs" / "mine").mkdir()
    refused(tmp_path / "runs" / "mine")
    assert [path.name for path in (tmp_path / "runs").rglob("*")] == ["mine"]
    (tmp_path / "runs" / "mine" / "config.json").write_text("{}")
    refused(tmp_path / "runs" / "mine")
    there = {path.name for path in (tmp_path / "runs" / "mine").iterdir()}
    assert there == {"config.json", directory.LOCK}


def test_what_others_put_beside_a_refused_run_stays(tmp_path):
    with directory.claim(tmp_path / "runs" / "mine"):
        (tmp_path / "runs" / "other").mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["runs", "other"]


def test_a_lock_that_was_taken_away_holds_nothing(tmp_path, monkeypatch):
    """Whoever opens the lock of a run that is just refused would hold a file that is gone."""

    def late(lock, how):
        (tmp_path / "run" / directory.LOCK).unlink()

    monkeypatch.setattr(directory.fcntl, "flock", late)
    with (
        pytest.raises(ValueError, match="another process is training"),
        directory.claim(tmp_path / "run"),
    ):
        pass


def test_a_manifest_says_what_a_run_was_made_with(tmp_path):
    found = directory.made_with(["cpu"])
    json.dumps(found)
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    import jax

    assert found["versions"]["jax"] == jax.__version__
    directory.settle(tmp_path, CONFIG, "", {**found, "data": {"mixture": "abc"}})
    more = {"mixture": "abc", "another": "new"}
    assert directory.settle(tmp_path, CONFIG, "", {**found, "data": more}) == []
    with pytest.raises(ValueError, match="the text of mixture has changed since"):
        directory.settle(tmp_path, CONFIG, "", {**found, "data": {"mixture": "abd"}})
