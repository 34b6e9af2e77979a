import json
import os
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


def test_a_new_run_is_written_down_and_the_same_run_goes_on(tmp_path):
    assert directory.settle(tmp_path, CONFIG, "Run.seed = 0\n") == []
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG
    assert (tmp_path / "config.gin").read_text() == "Run.seed = 0\n"
    assert directory.settle(tmp_path, CONFIG, "Run.seed = 0\n") == []


def test_a_setting_that_may_change_is_told_and_kept(tmp_path):
    directory.settle(tmp_path, CONFIG, "")
    told = directory.settle(tmp_path, changed(keep=5, mesh={"data": 4}), "")
    assert told == ["run.keep: 3 → 5", "run.mesh.data: -1 → 4"]
    assert directory.settle(tmp_path, changed(keep=5, mesh={"data": 4}), "") == []


@pytest.mark.parametrize("old, new", [(CONFIG, changed(seed=7)), (changed(seed=7), CONFIG)])
def test_any_other_is_refused_and_nothing_is_changed(tmp_path, old, new):
    directory.settle(tmp_path, old, "old")
    said = f"run.seed: {old['run']['seed']} → {new['run']['seed']}"
    with pytest.raises(ValueError, match=said):
        directory.settle(tmp_path, new, "new")
    assert json.loads((tmp_path / "config.json").read_text()) == old
    assert (tmp_path / "config.gin").read_text() == "old"


def test_a_setting_that_only_one_of_them_has_is_refused_too(tmp_path):
    directory.settle(tmp_path, CONFIG, "")
    with pytest.raises(ValueError, match="run.fresh: None → 1"):
        directory.settle(tmp_path, changed(fresh=1), "")


def test_a_directory_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is not a run directory: it holds thesis.tex"):
        directory.claim(tmp_path)
    with pytest.raises(ValueError, match="thesis.tex is a file; --out names a directory"):
        directory.claim(tmp_path / "thesis.tex")


CLAIM = "import sys; from pathlib import Path; from archlab import directory; "


def claimed_elsewhere(folder) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", CLAIM + "directory.claim(Path(sys.argv[1]))", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_two_processes_do_not_write_in_one_directory(tmp_path):
    lock = directory.claim(tmp_path / "run")
    second = claimed_elsewhere(tmp_path / "run")
    assert second.returncode and "another process is training in" in second.stderr
    os.close(lock)
    assert claimed_elsewhere(tmp_path / "run").returncode == 0


def test_a_manifest_says_what_a_run_was_made_with(tmp_path):
    found = directory.manifest(["cpu"], {"mixture": "abc"}, {"size": 384})
    json.dumps(found)
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    import jax

    assert found["versions"]["jax"] == jax.__version__
    directory.write(tmp_path / "manifest.json", found)
    directory.check_data(tmp_path, {"mixture": "abc", "another": "new"})
    with pytest.raises(ValueError, match="the text of mixture has changed since"):
        directory.check_data(tmp_path, {"mixture": "abd"})
