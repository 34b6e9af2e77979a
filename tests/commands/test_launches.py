"""What starts a run elsewhere calls what it says that it would, and no more."""

import subprocess

import pytest

from archlab import commands
from archlab.commands.launches import named
from tests.fakes import Fakes

HERE = "--set=Hosts.hosts=['one', 'two']"
SLURM = ["launch", "quickstart", "--on", "slurm_gpu_8", "--set=Data.folder=/a b/$(touch x);'\""]


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Fakes(tmp_path / "fakes", monkeypatch)


def test_a_shell_that_runs_what_is_printed_calls_the_same(fakes, capfd):
    fakes.add("sbatch")
    fakes.add("scancel")
    for asked in (SLURM, [*SLURM, "--cleanup"]):
        assert commands.main([*asked, "--dry-run"]) == 0
        printed = capfd.readouterr().out
        assert not fakes.calls()[2:]
        subprocess.run(["bash", "-c", printed], check=True)
        assert commands.main(asked) == 0
        assert fakes.calls()[-1] == fakes.calls()[-2]
    called = fakes.calls()
    assert called[0][-1] == SLURM[-1] and called[2] == ["scancel", "--me", "--name=quickstart"]


def test_a_run_is_followed_where_it_was_started(fakes, capfd):
    fakes.add("ssh", '[[ ${*: -1} != *" follow "* ]] || echo the run speaks')
    asked = ["launch", "quickstart", "--on", "hosts", HERE, "--follow", "--name", "mine"]
    assert commands.main(asked) == 0
    assert capfd.readouterr().out == "the run speaks\n"
    verbs = [words[-1].split()[3:5] for words in fakes.calls()]
    assert verbs == [["start", "mine"], ["start", "mine"], ["follow", "mine"]]


def test_a_status_is_handed_on(fakes):
    fakes.add("ssh", '[[ ${*: -1} != *" follow "* ]] || exit 7')
    assert commands.main(["launch", "quickstart", "--on", "hosts", HERE, "--follow"]) == 7


def test_what_a_run_costs_is_said(capsys, fails):
    own = ["JobSet.image=i", "JobSet.claim=c", "Run.record_every=7"]
    more = [f"--set={one}" for one in own]
    asked = ["launch", "t5_1_1_xxl", "--on", "gke_v5e_256", "--dry-run", *more]
    assert commands.main(["plan", "t5_1_1_xxl", "--chip", "v5e", "--price", "1.5"]) == 0
    total = capsys.readouterr().out.splitlines()[-1].split()[1].rstrip(",")
    assert commands.main([*asked, "--price", "1.5"]) == 0
    said, *calls = capsys.readouterr().out.splitlines()
    assert said.startswith("# cost: 256 v5e × ") and f" × 1.5 = {total}, in " in said
    assert '"--set=Run.record_every=7"' in "\n".join(calls)
    where = ["launch", "quickstart", "--on", "local", "--dry-run", "--price", "1"]
    assert "no cost is known" in fails(*where)


def test_a_mesh_that_the_chips_do_not_form_is_refused_at_once(fails):
    own = ["CloudTPU.zone=z", "CloudTPU.image=i", "CloudTPU.share=s"]
    said = fails("launch", "t5_1_1_xxl", "--on", "v5e_16", *(f"--set={one}" for one in own))
    assert "gin/mesh/" in said and "16 devices" in said


def test_what_is_not_there_is_said(fakes, fails):
    fakes.alone()
    assert "sbatch is not installed; it is on the login nodes" in fails(*SLURM)
    assert "did you mean 'local'?" in fails("launch", "quickstart", "--on", "locl")
    assert "did you mean 'quickstart'?" in fails("launch", "quikstart", "--on", "local")
    assert "--name='A b'" in fails(*SLURM, "--name", "A b")
    assert "Local.processes has no effect" in fails(*SLURM, "--processes", "2")


def test_files_are_looked_for_there(fakes, capsys):
    fakes.add("ssh")
    asked = ["launch", "quickstart", "--on", "hosts", HERE, "--module", "mine.py", "--dry-run"]
    assert commands.main(asked) == 0
    said = capsys.readouterr()
    assert "--module=mine.py" in said.out and "looked for there" in said.err


def test_names_are_made_of_any():
    assert [named(one) for one in ("", "é", "a" * 50)] == ["run", "run", "a" * 40]
